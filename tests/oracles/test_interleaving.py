"""In no order of events is anything stale served or left; known-bad protocols are found out."""

import pytest

from tests.oracles.interleaving import BAD, OURS, search

FAULTS = ("flush", "save", "restore", "purge")


@pytest.mark.parametrize("name", OURS)
def test_no_interleaving_of_ours_serves_or_leaves_anything_stale(name):
    """Writers that race, a writer that dies after its commit, a Redis that forgets or goes back."""
    racing = search(OURS[name], writers=2, readers=2)
    faulty = search(OURS[name], writers=1, readers=2, faults=FAULTS)

    assert racing.states > 3_000
    assert faulty.states > 5_000
    assert (racing.stale, racing.wrong, faulty.stale, faulty.wrong) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("name", "oracles"),
    [
        ("delete after commit", {"stale", "wrong"}),
        ("stamp after the data", {"stale", "wrong"}),
        ("generation in Redis alone", {"wrong"}),
        ("bump in a transaction of its own", {"wrong"}),
        ("one load for all, whatever their stamps", {"stale"}),
    ],
)
def test_a_bad_protocol_is_found_out_without_any_fault_of_redis(name, oracles):
    """By the oracle that can: who was killed was never acknowledged, yet the entry stays wrong."""
    found = search(BAD[name], writers=1, readers=2)

    assert {each for each in ("stale", "wrong") if getattr(found, each)} == oracles


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("generation in Redis alone", ("save", "restore")),
        ("generations purged before their entries", ("purge",)),
    ],
)
def test_a_protocol_that_is_good_until_something_is_lost_is_found_out(name, fault):
    """A Redis restored from its snapshot; rows purged as if nobody remembered them."""
    before = search(BAD[name], writers=1, readers=2)
    after = search(BAD[name], writers=1, readers=2, faults=fault)

    assert before.stale == 0
    assert after.stale > 0
    assert after.wrong > before.wrong


def test_every_bad_protocol_is_tried():
    """A new one belongs into a test."""
    assert len(BAD) == 6
