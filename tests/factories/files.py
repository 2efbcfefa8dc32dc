"""Uploaded files."""

import io
from typing import Any

from tests.doubles.api_client import ApiClient

__all__ = ["make_file", "make_form"]


def make_form(content: bytes = b"hello", name: str = "notes.txt", kind: str = "text/plain") -> Any:
    """The form that sends one file."""
    return {"data": {"file": (io.BytesIO(content), name, kind)}}


def make_file(client: ApiClient, *args: Any, **options: Any) -> Any:
    """Send a file as `client`; arguments as `make_form`, and `headers`."""
    headers = options.pop("headers", {})
    return client.post("/api/files", headers=headers, **make_form(*args, **options))
