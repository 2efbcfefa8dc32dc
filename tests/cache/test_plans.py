"""What of a recorded answer makes a plan, and what cannot be sent again."""

from dataclasses import replace

import pytest

from cache.entries import Entry
from cache.freshness import IMMUTABLE
from cache.plans import plan_of
from cache.reads import ReadCall
from cache.recording import Recording
from cache.results import CachedResult, Outcome
from tests.factories.caches import make_call

HEADERS = [
    ("Content-Type", "application/json"),
    ("Content-Length", "2"),
    ("ETag", '"e"'),
    ("Cache-Status", "larder; hit; ttl=1; detail=memory"),
    ("X-Request-Id", "id"),
]


def entry_of(call: ReadCall, *, etag: str = '"e"', generation: int = 1) -> Entry:
    """An entry of `call` under one generation."""
    return Entry(call.key, call.shape, {"users:u1": generation}, 0.0, 300.0, etag, b"{}")


def recorded(*entries: Entry, outcome: Outcome = Outcome.HIT) -> Recording:
    """A recording whose answer is the last of `entries`."""
    noted = Recording()
    for entry in entries:
        noted.read(make_call(), entry, outcome)
    result = CachedResult(b"{}", entries[-1].etag, outcome, "memory", 300, bytes)
    noted.answered(result, route="/api/me", media_type="application/json")
    return noted


def test_an_answer_of_hits_makes_a_plan():
    """With the headers sorted into those of a body, those of all answers, and those of one."""
    noted = recorded(entry_of(make_call(), etag='"key"'), entry_of(make_call()))
    noted.holds_until(200.0)
    noted.holds_until(1000.0)

    plan = plan_of(noted, HEADERS)

    assert plan is not None
    assert (plan.body.etag, [each.etag for each in plan.others]) == ('"e"', ['"key"'])
    assert (dict(plan.stamp), plan.rows) == ({"users:u1": 1}, ("users:u1",))
    assert (plan.until_s, plan.route) == (200.0, "/api/me")
    assert plan.entity == (("Content-Type", "application/json"), ("Content-Length", "2"))
    assert plan.headers == (("ETag", '"e"'),)


def test_an_answer_ends_with_the_first_of_its_entries():
    """A TTL is a promise as well, of the key's entry as of the answer's."""
    short = replace(entry_of(make_call(), etag='"key"'), expires_s=30.0)

    plan = plan_of(recorded(short, entry_of(make_call())), HEADERS)

    assert plan is not None
    assert plan.until_s == 30.0


@pytest.mark.parametrize("outcome", [Outcome.MISS, Outcome.STALE, Outcome.BYPASS])
def test_an_answer_of_anything_but_hits_makes_none(outcome):
    """A load may have asked anything, and a stale value is a matter of the moment."""
    assert plan_of(recorded(entry_of(make_call()), outcome=outcome), HEADERS) is None


def test_a_write_between_two_reads_makes_none():
    """Their entries rest on different states; no single state has both."""
    entries = [entry_of(make_call(), generation=1), entry_of(make_call(), generation=2)]

    assert plan_of(recorded(*entries), HEADERS) is None


def test_a_class_that_is_not_strict_makes_none():
    """What may outlive the database is not found fresh by asking it."""
    call = make_call()
    call = replace(call, spec=replace(call.spec, freshness=IMMUTABLE))
    noted = recorded(entry_of(call))
    noted.read(call, entry_of(call), Outcome.HIT)

    assert plan_of(noted, HEADERS) is None


def test_an_answer_that_is_no_entry_makes_none():
    """A view that makes something new of what it read would have to be asked again."""
    noted = recorded(entry_of(make_call()))
    noted.etag = '"another"'

    assert plan_of(noted, HEADERS) is None


def test_a_spoilt_recording_makes_none():
    """Something else was asked, whatever it was."""
    noted = recorded(entry_of(make_call()))
    noted.is_spoilt = True

    assert plan_of(noted, HEADERS) is None


def test_a_larger_plan_costs_more():
    """The budget of plans is held by what each says of itself."""
    small = plan_of(recorded(entry_of(make_call())), HEADERS)
    large = plan_of(recorded(entry_of(make_call())), [*HEADERS, ("X-Long", "x" * 5000)])

    assert small is not None
    assert large is not None
    assert large.size_bytes > small.size_bytes + 5000
