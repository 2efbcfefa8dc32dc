"""Cache administration, in memory and on a real Redis."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import select

from app import create_app
from cache.extension import cache
from cache.namespaces import NAMESPACES
from cache.scopes import UserId
from config import Settings
from database.session import db, read_session
from database.tables.platform import AuditLog
from schemas.cache_admin import EntryWrite, KeyQuery
from services import cache_admin
from services.authentication import authenticate
from services.conversations import folders
from services.errors import Forbidden, Invalid, NotFound, Unavailable
from services.principal import Principal
from services.startup import prepare
from tests.conftest import ADMIN_KEY
from tests.doubles.fake_clock import FakeClock
from tests.streams.scripts import wait_until

ANN, BEN = UserId("ann"), UserId("ben")


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.server)])
def tier(
    request: pytest.FixtureRequest, settings: Settings, clock: FakeClock, tmp_path
) -> Iterator[str]:
    """The tier that administration looks at, of an application whose context is open."""
    fields = {"cache_backend": request.param, "cache_key_prefix": tmp_path.name}
    if request.param == "redis":
        fields["redis_url"] = request.getfixturevalue("redis_url")
    settings = replace(settings, **fields)
    app: Flask = create_app(replace(settings, cache_entry_bytes=2000), clock=clock)
    with app.app_context():
        db.create_all()
        prepare()
        yield request.param
    app.extensions["larder_shutdown"](0.0)


@pytest.fixture
def admin_principal(tier) -> Principal:
    """The owner of the installation."""
    return authenticate(ADMIN_KEY)


def _keys(name="conversations", **query):
    """All that are listed: Redis may give an empty page, and more on the next."""
    page = cache_admin.list_keys(name, KeyQuery(**query))
    found = page["items"]
    while page["next_cursor"]:
        page = cache_admin.list_keys(name, KeyQuery(**{**query, "cursor": page["next_cursor"]}))
        found += page["items"]
    return found


def _key_of(owner):
    (found,) = _keys(scope=owner)
    return found["key"]


def _outcome(owner):
    return folders.list_folders(owner).outcome.value


def _logged():
    with read_session() as session:
        return session.execute(select(AuditLog.action, AuditLog.subject_id)).all()


def test_keys_are_listed_by_owner_and_beginning(tier):
    """An admin finds the entries of whoever complains."""
    folders.list_folders(ANN)
    folders.list_folders(BEN)

    everyone, hers = _keys(), _keys(scope=ANN, prefix="folders:")

    assert sorted(each["scope"] for each in everyone) == ["ann", "ben"]
    assert [each["scope"] for each in hers] == ["ann"]
    assert _keys(scope=ANN, prefix="messages:") == _keys(scope="nobody") == []


@pytest.mark.parametrize("sign", ["*", "?", "[a-z]*", "an?", "\\"])
def test_a_pattern_is_a_text_like_others(tier, sign):
    """Nobody lists more than they name."""
    folders.list_folders(ANN)

    assert _keys(scope=sign) == _keys(prefix=sign) == []


def test_keys_come_in_pages(tier):
    """As small as they are asked for, and none is left out or comes twice."""
    owners = [f"u{number}" for number in range(7)]
    for owner in owners:
        folders.list_folders(UserId(owner))

    assert sorted(each["scope"] for each in _keys(limit=2)) == owners
    first = cache_admin.list_keys("conversations", KeyQuery(limit=2))
    assert len(first["items"]) in {1, 2}  # a step through a Redis that holds much may find one
    assert first["next_cursor"] is not None


@pytest.mark.parametrize("cursor", ["x", "-1", "²", "1e3", "17"])
def test_what_is_no_cursor_is_refused(tier, cursor):
    """A key or a number is none."""
    with pytest.raises(Invalid):
        _keys(cursor=cursor)


def test_an_entry_is_read_with_its_value_and_age(tier, clock):
    """What a user is shown, and for how long yet."""
    folders.list_folders(ANN)
    clock.advance(10)

    entry = cache_admin.get_entry("conversations", _key_of(ANN), ANN)

    assert entry["value"] == folders.list_folders(ANN).value
    assert (entry["tier"], entry["is_fresh"]) == (tier, True)
    assert 250 < entry["ttl"] <= 290
    assert (clock.now() - entry["created_at"]).total_seconds() == pytest.approx(10)


def test_an_entry_that_a_write_has_overtaken_says_so(tier, admin_principal):
    """It stands there, and nobody is served it."""
    folders.list_folders(ANN)
    key = _key_of(ANN)

    cache_admin.clear_scope(admin_principal, "conversations", ANN)

    assert cache_admin.get_entry("conversations", key, ANN)["is_fresh"] is False


def test_clearing_an_owner_leaves_the_others(tier, admin_principal):
    """One user's trouble is not everybody's cold cache."""
    folders.list_folders(ANN)
    folders.list_folders(BEN)

    cache_admin.clear_scope(admin_principal, "conversations", ANN)

    assert (_outcome(ANN), _outcome(BEN)) == ("miss", "hit")
    assert ("cache.scope_cleared", "conversations:ann") in _logged()


def test_clearing_a_namespace_clears_every_owner_and_gives_back_the_room(tier, admin_principal):
    """At the cost of one row, however many entries there are."""
    folders.list_folders(ANN)
    folders.list_folders(BEN)

    cache_admin.clear_namespace(admin_principal, "conversations")
    wait_until(lambda: _keys() == [])

    assert (_outcome(ANN), _outcome(BEN)) == ("miss", "miss")
    assert ("cache.namespace_cleared", "conversations") in _logged()


def test_a_value_set_by_hand_is_served(tier, admin_principal):
    """Until a write, or the end of its time."""
    folders.list_folders(ANN)
    key = _key_of(ANN)

    entry = cache_admin.put_entry(
        admin_principal, "conversations", key, ANN, EntryWrite({"items": ["by hand"]}, 60)
    )
    served = folders.list_folders(ANN)

    assert entry["is_fresh"]
    assert 50 <= entry["ttl"] <= 60
    assert (served.outcome.value, served.body) == ("hit", b'{"items":["by hand"]}')


@pytest.mark.parametrize("tier", [pytest.param("redis", marks=pytest.mark.server)], indirect=True)
@pytest.mark.parametrize("stood_there", [True, False])
def test_a_value_that_redis_does_not_keep_is_not_set(
    tier, admin_principal, monkeypatch, stood_there
):
    """A full one keeps nothing: it is said so, and no worker serves what the others have not."""
    if stood_there:
        folders.list_folders(ANN)
    key = _key_of(ANN) if stood_there else "folders:another"
    monkeypatch.setattr(cache.engine.redis, "replace", lambda *_: False)

    with pytest.raises(Unavailable) as refused:
        cache_admin.put_entry(
            admin_principal, "conversations", key, ANN, EntryWrite({"items": ["by hand"]}, 60)
        )

    assert refused.value.code == "cache_refuses"
    assert b"by hand" not in folders.list_folders(ANN).body


def test_what_looks_into_a_value_is_not_misled_by_hand(tier, admin_principal):
    """No form is known of it: it is shown as it stands, and Larder itself goes by the database."""
    shown = folders.list_folders(ANN).value
    cache_admin.put_entry(
        admin_principal, "conversations", _key_of(ANN), ANN, EntryWrite("odd", 60)
    )

    served = folders.list_folders(ANN)

    assert (served.outcome.value, served.body) == ("hit", b'"odd"')
    assert served.value == shown


def test_what_a_model_said_is_not_set_by_hand(tier, admin_principal):
    """It would be booked and replayed as that model's."""
    with pytest.raises(Forbidden, match="what models said"):
        cache_admin.put_entry(admin_principal, "responses", "chat:x", ANN, EntryWrite("x", 60))

    assert _logged() == []


