"""Counts put into figures: sums that add up, and nothing invented where nothing was counted."""

import pytest

from services.cache_figures import added, by_namespace, by_resource, in_all, ratio

COUNTS = {
    "reads|list|hit|memory": 6.0,
    "reads|list|hit|redis": 1.0,
    "reads|detail|miss|absent": 2.0,
    "reads|list|miss|stamp": 1.0,
    "reads|list|bypass|no-store": 4.0,
    "reads|list|stale|error": 1.0,
    "fills|list": 3.0,
    "reloads|list|unchanged": 5.0,
    "reloads|list|changed": 1.0,
    "ended|list|unused": 2.0,
    "coalesced": 7.0,
    "audits|checked": 9.0,
}


def test_figures_are_grouped_by_namespace_without_its_name():
    """Advice and tables look at one namespace at a time; what is no namespace's is left out."""
    figures = {
        "reads|files|list|hit|memory": 1.0,
        "fills|files|list": 2.0,
        "latency|le|files|memory|0.5": 3.0,
        "latency|sum|files|memory": 4.0,
        "errors|OSError": 5.0,
        "errors|files|OSError": 7.0,
        "something|new": 6.0,
    }

    assert by_namespace(figures) == {
        "files": {
            "errors|OSError": 7.0,
            "reads|list|hit|memory": 1.0,
            "fills|list": 2.0,
            "latency|le|memory|0.5": 3.0,
            "latency|sum|memory": 4.0,
        }
    }


def test_a_namespaces_counts_are_grouped_by_resource():
    """Without those that no resource has."""
    found = by_resource(COUNTS)

    assert found["detail"] == {"reads|miss|absent": 2.0}
    assert found["list"]["reloads|unchanged"] == 5.0
    assert "coalesced" not in found["list"]


def test_reads_are_the_sum_of_their_outcomes():
    """To the unit, in all and for a resource alike."""
    shown = in_all(COUNTS)

    assert shown["reads"] == 15
    assert shown["reads"] == sum(
        shown[each] for each in ("hits", "misses", "bypasses", "stale_served")
    )
    assert shown["hits_by_tier"] == {"memory": 6, "redis": 1}
    assert shown["misses_by_reason"] == {"absent": 2, "stamp": 1}
    assert in_all(by_resource(COUNTS)["list"])["misses_by_reason"] == {"stamp": 1}


def test_other_counts_have_their_names():
    """Each by its last label."""
    shown = in_all(COUNTS)

    assert (shown["reloads_unchanged"], shown["reloads_changed"]) == (5, 1)
    assert (shown["ended_unused"], shown["ended_used"]) == (2, 0)
    assert (shown["coalesced_waits"], shown["fills"], shown["audits"]) == (7, 3, 9)


@pytest.mark.parametrize(("hits", "misses", "told"), [(0, 0, None), (1, 2, 0.3333), (5, 0, 1.0)])
def test_a_ratio_needs_reads(hits, misses, told):
    """Nought of nought is not nought."""
    assert ratio(hits, misses) == told


def test_counts_of_several_add_up():
    """Over workers, minutes and machines."""
    assert added([{"a": 1}, {"a": 2, "b": 3}, {}]) == {"a": 3, "b": 3}
