"""`/api/cache/stats` and `/api/cache/health` as admins meet them."""

import pytest

from tests.factories.users import make_user

pytestmark = pytest.mark.parametrize("cache_fields", ["memory"], indirect=True)
STATS = "/api/cache/stats"


def _row(admin, name):
    rows = admin.get(STATS).json["namespaces"]
    return next(each for each in rows if each["namespace"] == name)


def test_what_was_read_is_in_the_figures(admin, alice):
    """By namespace and in all, with where it came from and how long it took."""
    alice.get("/api/folders")
    alice.get("/api/folders")

    row = _row(admin, "conversations")

    assert (row["reads"], row["hits"], row["misses"], row["hit_ratio"]) == (2, 1, 1, 0.5)
    assert row["hits_by_tier"] == {"memory": 1}
    assert {each["tier"] for each in row["latency"]} == {"loader", "memory"}
    assert admin.get(STATS).json["totals"]["reads"] >= 2


def test_a_write_counts_what_it_invalidated(admin, alice):
    """Few hits and many of these: the TTL is not to blame."""
    alice.post("/api/folders", json={"name": "Trips"})

    assert _row(admin, "conversations")["invalidations"] == 1


def test_a_reset_begins_to_count_anew(admin, alice, clock):
    """Twice is once, and the figures say since when."""
    alice.get("/api/folders")

    first = admin.post(f"{STATS}/reset")
    second = admin.post(f"{STATS}/reset")

    assert (first.status_code, second.status_code) == (204, 204)
    assert _row(admin, "conversations")["reads"] == 0
    assert admin.get(STATS).json["since"] == clock.now().isoformat().replace("+00:00", "Z")


def test_health_says_what_serves(admin):
    """Memory, as configured, of the worker that answers."""
    health = admin.get("/api/cache/health").json

    assert (health["backend"], health["configured"]) == ("memory", "memory")
    assert (health["redis_reachable"], health["redis_latency_ms"]) == (False, None)
    assert health["worker"]


def test_live_figures_are_never_cached(admin):
    """They would be about the past."""
    answer = admin.get(STATS)

    assert "Cache-Status" not in answer.headers


def test_an_admin_reads_and_a_member_does_not(app, alice):
    """Figures tell of other people's work."""
    deputy = make_user(app, "Dan", role="admin")

    assert deputy.get(STATS).status_code == 200
    assert alice.get(STATS).status_code == 403
    assert alice.post(f"{STATS}/reset").status_code == 403
