"""What gunicorn writes: no queries in the access log, and its own lines in the form of Larder's."""

import json
import logging
import runpy
import sys
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config

FILE = Path(__file__).resolve().parents[1] / "gunicorn.conf.py"


@pytest.fixture
def hooks() -> Iterator[dict[str, Any]]:
    """What the file holds; the files that its logs opened are closed."""
    yield runpy.run_path(str(FILE))
    for log in map(logging.getLogger, ("gunicorn.access", "gunicorn.error")):
        for handler in tuple(log.handlers):
            log.removeHandler(handler)
            handler.close()


def test_the_access_log_has_no_queries(hooks, tmp_path):
    """A ticket stands in one, and what somebody looks for: neither is for those who read logs."""
    file = tmp_path / "access.log"
    settings = Config()
    settings.set("accesslog", str(file))
    log = hooks["QuietLog"](settings)
    environ = {
        "REQUEST_METHOD": "GET",
        "RAW_URI": "/api/streams/s?ticket=hidden",
        "QUERY_STRING": "ticket=hidden",
        "HTTP_REFERER": "http://host.example/page?ticket=hidden",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }

    log.access(SimpleNamespace(status="200 OK", headers=[]), [], environ, timedelta(0))

    written = file.read_text()
    assert '"GET /api/streams/s HTTP/1.1" 200 - "http://host.example/page"' in written
    assert "hidden" not in written


@pytest.mark.parametrize(("style", "is_json"), [("json", True), ("auto", True), ("console", False)])
def test_gunicorns_own_lines_have_the_form_of_larders(hooks, monkeypatch, tmp_path, style, is_json):
    """Whoever gathers logs reads one JSON object a line, a traceback within it."""
    file = tmp_path / "error.log"
    settings = Config()
    settings.set("errorlog", str(file))
    monkeypatch.setenv("LOG_FORMAT", style)
    monkeypatch.setattr(sys, "stderr", StringIO())  # no terminal
    log = hooks["QuietLog"](settings)

    missing: dict[str, int] = {}
    try:
        missing["within"]
    except KeyError:
        log.exception("Exception in worker %s", 7)

    lines = file.read_text().splitlines()
    if not is_json:
        assert "[ERROR] Exception in worker 7" in lines[0]
        return
    (line,) = map(json.loads, lines)
    assert (line["event"], line["level"]) == ("Exception in worker 7", "error")
    assert line["timestamp"].endswith("Z")
    assert "KeyError: 'within'" in line["exception"]
