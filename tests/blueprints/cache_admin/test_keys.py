"""`/api/cache/namespaces/{ns}/keys` as admins meet it."""

import pytest

from cache.extension import cache
from cache.results import encode_body, etag_of
from tests.factories.chats import make_conversation, say
from tests.factories.warm_requests import cached_paths

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


def _set_all(app, value):
    """Set by hand all that may be, at once: one after the other they make misses of each other."""
    for key, _, entry in cache.engine_of(app).memory.items():
        if key.partition(":")[0] not in {"permissions", "responses"}:
            entry.body, entry.is_manual = encode_body(value), True
            entry.etag = etag_of(entry.body)
            entry.kept.clear()


@pytest.mark.parametrize("value", [7, None, "odd", [], {}, {"items": [7], "data": [None]}])
def test_no_value_set_by_hand_makes_an_error_of_a_request(app, admin, value):
    """Whoever only shows it shows it; whoever looks into it goes by the database."""
    chat = make_conversation(admin)
    stream = say(admin, chat, "hello").headers["X-Larder-Stream-Id"]
    paths = [
        *cached_paths(app, admin),
        "/v1/models",
        "/v1/models/demo/echo",
        f"/api/streams/{stream}?after=2",
        f"/api/conversations/{chat}/export?format=markdown",
    ]
    files = [f"{each}/content" for each in paths if each.startswith("/api/files/")]
    paths += files
    before = [admin.get(path).status_code for path in paths]
    assert set(before) <= {200, 204}

    _set_all(app, value)

    assert [admin.get(path).status_code for path in paths] == before
    anthropics = {"anthropic-version": "2023-06-01"}
    assert admin.get("/v1/models", headers=anthropics).status_code == 200
    assert admin.post(f"/api/streams/{stream}/tickets").status_code == 201
    assert admin.delete(f"/api/streams/{stream}").status_code == 409
    # That there is no such model is of the right form, and may be said by hand.
    assert say(admin, chat, "again").status_code == (404 if value is None else 200)


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
