"""`/api/me` as clients meet it."""

import pytest

from tests.factories.users import make_user

PATH = "/api/me"


def _own_key(client):
    return client.get(PATH).get_json()["key"]["id"]


def test_a_caller_learns_who_they_are(alice):
    """A program can find out what its key is good for."""
    me = alice.get(PATH).json

    assert me["user"]["id"] == alice.user_id
    assert me["role"] == "member"
    assert "chat:write" in me["permissions"]
    assert "users:write" not in me["permissions"]
    assert me["key"]["hint"] == alice.key[-4:]
    assert alice.key not in str(me)


def test_permissions_are_cut_down_to_the_scopes_of_the_key(app):
    """What is shown is what is allowed."""
    client = make_user(app, "Robot", scopes=["me:read", "models:*"])

    assert client.get(PATH).get_json()["permissions"] == ["me:read", "models:read"]


@pytest.mark.parametrize(
    ("method", "path", "json", "seen"),
    [
        ("PATCH", "/api/users/{user}", {"name": "Alicia"}, "Alicia"),
        ("PATCH", "/api/users/{user}", {"role": "viewer"}, "viewer"),
        ("PATCH", "/api/keys/{key}", {"name": "Laptop"}, "Laptop"),
        ("PATCH", "/api/workspaces/{workspace}", {"name": "Lab"}, "Lab"),
        ("POST", "/api/workspaces", {"name": "Shed"}, None),
    ],
)
def test_what_changes_about_a_caller_is_in_their_next_read(admin, alice, method, path, json, seen):
    """One answer is made of four tables; a write to any of them must empty it."""
    workspace = alice.post("/api/workspaces", json={"name": "Desk"}).get_json()["id"]
    path = path.format(user=alice.user_id, key=_own_key(alice), workspace=workspace)
    warm = alice.get(PATH)

    changed = (admin if seen else alice).open(method, path, json=json)
    after = alice.get(PATH)

    assert warm.headers["Cache-Status"].startswith("larder; hit")
    assert changed.status_code < 300
    assert "fwd=miss" in after.headers["Cache-Status"]
    assert (seen or "Shed") in str(after.json)
