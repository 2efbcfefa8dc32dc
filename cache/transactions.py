"""No cached read within a write transaction.

It would look at a snapshot other than the transaction's own, and wait for Redis or a load while
the transaction holds locks that other writers wait for.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["ReadWithinWrite", "check_not_writing", "writing"]

_WRITING: ContextVar[bool] = ContextVar("larder_writing", default=False)


class ReadWithinWrite(RuntimeError):
    """A cached read was made within a write transaction: make it before that begins."""


@contextmanager
def writing() -> Generator[None, None, None]:
    """For the time of a write transaction, refuse cached reads."""
    token = _WRITING.set(True)
    try:
        yield
    finally:
        _WRITING.reset(token)


def check_not_writing(resource: str) -> None:
    """Refuse a cached read of `resource` within a write transaction.

    Raises:
        ReadWithinWrite: there is one.
    """
    if _WRITING.get():
        raise ReadWithinWrite(f"{resource} was read within a write transaction; read it before")
