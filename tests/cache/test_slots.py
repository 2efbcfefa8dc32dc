"""Slots: values that come from elsewhere than a loader, kept under the stamp of their question."""

import threading

import pytest
from flask import Flask

from cache.namespaces import CONVERSATIONS, RESPONSES
from cache.present import ENGINE
from cache.results import Outcome, ReadPolicy, reading
from cache.scopes import UserId
from tests.factories.caches import make_engine

ANN, BOB = UserId("u1"), UserId("u2")
CHAT = RESPONSES.slots("chat")
READS = "reads|responses|chat|"


@pytest.fixture(autouse=True)
def engine(store, clock):
    """The engine of the running application."""
    app = Flask("bare")
    app.extensions[ENGINE] = make_engine(store, clock)
    with app.app_context():
        yield app.extensions[ENGINE]


def _reads(engine) -> dict[str, float]:
    figures = engine.statistics.snapshot()
    return {name.removeprefix(READS): n for name, n in figures.items() if name.startswith(READS)}


def test_what_was_kept_is_found():
    """By owner and parts, with its ETag, its TTL and its class."""
    kept = CHAT.of(ANN, "digest", 1).keep({"text": "hello"})

    found = CHAT.of(ANN, "digest", 1).lookup()

    assert found is not None
    assert (found.value, found.etag) == ({"text": "hello"}, kept.etag)
    assert (found.outcome, found.detail) == (Outcome.HIT, "memory")
    assert found.cache_status.endswith("; detail=memory; freshness=immutable")
    assert 3240 <= found.ttl_s <= 3600


@pytest.mark.parametrize("slot", [(BOB, "digest"), (ANN, "other"), (ANN,), (ANN, "digest", 1)])
def test_owners_and_parts_are_kept_apart(slot):
    """Nobody is answered with what another one asked, or was told."""
    CHAT.of(ANN, "digest").keep("hello")

    assert CHAT.of(*slot).lookup() is None


def test_what_was_set_by_hand_is_a_miss(engine):
    """No loader says what form it must have."""
    slot = CHAT.of(ANN, "digest")
    slot.keep("hello")
    (kept,) = (value for _, _, value in engine.memory.items())
    kept.is_manual = True

    assert slot.lookup() is None
    assert _reads(engine) == {"miss|schema": 1}


def test_a_look_is_one_hit_or_one_miss(engine):
    """Keeping is none: it follows a look."""
    slot = CHAT.of(ANN, "digest")
    slot.lookup()
    slot.keep("hello")
    slot.lookup()

    assert _reads(engine) == {"miss|absent": 1, "hit|memory": 1}
    assert engine.statistics.snapshot()["fills|responses|chat"] == 1


def test_a_ttl_may_be_given(clock):
    """A caller knows how long an answer is of use."""
    CHAT.of(ANN, "digest").keep("hello", ttl_s=60)

    clock.advance(53)
    before = CHAT.of(ANN, "digest").lookup()
    clock.advance(7)

    assert before is not None
    assert CHAT.of(ANN, "digest").lookup() is None


@pytest.mark.parametrize("row", ["responses:u1", "ns:responses", "*"])
def test_a_purge_reaches_what_is_kept(store, row):
    """An owner's, the namespace's and everything's."""
    CHAT.of(ANN, "digest").keep("hello")
    store.bump([row])

    assert CHAT.of(ANN, "digest").lookup() is None


def test_a_purge_reaches_what_is_being_made(store):
    """What was asked for before it is not served after it, however long it took."""
    slot = CHAT.of(ANN, "digest")
    slot.lookup()

    store.bump(["ns:responses"])
    slot.keep("made before the purge")

    assert CHAT.of(ANN, "digest").lookup() is None


def test_a_slot_may_be_carried_to_another_thread():
    """An answer ends where no request is."""
    slot = CHAT.of(ANN, "digest")
    thread = threading.Thread(target=slot.keep, args=("hello",))
    thread.start()
    thread.join()

    assert slot.lookup() is not None


def test_a_request_may_want_it_new(engine):
    """It is a miss then, and what is made replaces what was there."""
    CHAT.of(ANN, "digest").keep("old")
    with reading(ReadPolicy.REFRESH):
        slot = CHAT.of(ANN, "digest")
    missed = slot.lookup()
    slot.keep("new")

    found = CHAT.of(ANN, "digest").lookup()

    assert missed is None
    assert found is not None
    assert found.value == "new"
    assert _reads(engine) == {"miss|request": 1, "hit|memory": 1}


def test_a_request_may_pass_it_by(engine, store):
    """Nothing is looked up, nothing is kept, the database is not asked."""
    CHAT.of(ANN, "digest").keep("old")
    asked = len(store.asked)
    with reading(ReadPolicy.BYPASS):
        slot = CHAT.of(ANN, "digest")
    missed, made = slot.lookup(), slot.keep("new")
    is_silent = len(store.asked) == asked

    found = CHAT.of(ANN, "digest").lookup()

    assert (missed, made.value, made.outcome, is_silent) == (None, "new", Outcome.BYPASS, True)
    assert found is not None
    assert found.value == "old"
    assert _reads(engine) == {"bypass|no-store": 1, "hit|memory": 1}


def test_a_shape_of_another_version_is_a_miss():
    """After an upgrade that keeps something else."""
    CHAT.of(ANN, "digest").keep("hello")

    assert RESPONSES.slots("chat", shape=2).of(ANN, "digest").lookup() is None


def test_what_follows_from_the_database_has_no_slots():
    """Kept by hand, it could be older than its stamp says."""
    with pytest.raises(TypeError, match="through a loader"):
        CONVERSATIONS.slots("list")


def test_a_slot_has_an_owner():
    """As every read has."""
    with pytest.raises(TypeError, match="needs an owner"):
        CHAT.of(UserId(""), "digest")


def test_slots_say_what_they_hold():
    """Tests of the architecture walk over all that is read."""
    assert CHAT.cached_resource == ("responses", "chat")
