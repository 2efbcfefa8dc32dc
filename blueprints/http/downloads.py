"""Downloads: the header with which a browser saves a response under its name."""

from urllib.parse import quote

__all__ = ["attachment"]

ATTR_CHARS = "!#$&+-.^_`|~"
"""What RFC 8187 leaves unencoded beside letters and digits."""


def attachment(name: str) -> str:
    """The `Content-Disposition` of a file called `name` (RFC 6266)."""
    plain = "".join(
        char if char.isascii() and char.isprintable() and char not in '"\\%' else "_"
        for char in name
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=ATTR_CHARS)}"
