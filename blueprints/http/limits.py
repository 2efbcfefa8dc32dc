"""Where the caller's key stands with its limits, in the headers that official clients read.

https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
https://docs.anthropic.com/en/api/rate-limits#response-headers
"""

from datetime import datetime, timedelta
from math import ceil

from flask import Response, g

from services.standing import KINDS, Standing

__all__ = ["LIMIT_HEADERS", "TOKEN_LIMIT_HEADERS", "show_standing", "write_standings"]

SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
PARTS = ("limit", "remaining", "reset")
LIMIT_HEADERS = (
    *(f"x-ratelimit-{part}-{kind}" for kind in KINDS for part in PARTS),
    *(f"anthropic-ratelimit-{kind}-{part}" for kind in KINDS for part in PARTS),
)
"""The names of all that `write_standings` writes."""
TOKEN_LIMIT_HEADERS = tuple(name for name in LIMIT_HEADERS if "tokens" in name)
"""Those of a call to a model."""


def show_standing(standing: Standing | None) -> None:
    """Have the response to this request say where the key stands with a limit."""
    if standing is not None:
        g.setdefault("standings", {})[standing.kind] = standing


def write_standings(response: Response) -> None:
    """Write the headers of all limits that this request met, in both providers' words."""
    for kind, standing in g.get("standings", {}).items():
        response.headers[f"x-ratelimit-limit-{kind}"] = str(standing.limit)
        response.headers[f"x-ratelimit-remaining-{kind}"] = str(standing.remaining)
        response.headers[f"x-ratelimit-reset-{kind}"] = _span(standing.reset_s)
        response.headers[f"anthropic-ratelimit-{kind}-limit"] = str(standing.limit)
        response.headers[f"anthropic-ratelimit-{kind}-remaining"] = str(standing.remaining)
        response.headers[f"anthropic-ratelimit-{kind}-reset"] = _instant(standing.reset_at)


def _instant(moment: datetime) -> str:
    """The first whole second at which it is over: who comes then is not too early."""
    whole = moment + timedelta(microseconds=-moment.microsecond % 1_000_000)
    return whole.isoformat(timespec="seconds").replace("+00:00", "Z")


def _span(seconds: float) -> str:
    """A span as OpenAI writes it: `1.5s`, `6m0s`, `20ms`."""
    whole_ms = ceil(round(seconds * 1000, 3))
    if whole_ms < SECOND_MS:
        return f"{whole_ms}ms"
    minutes, rest_ms = divmod(whole_ms, MINUTE_MS)
    rest = f"{rest_ms / SECOND_MS:g}s"
    return f"{minutes}m{rest}" if minutes else rest
