"""Calls to a model as their tests plan, close and find them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from database.session import read_session
from database.tables.conversations import Stream
from database.tables.costs import LedgerRecord
from services import calls
from services.calls import Bill, ModelCall
from services.model_routes import routes_for
from services.principal import Principal
from services.unit_of_work import unit_of_work
from streams.outcome import Outcome

__all__ = ["BODY", "began", "closed", "opened", "planned", "records", "stream_of"]

BODY: Mapping[str, Any] = {
    "messages": [{"role": "user", "content": "12345678"}],
    "temperature": 0,
}


def planned(principal: Principal, body: Mapping[str, Any] = BODY) -> ModelCall:
    """A call to `acme/brain-1`, not opened yet."""
    found = routes_for("acme/brain-1", body)
    return calls.plan_call(principal, found, body, endpoint="messages", stream=True)


def opened(call: ModelCall) -> ModelCall:
    """The same call, noted as a running stream."""
    with unit_of_work() as work:
        call.open(work)
    return call


def began(**fields: Any) -> Outcome:
    """An outcome of which a first token came."""
    return Outcome(first_token_s=1.0, **fields)


def closed(call: ModelCall, outcome: Outcome) -> Bill:
    """What a call came to, once it is booked."""
    close = call.closing(outcome)
    with unit_of_work() as work:
        return close(work)


def records() -> Sequence[LedgerRecord]:
    """All that the ledger has."""
    with read_session() as session:
        return session.scalars(select(LedgerRecord)).all()


def stream_of(call: ModelCall) -> Stream:
    """The row of a call's stream."""
    with read_session() as session:
        return session.get_one(Stream, call.call_id)
