"""Requests that may be repeated, as services see them."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from database.session import read_session
from database.tables.platform import IdempotencyRecord
from services import idempotency
from services.errors import Conflict, Invalid
from services.idempotency import FirstAnswer
from services.runtime import runtime
from services.secrets import SecretBox
from services.unit_of_work import unit_of_work

MADE = FirstAnswer(201, {"Content-Type": "application/json"}, b'{"id": "1"}')


@pytest.fixture(autouse=True)
def _within(app):
    with app.app_context():
        yield


def _records():
    with read_session() as session:
        return session.scalars(select(IdempotencyRecord)).all()


def test_a_repeat_while_the_first_runs_is_told_so():
    """Doing it twice at the same time is what the key is there to prevent."""
    assert idempotency.begin("key", "one", "hash") is None

    with pytest.raises(Conflict) as refused:
        idempotency.begin("key", "one", "hash")

    assert refused.value.code == "still_running"


def test_another_request_is_refused_though_the_first_still_runs():
    """The client's mistake is the same early or late."""
    idempotency.begin("key", "one", "hash")

    with pytest.raises(Invalid):
        idempotency.begin("key", "one", "another hash")


def test_a_finished_request_has_its_answer():
    """Status, headers and body."""
    idempotency.begin("key", "one", "hash")
    idempotency.finish("key", "one", MADE)

    assert idempotency.begin("key", "one", "hash") == MADE


def test_an_abandoned_request_begins_anew():
    """It did nothing."""
    idempotency.begin("key", "one", "hash")
    idempotency.abandon("key", "one")

    assert idempotency.begin("key", "one", "another hash") is None


def test_a_body_is_encrypted_at_rest():
    """It may hold the secret of a new API key."""
    idempotency.begin("key", "one", "hash")
    idempotency.finish("key", "one", FirstAnswer(201, {}, b'{"secret": "lk-abc"}'))

    (record,) = _records()
    assert b"lk-abc" not in record.body


@pytest.mark.parametrize(("extra", "kept"), [(0, True), (1, False)])
def test_a_body_over_the_limit_is_not_kept(extra, kept):
    """A client cannot fill the table with answers of any size."""
    body = b"x" * (idempotency.MAX_BODY_BYTES + extra)
    idempotency.begin("key", "one", "hash")
    idempotency.finish("key", "one", FirstAnswer(200, {}, body))

    again = idempotency.begin("key", "one", "hash")

    assert again is not None
    assert (again.body is not None) is kept


def test_a_worker_that_died_does_not_block_the_key_for_a_day(clock):
    """No request runs longer than the longest answer."""
    idempotency.begin("key", "one", "hash")
    longest = timedelta(seconds=runtime().settings.provider_total_timeout_s) + idempotency.SLACK
    clock.advance(longest.total_seconds() - 1)
    with pytest.raises(Conflict):
        idempotency.begin("key", "one", "hash")

    clock.advance(1)

    assert idempotency.begin("key", "one", "hash") is None


def test_what_has_run_out_is_swept(clock):
    """The table holds a day, not a history."""
    for number in range(5):
        idempotency.begin("key", str(number), "hash")
        idempotency.finish("key", str(number), MADE)
    clock.advance(24 * 3600)

    idempotency.begin("another key", "one", "hash")

    assert [record.key_id for record in _records()] == ["another key"]


def test_an_answer_sealed_under_a_lost_secret_counts_as_not_kept():
    """A new LARDER_SECRET_KEY makes old answers unreadable, not the repeat a failure."""
    idempotency.begin("key", "one", "hash")
    idempotency.finish("key", "one", MADE)
    with unit_of_work() as work:
        other = SecretBox("another").encrypt("{}").encode()
        work.session.execute(update(IdempotencyRecord).values(body=other))

    assert idempotency.begin("key", "one", "hash") == FirstAnswer(201, MADE.headers, None)
