"""One call to a provider: refused before it costs, opened, and given its time."""

from dataclasses import replace

import msgspec
import pytest

from providers.protocol import (
    ProviderError,
    Usage,
)
from services import calls
from services.errors import BudgetExceeded, RateLimited
from services.model_routes import routes_for
from streams.outcome import Outcome
from tests.services.planned_calls import BODY, closed, opened, planned, stream_of


def test_a_call_is_made_with_the_providers_own_name(call, principal, clock):
    """The body goes as it is; what the ledger needs is fixed before anything is sent."""
    assert (call.request.model, call.request.body, call.request.stream) == ("brain-1", BODY, True)
    assert call.principal is principal
    assert call.called_at == clock.now()
    assert planned(principal).call_id > call.call_id


def test_a_reached_budget_refuses_before_anything_is_spent(admin, alice, call):
    """402 comes before the provider is called."""
    limit = {"subject_kind": "user", "subject_id": alice.user_id, "period": "day"}
    made = admin.post("/api/costs/budgets", json={**limit, "hard_limit_usd": "0.00001"})
    assert made.status_code == 201, made.json
    closed(call, Outcome(text="x", usage=Usage(1000, 0), first_token_s=0.1))

    with pytest.raises(BudgetExceeded):
        calls.plan_call(
            call.principal, routes_for("acme/brain-1", BODY), BODY, endpoint="x", stream=True
        )


def test_a_key_that_had_the_tokens_of_its_minute_is_refused(call, clock):
    """And let in again when they are worked off."""
    limited = msgspec.structs.replace(call.principal, tokens_per_minute=100)
    planned(limited)

    with pytest.raises(RateLimited) as refused:
        planned(limited)

    assert refused.value.retry_after_s == 60
    clock.advance(60)
    planned(limited)


def test_a_bill_puts_the_reserved_tokens_right(call):
    """What was reserved too much is there for the next call at once."""
    limited = msgspec.structs.replace(call.principal, tokens_per_minute=1000)
    body = {**BODY, "max_tokens": 797}
    first = calls.plan_call(
        limited, routes_for("acme/brain-1", body), body, endpoint="x", stream=True
    )
    opened(first)
    closed(first, Outcome(text="x", usage=Usage(60, 40), first_token_s=0.1))

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
    opened(second)

    with pytest.raises(RateLimited) as refused:
        opened(third)
    closed(second, Outcome(text="x", usage=Usage(1, 1), first_token_s=0.1))
    opened(third)

    assert refused.value.code == "too_many_streams"


def test_an_open_call_is_a_running_stream_of_its_owner(call, alice, app):
    """Any worker can tell whose it is, and what to book if its worker dies."""
    row = stream_of(call)

    assert (row.id, row.user_id, row.status) == (call.call_id, alice.user_id, "running")
    assert (row.model_id, row.endpoint) == ("acme/brain-1", "messages")
    assert row.worker == app.extensions["larder"].worker
    assert row.input_estimate == call.input_estimate() == 3


def test_a_call_is_under_way_once_its_first_try_begins(call):
    """From then on its prompt may be charged for."""
    chunks = call.pull()
    assert not call.progress.is_under_way

    with pytest.raises(ProviderError):
        next(chunks)

    assert call.progress.is_under_way


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
