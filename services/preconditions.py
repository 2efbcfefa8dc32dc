"""`If-Match`: a change is made only to the version that the caller saw (RFC 9110, 13.1.1)."""

from collections.abc import Mapping
from typing import Any

from cache.results import encode_body, etag_of
from services.errors import PreconditionFailed

__all__ = ["check_precondition"]


def check_precondition(if_match: str | None, current: Mapping[str, Any]) -> None:
    """Refuse a change unless `if_match` names the ETag of `current`, the dumped resource.

    Raises:
        PreconditionFailed: it names other versions only.
    """
    if if_match is None or if_match.strip() == "*":
        return
    etag = etag_of(encode_body(current))
    if etag not in {each.strip() for each in if_match.split(",")}:
        raise PreconditionFailed("It was changed since you read it: read it again.")
