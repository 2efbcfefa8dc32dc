"""`/api/cache/namespaces/{ns}/keys` as admins meet it."""

import pytest

from cache.extension import cache

PATH = "/api/cache/namespaces/conversations/keys"


def _scope(client):
    return {"scope": client.user_id}


def _listed(admin, **query):
    """All pages: in a Redis that has much else, one may be empty."""
    page = admin.get(PATH, query_string=query).json
    items = page["items"]
    while page["next_cursor"]:
        page = admin.get(PATH, query_string={**query, "cursor": page["next_cursor"]}).json
        items += page["items"]
    return items


@pytest.fixture
def key(admin, alice):
    """The key of Alice's folders, which are in the cache."""
    alice.get("/api/folders")
    (found,) = _listed(admin, **_scope(alice))
    return found["key"]


def test_keys_are_listed_by_scope_and_beginning(admin, alice, bob, key):
    """Each with its owner, so that it can be asked for."""
    bob.get("/api/folders")

    everyone = _listed(admin)
    hers = _listed(admin, **_scope(alice), prefix="folders:")

    assert {each["scope"] for each in everyone} == {alice.user_id, bob.user_id}
    assert hers == [{"scope": alice.user_id, "key": key}]


def test_an_entry_is_read(admin, alice, key):
    """What a user is shown, and how old it is."""
    entry = admin.get(f"{PATH}/{key}", query_string=_scope(alice)).json

    assert entry["value"] == alice.get("/api/folders").json
    assert (entry["namespace"], entry["scope"], entry["key"]) == (
        "conversations",
        alice.user_id,
        key,
    )
    assert entry["is_fresh"] is True


def test_an_entry_is_set_and_served(app, admin, alice, key):
    """For an operator who has to show something else for a while."""
    value = {"items": [], "next_cursor": "by hand"}

    put = admin.put(f"{PATH}/{key}", query_string=_scope(alice), json={"value": value, "ttl": 60})

    cache.engine_of(app).auditor.share = 0.0  # it would find the difference, as it should
    assert put.status_code == 200
    assert put.json["value"] == value
    assert alice.get("/api/folders").json == value


def test_an_entry_is_dropped(admin, alice, key):
    """The next read loads; a second time there is nothing to drop."""
    path = f"{PATH}/{key}"

    dropped = admin.delete(path, query_string=_scope(alice))
    again = admin.delete(path, query_string=_scope(alice))

    assert (dropped.status_code, again.status_code) == (204, 404)
    assert "fwd=miss" in alice.get("/api/folders").headers["Cache-Status"]


def test_a_key_may_have_slashes(admin, alice):
    """Whatever stands after `keys/` is the key."""
    path = f"{PATH}/a/b/c"

    put = admin.put(path, query_string=_scope(alice), json={"value": 1, "ttl": 60})

    assert put.json["key"] == "a/b/c"
    assert admin.get(path, query_string=_scope(alice)).json["value"] == 1


@pytest.mark.parametrize(
    ("query", "sent", "field"),
    [
        ({}, {"value": 1, "ttl": 60}, "scope"),
        ({"scope": "ann"}, {"value": 1}, "ttl"),
        ({"scope": "ann"}, {"value": 1, "ttl": 0}, "ttl"),
        ({"scope": "ann"}, {"ttl": 60}, "value"),
        ({"scope": "ann"}, {"value": 1, "ttl": 60, "tier": "redis"}, "tier"),
        ({"scope": "ann"}, {"value": "x" * (2 * 2**20), "ttl": 60}, "value"),
        ({"scope": "ann", "prefix": "a"}, {"value": 1, "ttl": 60}, "prefix"),
    ],
)
def test_a_wrong_field_is_named(admin, query, sent, field):
    """Bad input is a 422 that names the field."""
    answer = admin.put(f"{PATH}/k", query_string=query, json=sent)

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]


def test_values_are_for_those_who_may_write(app, admin, alice, key):
    """They are what other people said to a model: reading figures is not reading them."""
    asked = _scope(alice)

    assert alice.get(PATH, query_string=asked).status_code == 403
    assert alice.get(f"{PATH}/{key}", query_string=asked).status_code == 403
    assert admin.get(f"{PATH}/{key}", query_string=asked).status_code == 200


def test_what_is_set_and_dropped_is_logged(admin, alice, key):
    """With the key, without the value."""
    admin.put(f"{PATH}/{key}", query_string=_scope(alice), json={"value": "hush", "ttl": 60})
    admin.delete(f"{PATH}/{key}", query_string=_scope(alice))

    logged = admin.get("/api/audit-logs")

    actions = [each["action"] for each in logged.json["items"]]
    assert {"cache.entry_set", "cache.entry_deleted"} <= set(actions)
    assert "hush" not in logged.text
