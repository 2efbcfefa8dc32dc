"""What one key may do in a minute: requests at a gate, tokens by what the ledger says."""

from datetime import timedelta

from sqlalchemy import func, select

from cache.extension import cache
from database.session import read_session
from database.tables.costs import LedgerRecord
from services.errors import RateLimited
from services.principal import Principal
from services.runtime import runtime

__all__ = ["check_requests", "check_tokens"]

MINUTE = timedelta(minutes=1)


def check_requests(principal: Principal) -> None:
    """Count a request of a key.

    Raises:
        RateLimited: the key has had the requests of its minute.
    """
    limit = principal.requests_per_minute
    if limit is None:
        return
    wait_s = cache.wait_s(f"requests:{principal.key_id}", limit)
    if wait_s > 0:
        sentence = f"This key may make {limit} requests a minute."
        raise RateLimited(sentence, retry_after_s=wait_s)


def check_tokens(principal: Principal) -> None:
    """Refuse a call of a key whose calls of the last minute used up its tokens.

    Calls are counted when they are booked, so the limit is overrun by what is under way at most.

    Raises:
        RateLimited: the key has had the tokens of its minute.
    """
    limit = principal.tokens_per_minute
    if limit is None:
        return
    now = runtime().clock.now()
    used = func.coalesce(func.sum(LedgerRecord.input_tokens + LedgerRecord.output_tokens), 0)
    with read_session() as session:
        tokens, first_at = session.execute(
            select(used, func.min(LedgerRecord.booked_at)).where(
                LedgerRecord.key_id == principal.key_id, LedgerRecord.booked_at > now - MINUTE
            )
        ).one()
    if tokens >= limit:
        left = first_at + MINUTE - now
        sentence = f"This key may use {limit} tokens a minute and has used {tokens}."
        raise RateLimited(sentence, retry_after_s=left.total_seconds())
