"""New ids, for every layer, and the id of a request."""

import re

import uuid_utils

__all__ = ["new_id", "request_id"]

SANE_ID = re.compile(r"[A-Za-z0-9._:\-]{1,128}")


def new_id() -> str:
    """A new id: UUIDv7 text, so that ids sort by the time they were made (RFC 9562)."""
    return str(uuid_utils.uuid7())


def request_id(given: str) -> str:
    """The id of a request: the one that its caller gave, if it is a sane one, or a new one."""
    return given if SANE_ID.fullmatch(given) else new_id()
