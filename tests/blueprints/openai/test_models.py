"""`/v1/models`: the catalogue as OpenAI's clients read it."""

from urllib.parse import quote

import pytest

from tests.factories.models import make_provider

PATH = "/v1/models"


def _ids(client):
    return [each["id"] for each in client.get(PATH).json["data"]]


def test_a_model_is_listed_in_openais_shape(alice, clock):
    """Four fields, as their client expects them."""
    listed = alice.get(PATH)

    echo = {
        "id": "demo/echo",
        "object": "model",
        "created": int(clock.now().timestamp()),
        "owned_by": "demo",
    }
    assert listed.json == {"object": "list", "data": [echo]}
    assert alice.get(f"{PATH}/demo/echo").json == echo


@pytest.mark.parametrize("safe", ["/", ""])
def test_an_id_with_slashes_is_found_in_both_spellings(admin, alice, safe):
    """The official client sends %2F."""
    admin.post("/api/models", json={"id": "demo/a/b:free"})

    found = alice.get(f"{PATH}/{quote('demo/a/b:free', safe=safe)}")

    assert found.json["id"] == "demo/a/b:free"


def test_a_bare_name_is_found_as_in_a_call(admin, alice):
    """Clients look up what they are about to ask; of two with the name neither is meant."""
    admin.post("/api/models", json={"id": "demo/sea"})

    found = alice.get(f"{PATH}/sea")
    make_provider(admin, "http://127.0.0.1:9/v1", provider_id="acme")
    admin.post("/api/models", json={"id": "acme/sea"})
    twice = alice.get(f"{PATH}/sea")

    assert found.json == alice.get(f"{PATH}/demo/sea").json
    assert (twice.status_code, twice.json["error"]["code"]) == (404, "model_not_found")


def test_an_alias_is_listed_while_one_of_its_models_can_be_used(admin, alice):
    """Who takes a model from the list must be able to ask it."""
    make_provider(admin, "http://127.0.0.1:9/v1")
    admin.post("/api/models", json={"id": "acme/sea"})
    targets = [{"model": "acme/sea"}, {"model": "demo/echo"}]
    admin.post("/api/models", json={"id": "smart", "kind": "alias", "targets": targets})

    admin.patch("/api/providers/acme", json={"status": "disabled"})
    one_left = _ids(alice)
    admin.patch("/api/models/demo/echo", json={"status": "disabled"})

    assert one_left == ["smart", "demo/echo"]
    assert _ids(alice) == []
    assert alice.get(f"{PATH}/smart").status_code == 404


def test_a_disabled_alias_hides_a_bare_name_as_in_a_call(admin, alice):
    """An alias goes first, though it is switched off."""
    admin.post("/api/models", json={"id": "demo/sea"})
    alias = {"id": "sea", "kind": "alias", "targets": [{"model": "demo/echo"}]}
    admin.post("/api/models", json=alias)
    active = alice.get(f"{PATH}/sea").json

    admin.patch("/api/models/sea", json={"status": "disabled"})

    assert (active["id"], active["owned_by"]) == ("sea", "larder")
    assert alice.get(f"{PATH}/sea").status_code == 404


@pytest.mark.parametrize(
    ("status", "is_listed"), [("active", True), ("deprecated", True), ("disabled", False)]
)
def test_what_may_be_used_is_listed(admin, alice, status, is_listed):
    """Also for an admin: a disabled model would only fail."""
    admin.post("/api/models", json={"id": "demo/sea"})
    assert "demo/sea" in _ids(alice)

    admin.patch("/api/models/demo/sea", json={"status": status})

    assert ("demo/sea" in _ids(alice)) is is_listed
    assert ("demo/sea" in _ids(admin)) is is_listed
    assert alice.get(f"{PATH}/demo/sea").status_code == (200 if is_listed else 404)


def test_a_disabled_providers_models_are_not_listed(admin, alice):
    """The switch of the provider is one for all its models."""
    assert _ids(alice) == ["demo/echo"]

    admin.patch("/api/providers/demo", json={"status": "disabled"})

    assert _ids(alice) == []
    assert alice.get(f"{PATH}/demo/echo").status_code == 404


def test_an_unknown_model_is_said_in_openais_words(alice):
    """Their client raises NotFoundError with this code."""
    answer = alice.get(f"{PATH}/demo/nothing")

    assert answer.status_code == 404
    assert answer.json == {
        "error": {
            "message": "There is no model “demo/nothing”.",
            "type": "invalid_request_error",
            "param": None,
            "code": "model_not_found",
        }
    }


ANTHROPICS = {"anthropic-version": "2023-06-01"}


def test_anthropics_clients_get_their_own_shape(admin, alice):
    """From the same path, a page at a time."""
    admin.post("/api/models", json={"id": "demo/sea"})

    listed = alice.get(f"{PATH}?limit=1", headers=ANTHROPICS)
    found = alice.get(f"{PATH}/demo/sea", headers=ANTHROPICS)

    assert [each["id"] for each in listed.json["data"]] == ["demo/echo"]
    assert (listed.json["last_id"], listed.json["has_more"]) == ("demo/echo", True)
    assert (found.json["type"], found.json["id"]) == ("model", "demo/sea")
    assert "anthropic-version" in listed.headers["Vary"]


@pytest.mark.parametrize(
    ("path", "status"), [(f"{PATH}/nothing", 404), (f"{PATH}?limit=many", 400)]
)
def test_either_client_can_read_its_errors(alice, path, status):
    """The field or the model stands in the message."""
    theirs, openais = alice.get(path, headers=ANTHROPICS), alice.get(path)

    assert (theirs.status_code, openais.status_code) == (status, status)
    assert set(theirs.json) == {"type", "error", "request_id"}
    assert "param" in openais.json["error"]