@pytest.mark.parametrize(
    ("name", "key", "owner"),
    [("models", "route:x", None), ("providers", "price:x", None), ("analytics", "spend:x", "u1")],
)
def test_where_calls_go_and_what_they_cost_is_not_set_by_hand(
    tier, admin_principal, name, key, owner
):
    """A route has the address that a provider's secret goes to."""
    with pytest.raises(Forbidden, match="These entries say"):
        cache_admin.put_entry(admin_principal, name, key, owner, EntryWrite("odd", 60))

    assert _logged() == []


def test_nobody_is_given_rights_by_hand(tier, admin_principal):
    """An entry of theirs is what a key may do: whoever sets it would be whoever they like."""
    (found,) = _keys("permissions", prefix="principal:")

    with pytest.raises(Forbidden, match="change the key"):
        cache_admin.put_entry(
            admin_principal, "permissions", found["key"], found["scope"], EntryWrite("x", 60)
        )

    assert authenticate(ADMIN_KEY) == admin_principal
    assert _logged() == []


def test_a_value_set_where_nothing_stood_is_never_taken_for_another_shape(tier, admin_principal):
    """A reader who expects more of it loads instead."""
    folders.list_folders(ANN)
    key = _key_of(ANN)
    cache_admin.delete_entry(admin_principal, "conversations", key, ANN)

    cache_admin.put_entry(admin_principal, "conversations", key, ANN, EntryWrite("odd", 60))

    assert folders.list_folders(ANN).detail == "schema"


