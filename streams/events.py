"""What a stream consists of: events, numbered from 0 without a gap, the last one terminal."""

from typing import Final

import msgspec

__all__ = ["HEARTBEAT", "Draft", "Event", "Heartbeat", "problem_draft"]


# Structs and not dataclasses: each token makes one of each, and a frozen dataclass takes four times
# as long.


class Draft(msgspec.Struct, frozen=True, gc=False):
    """An event before the log gave it an id. `data` is one line of JSON."""

    name: str
    data: bytes


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event of a stream. `terminal` says that it is the last one."""

    id: int
    name: str
    data: bytes
    terminal: bool = False


class Heartbeat:
    """What a reader gets when nothing came for a while; the edge writes a comment for it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "HEARTBEAT"


HEARTBEAT: Final = Heartbeat()


def problem_draft(
    code: str, title: str, *, retryable: bool, status: int = 500, detail: str = ""
) -> Draft:
    """An `error` event: an RFC 9457 problem object with `code` and `retryable`.

    Args:
        code: a stable word for programs.
        title: what went wrong, in a few words.
        retryable: whether the same request may succeed later.
        status: the HTTP status that the same failure has outside a stream.
        detail: a sentence for people; the title by default.
    """
    problem = {
        "type": f"urn:larder:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail or title,
        "code": code,
        "retryable": retryable,
    }
    return Draft("error", msgspec.json.encode(problem))
