"""Log lines, and what must never stand in one."""

import json
from collections.abc import Iterator
from typing import NoReturn

import pytest
import structlog

from telemetry.logs import configure_logs, masked

KEY = "lk-abcdefgh12345678"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The configuration as it was: it holds this test's standard error."""
    before = structlog.get_config()
    yield
    structlog.contextvars.clear_contextvars()
    structlog.configure(**before)


def _logged(capsys: pytest.CaptureFixture[str], **fields: object) -> dict[str, object]:
    configure_logs(level="info", style="json")
    structlog.get_logger("test").info("something_happened", **fields)
    line: dict[str, object] = json.loads(capsys.readouterr().err)
    return line


def test_a_line_is_json_with_its_event_level_and_time(capsys):
    """Programs read it: the event is a name, the rest are fields."""
    line = _logged(capsys, count=3)

    assert (line["event"], line["level"], line["count"]) == ("something_happened", "info", 3)
    assert str(line["timestamp"]).endswith("Z")


def test_lines_go_to_standard_error_only(capsys):
    """Standard output belongs to a command's result."""
    configure_logs(level="info", style="json")
    structlog.get_logger("test").info("something_happened")

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)]
)
def test_lower_levels_are_not_written(capsys, level, lines):
    """An operator chooses how much is said."""
    configure_logs(level=level, style="json")
    log = structlog.get_logger("test")

    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")

    assert len(capsys.readouterr().err.splitlines()) == lines


def test_the_request_id_is_in_every_line_of_its_request(capsys):
    """One request's lines are found together."""
    structlog.contextvars.bind_contextvars(request_id="r1")

    assert _logged(capsys)["request_id"] == "r1"


@pytest.mark.parametrize(("style", "is_json"), [("json", True), ("console", False), ("auto", True)])
def test_the_style_is_what_was_asked_for(capsys, style, is_json):
    """`auto` is JSON where standard error is no terminal, as under a test."""
    configure_logs(level="info", style=style)
    structlog.get_logger("test").info("something_happened")

    assert capsys.readouterr().err.startswith("{") is is_json


@pytest.mark.parametrize(
    "name", ["secret", "client_secret", "password", "Authorization", "api_key", "apiKey", "token"]
)
def test_a_field_named_like_a_secret_is_masked(capsys, name):
    """Whatever stands in it, and however deep."""
    line = _logged(capsys, inner={name: "x"}, **{name: "y"})

    assert line[name] == "***"
    assert line["inner"] == {name: "***"}


def test_counts_of_tokens_are_no_secrets(capsys):
    """They are the figures that costs are explained with."""
    assert _logged(capsys, input_tokens=7)["input_tokens"] == 7


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"used {KEY} here", "used *** here"),
        ("sk-proj-1234567890_abc", "***"),
        ("postgresql://ann:hunter2@db/larder", "postgresql://***@db/larder"),
        ("redis://:hunter2@cache:6379/0", "redis://***@cache:6379/0"),
        ("http://db/larder", "http://db/larder"),
        ("ask-me-anything-you-like", "ask-me-anything-you-like"),
        ([KEY, {"a": (KEY, 1)}], ["***", {"a": ["***", 1]}]),
        (None, None),
    ],
)
def test_what_looks_like_a_secret_is_masked_wherever_it_stands(text, shown):
    """A provider may quote the key that it refuses."""
    assert masked(text) == shown


def test_a_secret_in_a_traceback_is_masked(capsys):
    """Errors quote what they were given."""
    line = _logged(capsys, exc_info=ValueError(f"refused: {KEY}"))

    assert KEY not in json.dumps(line)
    assert "refused: ***" in str(line["exception"])


class _Full:
    """A file on a full disk, or a pipe that nobody reads."""

    def __init__(self, fault: Exception) -> None:
        self._fault = fault

    def isatty(self) -> bool:
        return False

    def write(self, _: str) -> NoReturn:
        raise self._fault

    def flush(self) -> NoReturn:
        raise self._fault


@pytest.mark.parametrize("fault", [OSError("No space left on device"), ValueError("closed file")])
def test_a_line_that_cannot_be_written_is_lost_and_nothing_else(monkeypatch, fault):
    """Who notes a failure has still to mend it."""
    monkeypatch.setattr("sys.stderr", _Full(fault))
    configure_logs(level="info", style="json")

    structlog.get_logger("test").info("something_happened")