def test_a_value_that_is_too_large_changes_nothing(tier, admin_principal):
    """Neither the entries beside it nor the log say that it happened."""
    folders.list_folders(ANN)
    before = _logged()

    with pytest.raises(Invalid) as refused:
        cache_admin.put_entry(
            admin_principal, "conversations", "k", ANN, EntryWrite("x" * 2000, 60)
        )

    assert list(refused.value.errors) == ["value"]
    assert (_outcome(ANN), _logged()) == ("hit", before)


def test_a_dropped_entry_is_gone(tier, admin_principal):
    """And can be dropped only once."""
    folders.list_folders(ANN)
    key = _key_of(ANN)

    cache_admin.delete_entry(admin_principal, "conversations", key, ANN)

    assert _keys() == []
    assert _outcome(ANN) == "miss"
    assert ("cache.entry_deleted", f"conversations:ann:{key}") in _logged()


@pytest.mark.parametrize(
    "ask",
    [
        lambda _: cache_admin.get_namespace("nothing"),
        lambda who: cache_admin.clear_namespace(who, "nothing"),
        lambda who: cache_admin.clear_scope(who, "nothing", ANN),
        lambda _: cache_admin.list_keys("nothing", KeyQuery()),
        lambda _: cache_admin.get_entry("conversations", "nothing", ANN),
        lambda who: cache_admin.put_entry(who, "nothing", "k", ANN, EntryWrite(1, 60)),
        lambda who: cache_admin.delete_entry(who, "conversations", "nothing", ANN),
    ],
)
def test_what_is_not_there_is_not_found(tier, admin_principal, ask):
    """And nothing is logged as done."""
    before = _logged()

    with pytest.raises(NotFound):
        ask(admin_principal)

    assert _logged() == before


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("models", "ann"),
        ("conversations", None),
        ("conversations", ""),
        ("conversations", "a" * 101),
        ("conversations", "ann:folders"),
    ],
)
def test_an_owner_that_cannot_be_one_is_refused(tier, admin_principal, name, owner):
    """A public namespace has none, the others always, of letters that fit into a scope."""
    with pytest.raises(Invalid) as refused:
        cache_admin.put_entry(admin_principal, name, "k", owner, EntryWrite(1, 60))

    assert list(refused.value.errors) == ["scope"]


@pytest.mark.parametrize("key", ["", "k" * 201])
def test_a_key_has_from_one_to_200_letters(tier, admin_principal, key):
    """It is to fit into the log, and into every store."""
    with pytest.raises(Invalid):
        cache_admin.put_entry(admin_principal, "models", key, None, EntryWrite(1, 60))


def test_all_namespaces_are_described(tier):
    """With what each promises and what it holds now."""
    folders.list_folders(ANN)
    folders.list_folders(ANN)

    rows = {each["namespace"]: each for each in cache_admin.list_namespaces()["items"]}

    assert list(rows) == list(NAMESPACES)
    row = rows["conversations"]
    assert row == cache_admin.get_namespace("conversations")
    assert (row["entries"], row["entries_complete"], row["reads"]) == (1, True, 2)
    assert (row["hit_ratio"], row["is_public"], row["freshness"]) == (0.5, False, "strict")
    assert row["bytes"] > 0


def test_health_names_the_tier(tier):
    """The first question of whoever is woken at night."""
    health = cache_admin.read_health()

    assert (health["backend"], health["redis_reachable"]) == (tier, tier == "redis")
    assert (health["recoveries"], health["outages"]) == (0, ())


def test_a_namespace_is_shown_with_advice_on_its_resources(tier):
    """From the figures since the last reset, under the TTL that holds."""
    statistics = cache.engine.statistics
    statistics.count("reads", "files", "list", "hit", "memory", by=20)
    statistics.count("reads", "files", "list", "miss", "absent", by=90)

    (told,) = cache_admin.get_namespace("files")["advice"]

    assert told.startswith("files_list: 90 of 90 misses are first reads")
