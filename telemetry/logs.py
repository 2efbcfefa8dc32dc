"""Structured logs: static event names, keyword fields, no secrets.

Lines are JSON, or coloured text on a terminal. Fields that could carry a secret are masked by name,
and anything that looks like a key is masked wherever it stands.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import Any, TextIO

import structlog

__all__ = ["configure_logs", "masked"]

SECRET_NAMES = re.compile(r"(secret|password|authorization|api_?key|token)$", re.IGNORECASE)
SECRET_LOOKS = re.compile(r"\b(?:lk|sk|pk|rk)-[A-Za-z0-9_\-]{8,}|(?<=://)[^/@\s:]*:[^/@\s]+(?=@)")
MASK = "***"


def masked(value: Any) -> Any:
    """`value` with everything that looks like a key or a password in a URL masked."""
    if isinstance(value, str):
        return SECRET_LOOKS.sub(MASK, value)
    if isinstance(value, Mapping):
        return {
            name: MASK if SECRET_NAMES.search(str(name)) else masked(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(inner) for inner in value]
    return value


def _mask_secrets(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    del logger, method
    for name, value in event.items():
        event[name] = MASK if SECRET_NAMES.search(name) else masked(value)
    return event


class _Forgiving:
    """A file that never fails: on a full disk, or with nobody at the pipe's end, a line is lost.

    What is logged is often a failure, and whoever notes one has still to mend it.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Write, if that can be."""
        with suppress(OSError, ValueError):
            self._file.write(text)

    def flush(self) -> None:
        """Have it go out, if that can be."""
        with suppress(OSError, ValueError):
            self._file.flush()  # of a file, not a session


def configure_logs(*, level: str, style: str) -> None:
    """Send logs to standard error.

    Args:
        level: the lowest level written: `debug`, `info`, `warning` or `error`.
        style: `json`, `console`, or `auto` (console on a terminal).
    """
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _mask_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(_Forgiving(sys.stderr)),  # type: ignore[arg-type]  # writes and flushes, no more
        cache_logger_on_first_use=False,
    )
