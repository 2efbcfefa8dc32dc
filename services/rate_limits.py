"""What one key may do in a minute, and at once.

Requests and tokens pass gates that all workers share while Redis is up. Tokens are reserved by an
estimate before a call and settled by its bill. Answers under way are counted by their rows in the
database, in the transaction that adds one more, so that limit is exact, and a dead worker's answers
count no longer than it takes to find them. A key without limits costs nothing here.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, literal_column, select

from cache.extension import cache
from cache.gates import Passage
from database.tables.conversations import Stream
from database.tables.users import ApiKey
from services.errors import RateLimited
from services.principal import Principal
from services.runtime import runtime
from services.standing import Standing
from services.unit_of_work import UnitOfWork

__all__ = ["Reservation", "check_requests", "check_running", "given_back", "reserve_tokens"]

OUTPUT_GUESS = 256
"""Tokens that an answer is taken to have when its request sets no limit."""
OUTPUT_LIMITS = ("max_completion_tokens", "max_tokens")
TRY_AGAIN_S = 1.0


@dataclass(slots=True)
class Reservation:
    """Tokens that were taken from a key's minute before a call; `standing` is where it is then."""

    key_id: str
    limit: int
    tokens: int
    standing: Standing

    def settle(self, used: int) -> None:
        """Put the estimate right, once it is known what was used."""
        if used != self.tokens:
            gate = _tokens_gate(self.key_id)
            passage = cache.gates.settle(gate, self.limit, used - self.tokens)
            self.standing = _standing("tokens", self.limit, passage)


def check_requests(principal: Principal) -> Standing | None:
    """Count a request of a key.

    Returns:
        Where the key stands now; `None` for one without a limit.

    Raises:
        RateLimited: the key has had the requests of its minute.
    """
    limit = principal.requests_per_minute
    if limit is None:
        return None
    return _pass(
        "requests",
        f"requests:{principal.key_id}",
        limit,
        1,
        refusal=f"This key may make {limit} requests a minute.",
    )


def reserve_tokens(
    principal: Principal, input_tokens: int, body: Mapping[str, Any]
) -> Reservation | None:
    """Take the tokens that a call will need, by estimate, from its key's minute.

    A call that needs more than a minute's share is let in when none of it is used, and what it
    used is worked off afterwards.

    Args:
        principal: whose key.
        input_tokens: the estimate of the prompt.
        body: the request, which may limit its answer.

    Raises:
        RateLimited: the key has had the tokens of its minute.
    """
    limit = principal.tokens_per_minute
    if limit is None:
        return None
    tokens = min(limit, max(1, input_tokens + _output_limit(body)))
    standing = _pass(
        "tokens",
        _tokens_gate(principal.key_id),
        limit,
        tokens,
        refusal=f"This key may use {limit} tokens a minute; this call needs about {tokens}.",
    )
    return Reservation(principal.key_id, limit, tokens, standing)


@contextmanager
def given_back(reservation: Reservation | None) -> Iterator[None]:
    """Around what comes before a call: one that does not come to be has used no tokens."""
    try:
        yield
    except BaseException:
        if reservation is not None:
            reservation.settle(0)
        raise


def check_running(work: UnitOfWork, principal: Principal) -> None:
    """Refuse one more answer of a key that has as many under way as it may.

    The key's row is held until the transaction ends, so that two workers cannot both count the same
    free place.

    Raises:
        RateLimited: too many are under way.
    """
    limit = principal.max_concurrent_streams
    if limit is None:
        return
    held = select(ApiKey.id).where(ApiKey.id == principal.key_id).with_for_update(key_share=True)
    work.session.execute(held)
    is_running = Stream.status == literal_column("'running'")  # as the partial index has it
    running = work.session.scalar(
        select(func.count())
        .select_from(Stream)
        .where(is_running, Stream.key_id == principal.key_id)
    )
    if (running or 0) >= limit:
        sentence = f"This key may have {limit} answers under way at once."
        raise RateLimited(sentence, retry_after_s=TRY_AGAIN_S, code="too_many_streams")


def _pass(kind: str, gate: str, limit: int, amount: int, *, refusal: str) -> Standing:
    passage = cache.gates.enter(gate, limit, amount)
    standing = _standing(kind, limit, passage)
    if passage.wait_s > 0:
        raise RateLimited(refusal, retry_after_s=passage.wait_s, standing=standing)
    return standing


def _standing(kind: str, limit: int, passage: Passage) -> Standing:
    reset_at = runtime().clock.now() + timedelta(seconds=passage.reset_s)
    return Standing(kind, limit, passage.remaining, passage.reset_s, reset_at)


def _tokens_gate(key_id: str) -> str:
    return f"tokens:{key_id}"


def _output_limit(body: Mapping[str, Any]) -> int:
    """The tokens that all choices of an answer may have, if its request says so.

    What is to be embedded, and so has no messages, is answered with none.
    """
    if "messages" not in body:
        return 0
    found = (body.get(name) for name in OUTPUT_LIMITS)
    limit = next((each for each in found if type(each) is int and each >= 0), OUTPUT_GUESS)
    choices = body.get("n")
    return limit * choices if type(choices) is int and choices > 1 else limit
