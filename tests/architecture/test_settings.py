"""Settings: each is in the docs, and read in one place."""

import ast
import re
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import pytest

from cache.namespaces import NAMESPACES
from config import ROOT, Settings
from tests.architecture.source import source_files

PAGE = (ROOT / "docs" / "configuration.md").read_text()
READERS = {"config.py", "gunicorn.conf.py"}
BORROWED = {"telemetry/counting.py"}
"""Reads `PROMETHEUS_MULTIPROC_DIR`: the metrics library's own variable, and no setting of ours."""
DERIVED = {"database_url"}
"""What others read through a property of the settings."""
ACCESS = re.compile(r"\b(os\.environ|os\.getenv|from os import .*\b(environ|getenv))\b")


def _variable(setting: "Field[Any]") -> str:
    found: str = setting.metadata["variable"]
    return found


def _shown(setting: "Field[Any]") -> str:
    """A default as the docs write it."""
    default = setting.default
    if default is MISSING:
        return "the table below"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        default = ",".join(default)
    if isinstance(default, Path):
        return f"`{default.relative_to(ROOT)}/`"
    if isinstance(default, float):
        return f"`{default:g}`"
    return f"`{default}`" if default else ""


def _names_in(text: str, variables: set[str]) -> set[str]:
    """The variables that stand in a file as whole texts, as whoever reads one writes it."""
    constants = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    return {str(node.value) for node in constants} & variables


def _attributes(text: str) -> set[str]:
    """The attributes that a file reads of anything."""
    return {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}


def _row(variable: str) -> str:
    return next((line for line in PAGE.splitlines() if line.startswith(f"| `{variable}` |")), "")


@pytest.mark.parametrize("setting", fields(Settings), ids=_variable)
def test_every_setting_is_in_the_docs_with_its_meaning_and_default(setting):
    """The table is what operators have; a default that changed there alone would be a lie."""
    cells = (f"`{_variable(setting)}`", setting.metadata["about"], _shown(setting))

    assert _row(_variable(setting)) == f"| {' | '.join(cells)} |"


def test_every_ttl_is_in_the_docs_with_its_default():
    """And none that is not there any more."""
    declared = {
        f"| `CACHE_TTL_{space.name}_{resource}` | {ttl_s} |".upper()
        for space in NAMESPACES.values()
        for resource, ttl_s in space.ttls.items()
    }
    written = {line.upper() for line in PAGE.splitlines() if re.match(r"\| `CACHE_TTL_[A-Z]", line)}

    assert written == declared


def test_every_variable_of_the_server_is_in_the_docs():
    """Whatever `gunicorn.conf.py` reads."""
    text = (ROOT / "gunicorn.conf.py").read_text()
    read = set(re.findall(r"(?:_value|_number|_one_of|environ\.get)\(['\"]([A-Z_]+)['\"]", text))

    assert len(read) >= 8
    assert [name for name in sorted(read) if not _row(name)] == []


def test_the_docs_name_no_variable_that_nobody_reads():
    """A row that was left behind sends people looking."""
    rows = set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE))
    ours = {_variable(each) for each in fields(Settings)}
    server = (ROOT / "gunicorn.conf.py").read_text()
    ttls = {name for name in rows if name.startswith("CACHE_TTL_")}

    left = {name for name in rows - ours - ttls if f'"{name}"' not in server.replace("'", '"')}
    assert left == set()


def test_every_setting_is_read_by_somebody():
    """One that turns nothing has operators wonder why."""
    texts = [(ROOT / path).read_text() for path in source_files() if path.name != "config.py"]
    read = DERIVED.union(*map(_attributes, texts))
    server = (ROOT / "gunicorn.conf.py").read_text()
    unread = [each for each in fields(Settings) if each.name not in read]

    assert [each.name for each in unread if f'"{_variable(each)}"' not in server] == []


def test_a_settings_variable_is_named_in_one_file():
    """Whoever wants its value takes it from `Settings`."""
    variables = {_variable(each) for each in fields(Settings)}
    elsewhere = {
        str(path): found
        for path in source_files()
        if str(path) not in READERS and (found := _names_in((ROOT / path).read_text(), variables))
    }

    assert elsewhere == {}


def test_nobody_else_reads_the_environment():
    """A value that is read in the depths cannot be set in a test, nor found by an operator."""
    readers = {str(path) for path in source_files() if ACCESS.search((ROOT / path).read_text())}

    assert readers == READERS | BORROWED


@pytest.mark.parametrize(
    "text", ["import os\nos.environ['X']", "import os\nos.getenv('X')", "from os import environ"]
)
def test_reading_the_environment_is_seen_however_it_is_written(text):
    """The rule above can fail."""
    assert ACCESS.search(text)


def test_a_name_in_a_sentence_is_no_reading():
    """Messages name the variable that has to be mended."""
    variables = {"REDIS_URL"}

    assert _names_in("x = 'Redis does not answer at REDIS_URL'", variables) == set()
    assert _names_in("x = settings['REDIS_URL']", variables) == variables
