"""Background work: one job a key, a few at once, and an end."""

import threading

import pytest

from cache.background import Background

LIMIT_S = 10


class Work:
    """Work that goes on until the test lets it end."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.count = 0
        self.began = threading.Event()
        self.may_end = threading.Event()
        self._fault = fault

    def __call__(self) -> str:
        """Do it."""
        self.count += 1
        self.began.set()
        assert self.may_end.wait(LIMIT_S)
        if self._fault is not None:
            raise self._fault
        return "done"


@pytest.fixture
def work():
    """Work under way, which ends with the test."""
    work = Work()
    yield work
    work.may_end.set()


@pytest.fixture
def background():
    """Two jobs at once."""
    return Background(max_jobs=2)


def test_a_job_has_a_result(background):
    """For whoever waits for it."""
    job = background.start("key", lambda: 7)

    assert job.wait(LIMIT_S)
    assert job.result() == 7


def test_a_fault_is_told_to_whoever_asks_for_the_result(background):
    """And ends nothing else."""

    def fail() -> None:
        raise LookupError("gone")

    job = background.start("key", fail)

    assert job.wait(LIMIT_S)
    with pytest.raises(LookupError):
        job.result()


def test_a_key_has_one_job_at_a_time(background, work):
    """A thousand hits on an entry near its end start one refresh."""
    one = background.start("key", work)
    other = background.start("key", work)

    assert other is one
    assert not one.wait(0)
    work.may_end.set()
    assert one.wait(LIMIT_S)
    assert work.count == 1


def test_a_key_may_have_another_one_later(background):
    """What was refreshed grows old again."""
    first = background.start("key", lambda: 1)
    assert first.wait(LIMIT_S)

    second = background.start("key", lambda: 2)

    assert second.wait(LIMIT_S)
    assert second.result() == 2


def test_there_are_no_more_jobs_than_there_may_be(background, work):
    """The rest is left to later reads: threads do not pile up."""
    jobs = [background.start(number, work) for number in range(3)]

    assert [job is not None for job in jobs] == [True, True, False]


def test_work_runs_in_the_context_it_is_given():
    """A loader asks for the running application."""
    inside: list[str] = []

    def in_context(work) -> None:
        inside.append("begun")
        work()
        inside.append("ended")

    job = Background(in_context=in_context).start("key", lambda: list(inside))

    assert job is not None
    assert job.wait(LIMIT_S)
    assert job.result() == ["begun"]


def test_a_context_that_fails_ends_the_job():
    """Its key is free again, and nobody waits for ever."""

    def broken(work) -> None:
        raise RuntimeError("no application")

    background = Background(in_context=broken)
    job = background.start("key", lambda: 7)

    assert job is not None
    assert job.wait(LIMIT_S)
    with pytest.raises(RuntimeError, match="was ended"):
        job.result()
    assert background.start("key", lambda: 7) is not job


def test_work_may_have_a_limit(background, work):
    """Whoever waits goes on, the work as well."""
    with pytest.raises(TimeoutError):
        background.within(0.01, work)

    assert work.began.wait(LIMIT_S)


def test_work_within_its_limit_is_answered(background):
    """Or fails as it would have, here."""
    assert background.within(LIMIT_S, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        background.within(LIMIT_S, lambda: 1 / 0)


def test_nothing_is_started_at_the_end(background, work):
    """What runs is waited for, a moment."""
    job = background.start("key", work)
    threading.Timer(0.05, work.may_end.set).start()

    background.stop()

    assert job.wait(0)
    assert background.start("other", work) is None
