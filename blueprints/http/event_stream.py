"""SSE responses: the headers that keep proxies from holding events back."""

from collections.abc import Iterable, Mapping

from flask import Response

__all__ = ["event_stream"]

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def event_stream(
    frames: Iterable[bytes] | bytes, headers: Mapping[str, str] | None = None
) -> Response:
    """An SSE response of `frames`, or of the whole body.

    Everything that the frames need must be in hand: no request is alive while they stream.
    """
    response = Response(frames, content_type="text/event-stream; charset=utf-8")
    # They are bytes as they are to go out: two iterators around each would take as long as the log.
    response.direct_passthrough = not isinstance(frames, bytes)
    response.headers.update(HEADERS)
    response.headers.update(headers or {})
    return response
