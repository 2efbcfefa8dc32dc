"""A model's price, set where the model is changed."""

import pytest

from tests.doubles.api_client import ApiClient

ECHO = "/api/models/up%2Fecho"
PRICE = {"rates": {"input": "3", "output": "9"}}


def _overrides(admin: ApiClient) -> list[dict[str, object]]:
    found = admin.get("/api/costs/pricing", query_string={"model": "up/echo"}).get_json()
    return [each for each in found["items"] if each["source"] == "override"]


def test_a_price_comes_with_the_other_changes(admin, provided):
    """One form, one request, one transaction."""
    answer = admin.patch(ECHO, json={"display_name": "Echo", "price_override": PRICE})

    assert answer.get_json()["display_name"] == "Echo"
    assert [each["rates"] for each in _overrides(admin)] == [PRICE["rates"]]


def test_null_takes_all_overrides_away(admin, provided):
    """So that the copied prices count again."""
    admin.patch(ECHO, json={"price_override": PRICE})
    answer = admin.patch(ECHO, json={"price_override": None})

    assert answer.status_code == 200
    assert _overrides(admin) == []


def test_a_change_without_a_price_leaves_it(admin, provided):
    """What is left out stays."""
    admin.patch(ECHO, json={"price_override": PRICE})
    admin.patch(ECHO, json={"status": "deprecated"})

    assert len(_overrides(admin)) == 1


def test_a_key_that_may_not_set_prices_changes_nothing(app, admin, provided):
    """The catalogue's keeper need not be the one who keeps the money."""
    made = admin.post("/api/keys", json={"name": "c", "scopes": ["models:*"]}).get_json()
    keeper = ApiClient(app, made["secret"])
    answer = keeper.patch(ECHO, json={"display_name": "Mine", "price_override": PRICE})

    assert answer.status_code == 403
    assert admin.get(ECHO).get_json()["display_name"] == "echo"
    assert keeper.patch(ECHO, json={"display_name": "Mine"}).status_code == 200


@pytest.mark.parametrize(
    ("price", "field"),
    [
        ({}, "rates"),
        ({"rates": {"input": "-1", "output": "1"}}, "input"),
        ({"rates": {"input": "1"}}, "output"),
        ("3", "price_override"),
    ],
)
def test_a_price_that_is_none_names_its_field(admin, provided, price, field):
    """And the model stays as it was."""
    answer = admin.patch(ECHO, json={"price_override": price})

    assert answer.status_code == 422
    assert field in answer.text
    assert _overrides(admin) == []
