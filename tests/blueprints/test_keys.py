"""`/api/keys` as clients meet it."""

from datetime import timedelta

import pytest

from tests.doubles.api_client import ApiClient
from tests.factories.users import make_user
from tests.factories.workspaces import make_workspace

PATH = "/api/keys"


def _made(client, **fields):
    return client.post(PATH, json={"name": "Laptop", **fields})


def _with(app, answer):
    return ApiClient(app, answer.json["secret"])


def _in(clock, seconds):
    return (clock.now() + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def test_a_new_key_opens_the_door_and_is_shown_once(app, alice):
    """Lists have a hint of the secret, never the secret."""
    made = _made(alice)
    listed = alice.get(PATH)

    assert made.status_code == 201
    assert made.json["secret"].startswith("lk-")
    assert _with(app, made).get("/api/me").json["key"]["id"] == made.json["id"]
    assert "secret" not in listed.json["items"][-1]
    assert made.json["secret"] not in listed.text


def test_a_new_key_is_in_the_next_list(alice):
    """The promise of the namespace `permissions`."""
    alice.get(PATH)
    warm = alice.get(PATH)

    made = _made(alice)
    after = alice.get(PATH)

    assert warm.headers["Cache-Status"].startswith("larder; hit")
    assert "fwd=miss" in after.headers["Cache-Status"]
    assert after.json["items"][-1]["id"] == made.json["id"]


def test_pages_follow_one_another(alice):
    """Every key is on exactly one page."""
    made = [_made(alice).json["id"] for _ in range(3)]
    first = alice.get(PATH, query_string={"limit": 2}).json

    second = alice.get(PATH, query_string={"limit": 2, "cursor": first["next_cursor"]}).json

    assert [each["id"] for each in first["items"] + second["items"]][1:] == made


def test_revocation_holds_from_the_next_request_on(app, alice):
    """The key was warm in the cache; it must not open a door once more."""
    made = _made(alice)
    client = _with(app, made)
    client.get("/api/me")
    client.get("/api/me")

    revoked = alice.delete(f"{PATH}/{made.json['id']}")

    assert revoked.status_code == 204
    assert client.get("/api/me").status_code == 401
    assert alice.get(PATH).json["items"][-1]["revoked_at"] is not None


def test_a_revoked_key_stays_revoked(alice):
    """Revoking again changes nothing, changing it is refused."""
    path = f"{PATH}/{_made(alice).json['id']}"
    alice.delete(path)

    assert alice.delete(path).status_code == 204
    assert alice.patch(path, json={"name": "x"}).json["code"] == "key_revoked"


def test_expiry_holds_to_the_second(app, alice, clock):
    """The entry in the cache is older than the expiry; the clock decides."""
    client = _with(app, _made(alice, expires_at=_in(clock, 60)))
    client.get("/api/me")

    clock.advance(59)
    before = client.get("/api/me")
    clock.advance(1)
    after = client.get("/api/me")

    assert before.status_code == 200
    assert after.status_code == 401
    assert after.json["code"] == "expired_api_key"


def test_a_key_does_what_its_scopes_say_and_no_more(app, alice):
    """Scopes take away from what the role allows."""
    client = _with(app, _made(alice, scopes=["models:read", "conversations:*"]))

    assert client.get("/api/folders").status_code == 200
    assert client.post("/api/folders", json={"name": "x"}).status_code == 201
    assert client.get("/api/models").status_code == 200
    assert client.get(PATH).status_code == 403


def test_changed_scopes_hold_from_the_next_request_on(app, alice):
    """A key that was warm does not keep what was taken from it."""
    made = _made(alice, scopes=["conversations:*"])
    client = _with(app, made)
    client.get("/api/folders")

    alice.patch(f"{PATH}/{made.json['id']}", json={"scopes": ["models:read"]})

    assert client.get("/api/folders").status_code == 403


@pytest.mark.parametrize("scopes", [["*"], ["conversations:*"], ["models:write"], ["keys:*", "*"]])
def test_a_key_cannot_give_scopes_it_has_not(app, alice, scopes):
    """A leaked key with few scopes must not make itself a better one."""
    client = _with(app, _made(alice, scopes=["keys:*", "conversations:read"]))
    own = client.post(PATH, json={"name": "Own", "scopes": ["conversations:read"]}).json["id"]

    assert _made(client, scopes=scopes).status_code == 403
    assert client.patch(f"{PATH}/{own}", json={"scopes": scopes}).status_code == 403


def test_a_key_made_without_scopes_has_its_makers(app, alice):
    """Leaving it out is no way to more."""
    client = _with(app, _made(alice, scopes=["keys:*"]))

    assert _made(client).json["scopes"] == ["keys:*"]


def test_a_member_cannot_lay_by_scopes_of_an_admin(alice):
    """They would wake up on the day of a promotion."""
    assert _made(alice, scopes=["users:write"]).status_code == 403
    assert _made(alice, scopes=["*"]).status_code == 201


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        ({}, 403),
        ({"requests_per_minute": 11}, 403),
        ({"requests_per_minute": 10}, 201),
    ],
)
def test_a_limited_key_gives_no_more_than_its_limit(app, alice, limits, status):
    """Else a limit would be a matter of one call."""
    client = _with(app, _made(alice, requests_per_minute=10))

    assert _made(client, **limits).status_code == status


def test_a_key_that_runs_out_makes_none_that_lasts_longer(app, alice, clock):
    """A key lent for an hour is not kept for ever."""
    client = _with(app, _made(alice, expires_at=_in(clock, 3600)))

    assert _made(client).status_code == 403
    assert _made(client, expires_at=_in(clock, 3601)).status_code == 403
    assert _made(client, expires_at=_in(clock, 3600)).status_code == 201


