"""An answer that is none: a provider's refusal as the error of its kind, in its own words."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

import msgspec

from providers.protocol import (
    ProviderAuthFailed,
    ProviderMalformed,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
)
from providers.sse import SseReader
from telemetry.clock import SYSTEM_CLOCK

__all__ = ["MAX_ERROR_BYTES", "raise_refused", "unwrapped", "words_to_show"]

MAX_ERROR_BYTES = 64 * 1024
"""How much of a refusal is read."""
SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")
"""With a fraction it is against the standard, and sent all the same."""
MAX_RETRY_AFTER_S = 3600
MAX_WORDS = 500


def raise_refused(status: int, raw: bytes, *, retry_after: str | None, secret: str) -> NoReturn:
    """Turn a refusal into the error of its kind.

    Args:
        status: any but 200.
        raw: its body, or the beginning of it.
        retry_after: the header of that name.
        secret: the key that was sent, which some providers quote.

    Raises:
        ProviderError: always.
    """
    words = _ErrorWords(raw, secret)
    after_s = _retry_after_s(retry_after)
    if status in {401, 403} and not words.is_moderated:
        raise ProviderAuthFailed("The provider refused Larder's credentials.", status=status)
    if status == 429:  # noqa: PLR2004 (a status)
        raise ProviderRateLimited(
            "The provider is rate limiting.",
            status=status,
            retry_after_s=after_s,
            upstream_code=words.code,
        )
    if 400 <= status < 500:  # noqa: PLR2004 (the class of statuses)
        raise ProviderRejected(
            words.message or f"The provider rejected the request ({status}).",
            status=status,
            param=words.param,
            upstream_code=words.code,
        )
    said = f"The provider failed ({status})."
    if 300 <= status < 400:  # noqa: PLR2004 (the class of statuses)
        said = f"The provider is at another address ({status}) than its base URL."
    raise ProviderUnavailable(said, status=status, retry_after_s=after_s)


class _ErrorWords:
    """What an error body says, in the shapes that providers use, without our key."""

    def __init__(self, raw: bytes, secret: str) -> None:
        self.message, self.param, self.code = "", None, None
        self.is_moderated = False
        try:
            found = unwrapped(msgspec.json.decode(_json_in(raw)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        error = found.get("error", found) if isinstance(found, dict) else None
        if isinstance(error, str):
            error = {"message": error}
        if not isinstance(error, dict):
            return
        told = error.get("message") or error.get("detail")
        metadata = error.get("metadata")
        beside: Mapping[str, Any] = metadata if isinstance(metadata, dict) else {}
        if isinstance(told, str) and isinstance(beside.get("raw"), str):
            told = f"{told}: {beside['raw']}"  # OpenRouter's own words say nothing of the cause
        self.message = words_to_show(_complaints(told) or told, secret) or ""
        self.is_moderated = "reasons" in beside  # OpenRouter: 403, though the key is right
        self.param = words_to_show(error.get("param"), secret)
        self.code = words_to_show(error.get("code"), secret)


def _json_in(raw: bytes) -> bytes:
    """A refusal's JSON, also out of the event that a request to stream is answered with by some."""
    if raw.lstrip()[:1] in {b"{", b"["}:
        return raw
    try:
        first = next(iter(SseReader().feed(raw + b"\n\n")), None)
    except ProviderMalformed:
        return raw
    return raw if first is None else first.data


def unwrapped(found: Any) -> Any:
    """An error out of the list of one that Gemini wraps it in; anything else as it is."""
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def _complaints(told: object) -> str:
    """What pydantic complains of, in one line: Mistral and others written with FastAPI send it."""
    listed = told.get("detail") if isinstance(told, Mapping) else told
    found = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    lines = []
    for each in found:
        place, words = each.get("loc"), each.get("msg")
        if isinstance(words, str):
            named = ".".join(map(str, place)) if isinstance(place, list) else ""
            lines.append(f"{named}: {words}" if named else words)
    return "; ".join(lines)


def words_to_show(words: object, secret: str) -> str | None:
    """A provider's own words, bounded and without our key, which some quote; `None` for no text."""
    if not isinstance(words, str) or not words:
        return None
    whole = words.encode(errors="replace").decode()  # half a character cannot be shown
    return (whole.replace(secret, "***") if secret else whole)[:MAX_WORDS]


def _retry_after_s(header: str | None) -> float | None:
    """Seconds in `Retry-After`, which is a number or a date (RFC 9110, 10.2.3)."""
    if not header:
        return None
    if SECONDS.fullmatch(header.strip()):
        return min(float(header), MAX_RETRY_AFTER_S)
    try:
        left_s = parsedate_to_datetime(header).timestamp() - SYSTEM_CLOCK.now().timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, left_s), MAX_RETRY_AFTER_S)
