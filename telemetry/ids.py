"""New ids, for every layer."""

import uuid_utils

__all__ = ["new_id"]


def new_id() -> str:
    """A new id: UUIDv7 text, so that ids sort by the time they were made (RFC 9562)."""
    return str(uuid_utils.uuid7())
