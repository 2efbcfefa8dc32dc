"""One call to a provider: refused before it costs, opened, and booked once with what it came to."""

import threading
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from sqlalchemy import select, text

from database.session import autocommit_connection, read_session
from database.tables.conversations import Stream
from database.tables.costs import LedgerRecord
from providers.attempts import FailedTry
from providers.protocol import (
    ProviderBroken,
    ProviderError,
    ProviderLost,
    ProviderTimeout,
    ProviderUnavailable,
    Usage,
)
from services import authentication, calls
from services.costs import ledger, unbooked
from services.costs.ledger import MAX_TOKENS
from services.errors import BudgetExceeded, RateLimited
from services.lost_streams import end_lost_stream
from services.model_routes import routes_for
from services.unit_of_work import unit_of_work
from streams.errors import InternalFailure, ServerShutdown
from streams.outcome import Outcome
from tests.factories.costs import make_model, make_price
from tests.streams.scripts import wait_until

LIMIT_S = 30
BODY = {"messages": [{"role": "user", "content": "12345678"}], "temperature": 0}


def _planned(principal, body=BODY):
    found = routes_for("acme/brain-1", body)
    return calls.plan_call(principal, found, body, endpoint="messages", stream=True)


@pytest.fixture
def principal(app, alice):
    """Alice, within the application's context."""
    with app.app_context():
        yield authentication.authenticate(alice.key)


@pytest.fixture
def call(app, principal):
    """A call of hers to a model with a price: two dollars in, ten out for a million."""
    make_model(app)
    make_price(app)
    planned = _planned(principal)
    with unit_of_work() as work:
        planned.open(work)
    return planned


def _began(**fields):
    return Outcome(first_token_s=1.0, **fields)


def _opened(call):
    with unit_of_work() as work:
        call.open(work)


def _closed(call, outcome):
    close = call.closing(outcome)
    with unit_of_work() as work:
        return close(work)


def _records():
    with read_session() as session:
        return session.scalars(select(LedgerRecord)).all()


def _stream(call):
    with read_session() as session:
        return session.get_one(Stream, call.call_id)


def test_a_call_is_made_with_the_providers_own_name(call, principal, clock):
    """The body goes as it is; what the ledger needs is fixed before anything is sent."""
    assert (call.request.model, call.request.body, call.request.stream) == ("brain-1", BODY, True)
    assert call.principal is principal
    assert call.called_at == clock.now()
    assert _planned(principal).call_id > call.call_id


def test_a_reached_budget_refuses_before_anything_is_spent(admin, alice, call):
    """402 comes before the provider is called."""
    limit = {"subject_kind": "user", "subject_id": alice.user_id, "period": "day"}
    made = admin.post("/api/costs/budgets", json={**limit, "hard_limit_usd": "0.00001"})
    assert made.status_code == 201, made.json
    _closed(call, Outcome(text="x", usage=Usage(1000, 0), first_token_s=0.1))

    with pytest.raises(BudgetExceeded):
        calls.plan_call(
            call.principal, routes_for("acme/brain-1", BODY), BODY, endpoint="x", stream=True
        )


def test_a_key_that_had_the_tokens_of_its_minute_is_refused(call, clock):
    """And let in again when they are worked off."""
    limited = msgspec.structs.replace(call.principal, tokens_per_minute=100)
    _planned(limited)

    with pytest.raises(RateLimited) as refused:
        _planned(limited)

    assert refused.value.retry_after_s == 60
    clock.advance(60)
    _planned(limited)


def test_a_bill_puts_the_reserved_tokens_right(call):
    """What was reserved too much is there for the next call at once."""
    limited = msgspec.structs.replace(call.principal, tokens_per_minute=1000)
    body = {**BODY, "max_tokens": 797}
    first = calls.plan_call(
        limited, routes_for("acme/brain-1", body), body, endpoint="x", stream=True
    )
    _opened(first)
    _closed(first, Outcome(text="x", usage=Usage(60, 40), first_token_s=0.1))

    second = calls.plan_call(
        limited, routes_for("acme/brain-1", body), body, endpoint="x", stream=True
    )

    assert first.reservation is not None
    assert second.reservation is not None
    assert (first.reservation.tokens, first.reservation.standing.remaining) == (800, 900)
    assert second.reservation.standing.remaining == 1000 - 100 - 800


def test_a_key_has_as_many_answers_under_way_as_it_may(call):
    """The next one is refused before it costs anything, and let in when one has ended."""
    limited = msgspec.structs.replace(call.principal, max_concurrent_streams=2)
    second = calls.plan_call(
        limited, routes_for("acme/brain-1", BODY), BODY, endpoint="x", stream=True
    )
    third = calls.plan_call(
        limited, routes_for("acme/brain-1", BODY), BODY, endpoint="x", stream=True
    )
    _opened(second)

    with pytest.raises(RateLimited) as refused:
        _opened(third)
    _closed(second, Outcome(text="x", usage=Usage(1, 1), first_token_s=0.1))
    _opened(third)

    assert refused.value.code == "too_many_streams"