@pytest.mark.parametrize(("limit", "status"), [("hard_limit_usd", 403), ("soft_limit_usd", 201)])
def test_a_key_with_a_budget_makes_none_without(app, admin, alice, limit, status):
    """What a key may spend would be a matter of one call."""
    made = _made(alice)
    budget = {"subject_kind": "key", "subject_id": made.json["id"], "period": "month", limit: "5"}

    assert admin.post("/api/costs/budgets", json=budget).status_code == 201

    assert _made(_with(app, made)).status_code == status
    assert _made(alice).status_code == 201


def test_somebody_elses_key_is_not_there(alice, bob):
    """Not to be listed, changed or revoked by another member."""
    path = f"{PATH}/{_made(alice).json['id']}"

    assert bob.patch(path, json={"name": "x"}).status_code == 404
    assert bob.delete(path).status_code == 404
    assert bob.get(PATH, query_string={"user_id": alice.user_id}).status_code == 403
    assert _made(bob, user_id=alice.user_id).status_code == 403


def test_an_admin_manages_the_keys_of_members(app, alice):
    """That is how a new user gets the first one."""
    deputy = make_user(app, "Dan", role="admin")

    made = _made(deputy, user_id=alice.user_id)
    listed = deputy.get(PATH, query_string={"user_id": alice.user_id}).get_json()["items"]
    client = _with(app, made)

    assert made.json["user_id"] == alice.user_id
    assert made.json["id"] in [each["id"] for each in listed]
    assert client.get("/api/me").json["role"] == "member"
    assert deputy.delete(f"{PATH}/{made.json['id']}").status_code == 204
    assert client.get("/api/me").status_code == 401


def test_an_admin_gets_no_key_of_an_owner(app, admin):
    """It would make them one."""
    deputy = make_user(app, "Dan", role="admin")
    owner = admin.get("/api/me").json

    assert _made(deputy, user_id=owner["user"]["id"]).status_code == 403
    assert deputy.delete(f"{PATH}/{owner['key']['id']}").status_code == 403


def test_an_admin_gets_no_key_of_another_admin(app):
    """What they would do with it, the log would say of the other."""
    deputy, other = (make_user(app, name, role="admin") for name in ("Dan", "Eve"))

    assert _made(deputy, user_id=other.user_id).status_code == 403


def test_a_viewer_of_a_workspace_has_no_key_of_it(alice, bob):
    """Who only looks on spends nothing for the team."""
    workspace = make_workspace(alice, viewer=bob).rpartition("/")[2]

    refused = _made(bob, workspace_id=workspace)
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["workspace_id"])


def test_revoked_keys_take_no_room(alice, monkeypatch):
    """Else whoever changes keys often would one day have none left."""
    monkeypatch.setattr("services.keys.MAX_KEYS", 2)
    second = _made(alice).json["id"]
    full = _made(alice)
    alice.delete(f"{PATH}/{second}")

    assert (full.status_code, full.json["code"]) == (409, "too_many_keys")
    assert _made(alice).status_code == 201


def test_a_key_belongs_to_a_workspace_of_its_user_only(alice, bob):
    """Its costs are booked there."""
    workspace = alice.post("/api/workspaces", json={"name": "Lab"}).json["id"]

    assert _made(alice, workspace_id=workspace).json["workspace_id"] == workspace
    refused = _made(bob, workspace_id=workspace)
    assert list(refused.json["errors"]) == ["workspace_id"]


def test_a_key_of_a_workspace_makes_keys_of_it_only(app, alice):
    """A key lent to a team's program does not move its costs elsewhere."""
    here = alice.post("/api/workspaces", json={"name": "Lab"}).json["id"]
    there = alice.post("/api/workspaces", json={"name": "Shed"}).json["id"]
    client = _with(app, _made(alice, workspace_id=here))

    assert _made(client).json["workspace_id"] == here
    assert _made(client, workspace_id=there).status_code == 403


def test_a_change_of_another_version_is_refused(alice):
    """`If-Match` protects what one has not seen."""
    path = f"{PATH}/{_made(alice).json['id']}"
    changed = alice.patch(path, json={"name": "Desk"})
    seen = {"If-Match": changed.headers["ETag"]}

    assert alice.patch(path, json={"name": "Shelf"}, headers=seen).status_code == 200
    assert alice.delete(path, headers=seen).status_code == 412


def test_no_secret_reaches_the_audit_log(admin, alice):
    """The log says that a key was made, not what opens the door."""
    made = _made(alice)

    logged = admin.get("/api/audit-logs", query_string={"action": "key.created"})

    assert logged.json["items"][0]["subject_id"] == made.json["id"]
    assert made.json["secret"] not in logged.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["models:fly"]}, "scopes"),
        ({"name": "x", "scopes": "models:read"}, "scopes"),
        ({"name": "x", "scopes": ["models:read"] * 51}, "scopes"),
        ({"name": "x", "scopes": [7]}, "scopes.0"),
        ({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"name": "x", "requests_per_minute": 0}, "requests_per_minute"),
        ({"name": "x", "tokens_per_minute": 1.5}, "tokens_per_minute"),
        ({"name": "x", "tokens_per_minute": True}, "tokens_per_minute"),
        ({"name": "x", "workspace_id": "nowhere"}, "workspace_id"),
        ({"name": "x", "secret": "lk-mine"}, "secret"),
    ],
)
def test_a_wrong_field_is_named(alice, body, field):
    """Bad input is a 422 that names the field."""
    answer = alice.post(PATH, json=body)

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]


def test_a_viewer_makes_no_keys(app):
    """A viewer looks."""
    assert _made(make_user(app, "Vera", role="viewer")).status_code == 403
