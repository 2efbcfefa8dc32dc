"""Where the caller's key stands with its limits, in the headers that official clients read.

https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
https://docs.anthropic.com/en/api/rate-limits#response-headers
"""

from flask import Response, g

from services.standing import KINDS, Standing

__all__ = ["LIMIT_HEADERS", "show_standing", "write_standings"]

MINUTE_S = 60
PARTS = ("limit", "remaining", "reset")
LIMIT_HEADERS = (
    *(f"x-ratelimit-{part}-{kind}" for kind in KINDS for part in PARTS),
    *(f"anthropic-ratelimit-{kind}-{part}" for kind in KINDS for part in PARTS),
)
"""The names of all that `write_standings` writes."""


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
        reset_at = standing.reset_at.isoformat(timespec="seconds").replace("+00:00", "Z")
        response.headers[f"anthropic-ratelimit-{kind}-reset"] = reset_at


def _span(seconds: float) -> str:
    """A span as OpenAI writes it: `1.5s`, `6m0s`, `20ms`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest_s = divmod(seconds, MINUTE_S)
    written = f"{rest_s:.3f}".rstrip("0").rstrip(".")
    return f"{int(minutes)}m{written}s" if minutes else f"{written}s"