def test_an_open_call_is_a_running_stream_of_its_owner(call, alice, app):
    """Any worker can tell whose it is, and what to book if its worker dies."""
    row = _stream(call)

    assert (row.id, row.user_id, row.status) == (call.call_id, alice.user_id, "running")
    assert (row.model_id, row.endpoint) == ("acme/brain-1", "messages")
    assert row.worker == app.extensions["larder"].worker
    assert row.input_estimate == call.input_estimate() == 3


@pytest.mark.parametrize(
    ("outcome", "status", "tokens", "is_estimated", "cost"),
    [
        # What the provider counted is what counts, zeros included.
        (_began(text="x", usage=Usage(1000, 100)), "ok", (1000, 100), False, "0.003"),
        (_began(text="x", usage=Usage(0, 0)), "ok", (0, 0), False, "0"),
        # Said by nobody: a quarter of the bytes, of the prompt and of all that was written.
        (_began(text="x" * 40, reasoning="y" * 40), "ok", (3, 20), True, "0.000206"),
        (Outcome(text="", finish_reason="stop"), "ok", (3, 0), True, "0.000006"),
        # Other choices of `n`, which are relayed and not kept, are paid for as well.
        (_began(text="x" * 40, beside_chars=120), "ok", (3, 40), True, "0.000406"),
        # Stopped: what came is paid for.
        (_began(text="x" * 4, finish_reason="cancelled"), "cancelled", (3, 1), True,
         "0.000016"),
        # Refused, or never sent: it cost nothing.
        (Outcome(error=ProviderUnavailable("u", status=500)), "error", (0, 0), False, "0"),
        (Outcome(error=ProviderTimeout("t", was_sent=False)), "error", (0, 0), False, "0"),
        # Sent, and its end never seen: the prompt may be charged for, and so may what came.
        (Outcome(error=ProviderTimeout("t")), "error", (3, 0), True, "0.000006"),
        (Outcome(error=ProviderLost("l")), "error", (3, 0), True, "0.000006"),
        (Outcome(error=ServerShutdown()), "error", (3, 0), True, "0.000006"),
        (Outcome(error=InternalFailure()), "error", (3, 0), True, "0.000006"),
        (Outcome(finish_reason="cancelled"), "cancelled", (3, 0), True, "0.000006"),
        (_began(text="x" * 4, error=ProviderBroken("b")), "broken", (3, 1), True,
         "0.000016"),
        (Outcome(error=ProviderBroken("b"), usage=Usage(5, 0)), "error", (5, 0), False, "0.00001"),
    ],
)  # fmt: skip
def test_a_call_is_booked_with_what_it_came_to(call, outcome, status, tokens, is_estimated, cost):
    """Status, tokens, whether they are estimated, and exact money."""
    call.progress.is_under_way = True

    bill = _closed(call, outcome)

    (record,) = _records()
    assert (record.status, record.call_id) == (status, call.call_id)
    assert (record.input_tokens, record.output_tokens) == tokens
    assert (record.is_estimated, record.cost_usd) == (is_estimated, Decimal(cost))
    assert bill.cost_usd == record.cost_usd
    assert (bill.usage.input_tokens, bill.usage.output_tokens) == tokens
    assert record.error_code == (outcome.error.code if outcome.error else None)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(finish_reason="cancelled"),
        Outcome(error=ServerShutdown()),
        Outcome(error=InternalFailure()),
        Outcome(error=ProviderTimeout("no first token")),
    ],
)
def test_a_call_that_ends_before_it_is_sent_is_free(call, outcome):
    """Or between two tries, of which each that was sent has its row."""
    bill = _closed(call, outcome)

    (record,) = _records()
    assert (record.input_tokens, record.is_estimated, record.cost_usd) == (0, False, Decimal(0))
    assert bill.cost_usd == 0


def test_a_fee_for_each_call_is_owed_for_those_that_are_sent(app, principal):
    """A stop before that, or between two tries, is free; one that the provider heard of is not."""
    make_model(app)
    make_price(app, per_request="0.5")
    costs = []
    for is_under_way in (False, True):
        planned = _planned(principal)
        _opened(planned)
        planned.progress.is_under_way = is_under_way
        costs.append(_closed(planned, Outcome(finish_reason="cancelled")).cost_usd)

    assert costs == [0, Decimal("0.500006")]


def test_a_call_that_is_never_sent_is_free_though_its_model_has_no_price(app, principal):
    """Nothing is not unpriced."""
    make_model(app)
    planned = _planned(principal)
    _opened(planned)

    assert _closed(planned, Outcome(finish_reason="cancelled")).cost_usd == 0


