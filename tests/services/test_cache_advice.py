"""Advice follows from enough figures, says them, and keeps silent else."""

import pytest

from services.cache_advice import advice

TTLS = {"list": 300, "detail": 600}


def _told(counts, resource="list"):
    return advice("files", {resource: counts}, TTLS)


def test_reloads_that_brought_nothing_new_ask_for_a_longer_ttl():
    """With the variable to set: strict freshness does not depend on it."""
    (told,) = _told(
        {
            "reloads|unchanged": 312,
            "reloads|changed": 28,
            "reads|hit|memory": 600,
            "reads|miss|expired": 340,
        }
    )

    assert told.startswith("files_list: 312 of 340 reloads after the TTL of 300 s")
    assert "340 of 940 reads" in told
    assert "CACHE_TTL_FILES_LIST=600" in told


def test_reloads_that_brought_something_new_do_not():
    """The TTL is what shows it."""
    assert _told({"reloads|unchanged": 200, "reloads|changed": 100, "reads|hit|memory": 900}) == []


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("stamp", "follow writes"),
        ("absent", "warming would help"),
        ("signature", "somebody else writes to this Redis"),
        ("schema", "end with the upgrade"),
        ("request", "no-cache"),
    ],
)
def test_misses_of_one_kind_are_explained(reason, words):
    """What no TTL can cure is named, so that nobody turns one."""
    (told,) = _told({"reads|hit|memory": 20, f"reads|miss|{reason}": 90, "reads|miss|expired": 5})

    assert told.startswith("files_list: 90 of 95 misses")
    assert words in told


def test_entries_that_end_unread_ask_for_a_shorter_ttl():
    """Those that another worker may have read from Redis are taken off first."""
    counts = {"ended|unused": 450, "ended|used": 50, "reads|hit|redis": 30, "reads|hit|memory": 99}

    (told,) = _told(counts, "detail")

    assert told.startswith("files_detail: at least 420 of 500 entries")
    assert "CACHE_TTL_FILES_DETAIL=300" in told
    assert _told(counts | {"reads|hit|redis": 300}, "detail") == []


@pytest.mark.parametrize(
    "counts",
    [
        {},
        {"reads|hit|memory": 9, "reads|miss|absent": 90},
        {"reads|hit|memory": 300, "reads|miss|absent": 90},
        {"reads|hit|memory": 9, "reads|miss|absent": 60, "reads|miss|stamp": 60, "reads|miss|x": 9},
        {"reloads|unchanged": 99},
        {"ended|unused": 99},
        {"reads|hit|memory": 9, "reads|miss|new-reason": 900},
    ],
)
def test_few_or_good_or_mixed_figures_say_nothing(counts):
    """Chance is no reason, and a guess no advice."""
    assert _told(counts) == []


def test_a_resource_that_is_no_more_is_passed_over():
    """An old release's counters may still be summed."""
    assert _told({"reloads|unchanged": 900}, "gone") == []
