"""One call to a provider: booked once, with what it came to."""

import threading
from dataclasses import replace
from decimal import Decimal

import pytest
from msgspec import structs
from sqlalchemy import text

from database.session import autocommit_connection
from providers.attempts import FailedTry
from providers.protocol import (
    ProviderBroken,
    ProviderLost,
    ProviderTimeout,
    ProviderUnavailable,
    Usage,
)
from services.costs import ledger, unbooked
from services.costs.ledger import MAX_TOKENS
from services.lost_streams import end_lost_stream
from services.unit_of_work import unit_of_work
from streams.errors import InternalFailure, ServerShutdown
from streams.outcome import Outcome
from tests.factories.costs import make_model, make_price
from tests.services.planned_calls import began, closed, opened, planned, records, stream_of
from tests.streams.scripts import wait_until

LIMIT_S = 30


@pytest.mark.parametrize(
    ("outcome", "status", "tokens", "is_estimated", "cost"),
    [
        # What the provider counted is what counts, zeros included.
        (began(text="x", usage=Usage(1000, 100)), "ok", (1000, 100), False, "0.003"),
        (began(text="x", usage=Usage(0, 0)), "ok", (0, 0), False, "0"),
        # Said by nobody: a quarter of the bytes, of the prompt and of all that was written.
        (began(text="x" * 40, reasoning="y" * 40), "ok", (3, 20), True, "0.000206"),
        (Outcome(text="", finish_reason="stop"), "ok", (3, 0), True, "0.000006"),
        # Other choices of `n`, which are relayed and not kept, are paid for as well.
        (began(text="x" * 40, beside_chars=120), "ok", (3, 40), True, "0.000406"),
        # Stopped: what came is paid for.
        (began(text="x" * 4, finish_reason="cancelled"), "cancelled", (3, 1), True,
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
        (began(text="x" * 4, error=ProviderBroken("b")), "broken", (3, 1), True,
         "0.000016"),
        (Outcome(error=ProviderBroken("b"), usage=Usage(5, 0)), "error", (5, 0), False, "0.00001"),
    ],
)  # fmt: skip
def test_a_call_is_booked_with_what_it_came_to(call, outcome, status, tokens, is_estimated, cost):
    """Status, tokens, whether they are estimated, and exact money."""
    call.progress.is_under_way = True

    bill = closed(call, outcome)

    (record,) = records()
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
    bill = closed(call, outcome)

    (record,) = records()
    assert (record.input_tokens, record.is_estimated, record.cost_usd) == (0, False, Decimal(0))
    assert bill.cost_usd == 0


def test_a_fee_for_each_call_is_owed_for_those_that_are_sent(app, principal):
    """A stop before that, or between two tries, is free; one that the provider heard of is not."""
    make_model(app)
    make_price(app, per_request="0.5")
    costs = []
    for is_under_way in (False, True):
        call = opened(planned(principal))
        call.progress.is_under_way = is_under_way
        costs.append(closed(call, Outcome(finish_reason="cancelled")).cost_usd)

    assert costs == [0, Decimal("0.500006")]


def test_a_call_that_is_never_sent_is_free_though_its_model_has_no_price(app, principal):
    """Nothing is not unpriced."""
    make_model(app)
    call = opened(planned(principal))

    assert closed(call, Outcome(finish_reason="cancelled")).cost_usd == 0


def test_a_stop_before_the_first_token_is_booked_with_the_prompt_as_it_was_counted(call):
    """The count was held back until a token came; the size of the prompt says less."""
    call.progress.is_under_way = True
    call.failed(FailedTry(0, ProviderBroken("stopped"), Usage(777, 1), 0.0, 0.1), None)

    bill = closed(call, Outcome(finish_reason="cancelled"))

    assert (bill.usage.input_tokens, bill.is_estimated) == (777, True)


def test_a_stop_between_two_tries_charges_for_no_third(call):
    """Nobody was asked: the first was refused, and the second waits."""
    call.progress.is_under_way = True
    call.failed(FailedTry(0, ProviderUnavailable("refused", was_sent=False), None, 0.0, 0.1), 0)

    bill = closed(call, Outcome(finish_reason="cancelled"))

    assert (bill.usage.input_tokens, bill.cost_usd) == (0, Decimal(0))


def test_times_are_booked_in_milliseconds(call):
    """The first token's and the whole; none where there was no token."""
    closed(call, Outcome(text="x", first_token_s=0.1234, duration_s=2.5))

    (record,) = records()
    assert (record.first_token_ms, record.duration_ms) == (123, 2500)


def test_a_fallback_is_booked_at_its_own_price_and_by_its_own_time(app, call):
    """Whoever answered is paid, and was no slower for the one that failed before."""
    make_price(app, "acme/brain-2", input="20", output="100")
    other = structs.replace(call.route, model_id="acme/brain-2", name="brain-2")
    both = replace(call, routes=[call.route, other])
    failed = ProviderUnavailable("down")
    both.failed(FailedTry(0, failed, usage=None, began_s=0.0, lasted_s=2.0), 1)

    bill = closed(both, Outcome(usage=Usage(10, 1), first_token_s=2.5, duration_s=3.0))

    record = next(each for each in records() if each.status == "ok")
    assert (record.model_id, bill.cost_usd) == ("acme/brain-2", Decimal("0.0003"))
    assert (record.first_token_ms, record.duration_ms) == (500, 1000)


def test_closing_ends_the_stream_and_closing_again_books_nothing(call, clock):
    """A worker and a sweep may both come to it."""
    clock.advance(5)
    first = closed(call, Outcome(text="x", usage=Usage(10, 1)))

    second = closed(call, Outcome(text="xy", usage=Usage(20, 2)))

    assert len(records()) == 1
    assert second.cost_usd == first.cost_usd
    assert (stream_of(call).status, stream_of(call).ended_at) == ("ended", clock.now())


def test_what_could_not_be_booked_is_booked_later_as_it_was_counted(call):
    """A database that goes away at the end of an answer makes no estimate of what is known."""
    close = call.closing(began(text="x", usage=Usage(1000, 50, reasoning_tokens=40)))

    def close_in_vain():
        with unit_of_work() as work:
            close(work)
            raise RuntimeError("the database is gone")

    with pytest.raises(RuntimeError, match="gone"):
        close_in_vain()
    assert records() == []

    assert end_lost_stream(call.call_id)

    (record,) = records()
    assert (record.input_tokens, record.output_tokens, record.reasoning_tokens) == (1000, 50, 40)
    assert (record.is_estimated, record.status) == (False, "ok")
    assert unbooked.recall(call.call_id) is None


def test_a_booked_call_is_not_kept_any_longer(call):
    """It stands in the ledger."""
    closed(call, began(text="x", usage=Usage(1000, 50)))

    assert unbooked.recall(call.call_id) is None


def test_a_bill_says_what_was_booked(call):
    """A count beyond belief is cut in the ledger, and a message could not even hold it."""
    bill = closed(call, began(usage=Usage(3 * 10**9, 7)))

    (record,) = records()
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
    closed(call, began(usage=Usage(10, 1)))
    rescuer.join(LIMIT_S)

    assert rescued == [False]
    assert [record.status for record in records()] == ["ok"]


def _is_somebody_waiting() -> bool:
    with autocommit_connection() as connection:
        return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
