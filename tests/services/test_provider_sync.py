"""What a sync makes of a provider's list, and what is kept of failures."""

from dataclasses import replace

import pytest

from schemas.providers import NewProvider
from services import provider_sync
from services.errors import UpstreamFailed
from tests.doubles.together import together
from tests.doubles.wire_server import HOLD, whole
from tests.factories.models import lists, make_provider, models_of

NEW = NewProvider(id="acme", wire_format="openai", base_url="http://127.0.0.1:1/v1")


@pytest.fixture
def settings(settings):
    """A second is long enough to wait for a list."""
    return replace(settings, provider_first_token_timeout_s=1.0)


@pytest.fixture
def sync(app, admin, wire):
    """Sync the provider `acme`, whose list the test writes on the wire."""
    make_provider(admin, wire.url, secret="sk-ours")

    def syncing():
        with app.app_context():
            return provider_sync.sync_provider(None, "acme")

    return syncing


def _statuses(admin):
    return {name: each["status"] for name, each in models_of(admin).items()}


def test_a_sync_adds_deprecates_and_brings_back(admin, wire, sync):
    """The catalogue follows the provider; nothing is ever deleted by it."""
    lists(wire, "a", "b")
    first = sync()
    lists(wire, "b", "c")
    second = sync()
    gone = _statuses(admin)
    lists(wire, "a", "b")

    third = sync()

    assert (first["added"], first["deprecated"], first["returned"]) == (2, 0, 0)
    assert (second["added"], second["deprecated"], second["returned"]) == (1, 1, 0)
    assert gone == {"a": "deprecated", "b": "active", "c": "active"}
    assert (third["added"], third["deprecated"], third["returned"]) == (0, 1, 1)
    assert _statuses(admin) == {"a": "active", "b": "active", "c": "deprecated"}


def test_what_an_admin_decided_stays(admin, wire, sync):
    """A model that was switched off is not switched on by night; names and limits stay."""
    lists(wire, {"id": "a", "name": "A", "context_window": 5}, "b")
    sync()
    edit = {"status": "disabled", "display_name": "Ours", "context_window": 9}
    admin.patch("/api/models/acme/a", json=edit)
    admin.patch("/api/models/acme/b", json={"status": "disabled"})
    lists(wire, {"id": "a", "name": "Theirs", "context_window": 7})

    counts = sync()

    assert (counts["returned"], counts["deprecated"]) == (0, 0)
    assert models_of(admin)["a"] | edit == models_of(admin)["a"]
    assert _statuses(admin)["b"] == "disabled"


def test_a_model_made_by_hand_is_none_of_the_syncs_business(admin, wire, sync):
    """A provider need not list all that it offers."""
    admin.post("/api/models", json={"id": "acme/hidden"})
    admin.post("/api/models", json={"id": "acme/old", "status": "deprecated"})
    lists(wire, "a", "old")

    counts = sync()

    assert (counts["added"], counts["deprecated"], counts["returned"]) == (1, 0, 0)
    assert _statuses(admin) == {"a": "active", "hidden": "active", "old": "deprecated"}


def test_a_model_that_is_listed_twice_is_one(admin, wire, sync):
    """It must not cost the whole sync."""
    lists(wire, "a", "b", "a")

    counts = sync()

    assert (counts["listed"], counts["added"]) == (2, 2)
    assert sorted(models_of(admin)) == ["a", "b"]


def test_what_a_provider_says_is_kept_within_bounds(admin, wire, sync):
    """Its words go into columns and pages."""
    many = ["x" * 100, "", "n\x00ul", *[f"c{number}" for number in range(100)]]
    lists(wire, {"id": "a", "name": "N\x00" * 400, "capabilities": many, "context_window": 8})

    sync()

    kept = models_of(admin)["a"]
    assert kept["display_name"] == "N" * 300
    assert len(kept["capabilities"]) == 50
    assert kept["capabilities"][:2] == ["x" * 60, "nul"]
    assert (kept["context_window"], kept["origin"]) == (8, "sync")


def test_a_name_that_cannot_be_in_an_address_is_left_out(admin, wire, sync):
    """The others come in; slashes are fine."""
    lists(wire, "a/b:free", "with space", "line\n", "nul\x00", "x" * 236, "x" * 235)

    assert sync()["listed"] == 2

    assert sorted(models_of(admin)) == ["a/b:free", "x" * 235]


def test_a_model_that_was_deleted_comes_back_with_the_next_sync(admin, wire, sync):
    """Deleting is for what is gone; disabling is for what is not wanted."""
    lists(wire, "a")
    sync()
    admin.delete("/api/models/acme/a")

    assert sync()["added"] == 1
    assert _statuses(admin) == {"a": "active"}


def test_an_empty_list_deprecates_all_and_loses_nothing(admin, wire, sync):
    """A provider in trouble may list nothing for an hour."""
    lists(wire, "a", "b")
    sync()
    lists(wire)

    assert sync()["deprecated"] == 2
    assert set(_statuses(admin).values()) == {"deprecated"}


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ([whole(b"", "401 No")], "provider_auth_failed"),
        ([whole(b"", "500 No")], "provider_unavailable"),
        ([whole(b"<html>")], "provider_malformed"),
        ([whole(b'{"error": {"message": "key sk-ours"}}', "400 No")], "provider_rejected"),
    ],
)
def test_a_failed_sync_changes_no_model_and_is_noted_until_one_works(
    admin, wire, sync, clock, reply, code
):
    """The note is on the next read of a warm cache, without our key."""
    lists(wire, "a")
    sync()
    before = models_of(admin)
    synced_at = admin.get("/api/providers/acme").json["synced_at"]
    clock.advance(60)
    wire.replies(reply)

    with pytest.raises(UpstreamFailed) as failed:
        sync()

    noted = admin.get("/api/providers/acme").json
    assert failed.value.code == code
    assert noted["sync_error"] == failed.value.detail
    assert "sk-ours" not in noted["sync_error"]
    assert noted["synced_at"] == synced_at
    assert models_of(admin) == before
    lists(wire, "a")
    sync()
    good = admin.get("/api/providers/acme").json
    assert good["sync_error"] is None
    assert good["synced_at"] > synced_at


def test_a_provider_that_is_silent_is_not_waited_for_for_ever(wire, sync):
    """The time limits of calls hold here too."""
    wire.replies([HOLD])

    with pytest.raises(UpstreamFailed) as failed:
        sync()

    assert failed.value.code == "provider_timeout"


def test_syncs_at_once_end_with_one_of_each(admin, wire, sync):
    """Two admins press the same button."""
    lists(wire, *[f"m{number}" for number in range(20)])

    added = [each["added"] for each in together([sync] * 4)]

    assert sorted(added) == [0, 0, 0, 20]
    assert len(models_of(admin)) == 20


def test_the_prices_we_know_come_with_the_models(app, admin, wire):
    """The demo is free; what no book knows is unpriced."""
    with app.app_context():
        demo = provider_sync.sync_provider(None, "demo")

    assert demo == {
        "provider_id": "demo",
        "listed": 1,
        "added": 0,
        "returned": 0,
        "deprecated": 0,
        "priced": 1,
    }
