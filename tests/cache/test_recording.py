"""Recordings: begun and ended with a request, and spoilt by what cannot be remembered."""

from datetime import UTC, date, datetime

from cache import recording
from cache.extension import cache
from cache.recording import Recording, WitnessedClock


def test_nothing_is_recorded_unless_it_is_begun():
    """Commands, threads and other methods pay for none of it."""
    assert recording.current() is None
    recording.spoil()


def test_a_recording_is_the_current_one_until_it_is_finished():
    """One request after another on one thread."""
    noted = Recording()

    token = recording.record(noted)
    during = recording.current()
    recording.finish(token)

    assert during is noted
    assert recording.current() is None


def test_a_look_at_the_clock_spoils_the_answer(clock):
    """Whatever depends on the time would be wrong a moment later."""
    witnessed = WitnessedClock(clock)
    noted = Recording()
    token = recording.record(noted)

    witnessed.monotonic()
    before = noted.is_spoilt
    instant = witnessed.now()
    recording.finish(token)

    assert (before, noted.is_spoilt) == (False, True)
    assert instant == clock.now()


def test_a_witnessed_clock_sleeps_as_the_one_behind_it(clock):
    """It stands where the clock stood."""
    WitnessedClock(clock).sleep(5)

    assert clock.now() == datetime(2026, 1, 1, 12, 0, 5, tzinfo=UTC)


def test_an_instant_that_was_asked_about_bounds_the_answer(app, clock):
    """Before it comes the answer is one, after it another."""
    noted = Recording()
    later_s = clock.now().timestamp() + 60
    token = recording.record(noted)

    with app.app_context():
        is_over = cache.is_over(later_s)
    recording.finish(token)

    assert is_over is False
    assert (noted.is_spoilt, noted.until_s) == (False, later_s)


def test_the_day_bounds_the_answer(app):
    """Until midnight in UTC."""
    noted = Recording()
    token = recording.record(noted)

    with app.app_context():
        today = cache.today()
    recording.finish(token)

    assert today == date(2026, 1, 1)
    assert noted.until_s == datetime(2026, 1, 2, tzinfo=UTC).timestamp()


def test_a_gate_spoils_the_answer(app):
    """The next request has to pass for itself, and is told how much it has left."""
    noted = Recording()
    token = recording.record(noted)

    with app.app_context():
        cache.gates.enter("requests:k1", 60)
    recording.finish(token)

    assert noted.is_spoilt
