"""`docs/streaming.md`: its table of codes is what the code sends."""

import re
from collections.abc import Iterator
from pathlib import Path

from providers.protocol import ProviderError
from services.followed_streams import OUT_OF_SIGHT
from services.upstream_failures import http_status
from streams import errors

PAGE = (Path(__file__).parents[2] / "docs" / "streaming.md").read_text()
ROWS = set(re.findall(r"^\| `([a-z_]+)` \| (\d+) \| (yes|no) \|", PAGE, re.MULTILINE))


def _kinds(kind: type[ProviderError]) -> Iterator[type[ProviderError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)


def test_every_code_of_a_failure_is_in_the_docs():
    """With the status and the word that tell a client whether to come again; and none besides."""
    assert errors.ProducerLost in set(_kinds(ProviderError))
    sent = {
        (kind.code, str(http_status(kind.code)), "yes" if kind.retryable else "no")
        for kind in _kinds(ProviderError)
        if kind.__module__.startswith(("providers.", "streams."))
    }
    elsewhere = ("stream_elsewhere", "503", "yes")

    assert elsewhere[0].encode() in OUT_OF_SIGHT.data
    assert sent | {elsewhere} == ROWS