def test_a_stop_before_the_first_token_is_booked_with_the_prompt_as_it_was_counted(call):
    """The count was held back until a token came; the size of the prompt says less."""
    call.progress.is_under_way = True
    call.failed(FailedTry(0, ProviderBroken("stopped"), Usage(777, 1), 0.0, 0.1), None)

    bill = _closed(call, Outcome(finish_reason="cancelled"))

    assert (bill.usage.input_tokens, bill.is_estimated) == (777, True)


def test_a_stop_between_two_tries_charges_for_no_third(call):
    """Nobody was asked: the first was refused, and the second waits."""
    call.progress.is_under_way = True
    call.failed(FailedTry(0, ProviderUnavailable("refused", was_sent=False), None, 0.0, 0.1), 0)

    bill = _closed(call, Outcome(finish_reason="cancelled"))

    assert (bill.usage.input_tokens, bill.cost_usd) == (0, 0)


def test_a_call_is_under_way_once_its_first_try_begins(call):
    """From then on its prompt may be charged for."""
    chunks = call.pull()
    assert not call.progress.is_under_way

    with pytest.raises(ProviderError):
        next(chunks)

    assert call.progress.is_under_way


def test_times_are_booked_in_milliseconds(call):
    """The first token's and the whole; none where there was no token."""
    _closed(call, Outcome(text="x", first_token_s=0.1234, duration_s=2.5))

    (record,) = _records()
    assert (record.first_token_ms, record.duration_ms) == (123, 2500)


def test_closing_ends_the_stream_and_closing_again_books_nothing(call, clock):
    """A worker and a sweep may both come to it."""
    clock.advance(5)
    first = _closed(call, Outcome(text="x", usage=Usage(10, 1)))

    second = _closed(call, Outcome(text="xy", usage=Usage(20, 2)))

    assert len(_records()) == 1
    assert second.cost_usd == first.cost_usd
    assert (_stream(call).status, _stream(call).ended_at) == ("ended", clock.now())


def test_what_could_not_be_booked_is_booked_later_as_it_was_counted(call):
    """A database that goes away at the end of an answer makes no estimate of what is known."""
    close = call.closing(_began(text="x", usage=Usage(1000, 50, reasoning_tokens=40)))

    def close_in_vain():
        with unit_of_work() as work:
            close(work)
            raise RuntimeError("the database is gone")

    with pytest.raises(RuntimeError, match="gone"):
        close_in_vain()
    assert _records() == []

    assert end_lost_stream(call.call_id)

    (record,) = _records()
    assert (record.input_tokens, record.output_tokens, record.reasoning_tokens) == (1000, 50, 40)
    assert (record.is_estimated, record.status) == (False, "ok")
    assert unbooked.recall(call.call_id) is None


def test_a_booked_call_is_not_kept_any_longer(call):
    """It stands in the ledger."""
    _closed(call, _began(text="x", usage=Usage(1000, 50)))

    assert unbooked.recall(call.call_id) is None


def test_a_bill_says_what_was_booked(call):
    """A count beyond belief is cut in the ledger, and a message could not even hold it."""
    bill = _closed(call, _began(usage=Usage(3 * 10**9, 7)))

    (record,) = _records()
    assert (bill.usage.input_tokens, record.input_tokens) == (MAX_TOKENS, MAX_TOKENS)
    assert bill.usage.output_tokens == 7


@pytest.mark.server
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_rescuer_waits_for_a_worker_that_closes_its_call(app, call, monkeypatch):
    """Both take the stream's row first, and then the ledger's: else each waits for the other."""
    rescued: list[bool] = []

    def rescue() -> None:
        with app.app_context():
            rescued.append(end_lost_stream(call.call_id))

    rescuer = threading.Thread(target=rescue)

    def book(work, owed):
        record = ledger_book(work, owed)
        if threading.current_thread() is not rescuer:
            rescuer.start()
            wait_until(_is_somebody_waiting)
        return record

    ledger_book = ledger.book
    monkeypatch.setattr(ledger, "book", book)
    _closed(call, _began(usage=Usage(10, 1)))
    rescuer.join(LIMIT_S)

    assert rescued == [False]
    assert [record.status for record in _records()] == ["ok"]


def _is_somebody_waiting() -> bool:
    with autocommit_connection() as connection:
        return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


def test_time_limits_are_the_settings(call, settings):
    """Three of them, for the engine's watch."""
    limits = call.time_limits()

    assert limits.first_chunk_s == settings.provider_first_token_timeout_s
    assert limits.between_chunks_s == settings.provider_between_tokens_timeout_s
    assert limits.total_s == settings.provider_total_timeout_s


def test_a_call_that_is_not_streamed_may_take_the_whole_time(call, settings):
    """Its provider says nothing until it has all of it: a thinking model takes minutes."""
    whole = replace(call, request=replace(call.request, stream=False))

    assert whole.time_limits().first_chunk_s == settings.provider_total_timeout_s
