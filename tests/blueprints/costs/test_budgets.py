"""`/api/costs/budgets` over HTTP."""

from typing import Any

import pytest

from tests.doubles.api_client import ApiClient
from tests.factories.costs import make_price, make_record

PATH = "/api/costs/budgets"


def _make(admin: ApiClient, user_id: str, **limits: Any) -> Any:
    asked = {"subject_kind": "user", "subject_id": user_id, "period": "month", **limits}
    return admin.post(PATH, json=asked)


def test_a_budget_shows_what_was_spent_as_it_is_spent(app, alice, admin):
    """Made, read, changed, deleted: each seen by the next read."""
    make_price(app)
    made = _make(admin, alice.user_id, soft_limit_usd="2", hard_limit_usd="9")
    make_record(app, alice.user_id)
    (spent,) = alice.get(PATH).json["items"]
    changed = admin.patch(f"{PATH}/{made.json['id']}", json={"hard_limit_usd": "3"})
    deleted = admin.delete(f"{PATH}/{made.json['id']}")

    assert (made.status_code, made.json["spent_usd"]) == (201, "0")
    assert (spent["spent_usd"], spent["soft_exceeded"], spent["hard_exceeded"]) == (
        "3",
        True,
        False,
    )
    assert changed.json["hard_exceeded"]
    assert (deleted.status_code, alice.get(PATH).json["items"]) == (204, [])


def test_a_spent_budget_answers_402_before_anything_is_spent(app, alice, admin):
    """The provider is not asked, and the ledger stays as it was."""
    _make(admin, alice.user_id, hard_limit_usd="0")
    asked = {"model": "demo/echo", "messages": [{"role": "user", "content": "hi"}]}
    answer = alice.post("/v1/chat/completions", json=asked)

    assert answer.status_code in {402, 429}
    assert answer.json["error"]["code"] == "budget_exceeded"
    assert alice.get("/api/costs/records").json["items"] == []


def test_a_change_of_another_version_is_refused(app, alice, admin):
    """Two admins must not overwrite each other without a word."""
    made = _make(admin, alice.user_id, hard_limit_usd="5")
    path = f"{PATH}/{made.json['id']}"
    right = {"If-Match": made.headers["ETag"]}

    first = admin.patch(path, json={"hard_limit_usd": "6"}, headers=right)
    second = admin.patch(path, json={"hard_limit_usd": "7"}, headers=right)

    assert (first.status_code, second.status_code) == (200, 412)


def test_budgets_are_made_by_admins_only(alice, bob, admin):
    """Who could lift their own limit has none."""
    made = _make(admin, alice.user_id, hard_limit_usd="5").json

    assert _make(alice, alice.user_id, hard_limit_usd="5").status_code == 403
    assert alice.patch(f"{PATH}/{made['id']}", json={}).status_code == 403
    assert alice.delete(f"{PATH}/{made['id']}").status_code == 403
    assert bob.get(PATH).json["items"] == []


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({}, "hard_limit_usd"),
        ({"hard_limit_usd": "-0.01"}, "hard_limit_usd"),
        ({"hard_limit_usd": "1e9"}, "hard_limit_usd"),
        ({"hard_limit_usd": 5}, "hard_limit_usd"),
        ({"hard_limit_usd": "1", "soft_limit_usd": "2"}, "soft_limit_usd"),
        ({"hard_limit_usd": "1", "subject_id": "nobody"}, "subject_id"),
        ({"hard_limit_usd": "1", "subject_kind": "team"}, "subject_kind"),
    ],
)
def test_bad_budgets_are_refused_by_name(alice, admin, limits, field):
    """A limit that was misread limits the wrong thing."""
    answer = _make(admin, alice.user_id, **limits)

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]


def test_a_second_budget_for_the_same_is_a_conflict(alice, admin):
    """It would be open which of them counts."""
    _make(admin, alice.user_id, hard_limit_usd="5")

    assert _make(admin, alice.user_id, hard_limit_usd="6").status_code == 409
    assert admin.patch(f"{PATH}/unknown", json={}).status_code == 404
