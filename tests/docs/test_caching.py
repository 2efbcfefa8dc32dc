"""`docs/caching.md`: its example is an application that works, on the cache package alone."""

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from flask.testing import FlaskClient

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "caching.md").read_text()
ALONE = """
import sys
import cache.extension, cache.declarations, cache.file_locks, cache.slots
ours = {path.name for path in __import__("pathlib").Path(sys.argv[1]).iterdir()}
print(*sorted(name for name in sys.modules if name in ours or f"{name}.py" in ours))
"""


@pytest.fixture
def example() -> ModuleType:
    """The page's program."""
    [program] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    module = ModuleType("notes")
    exec(compile(program, "docs/caching.md", "exec"), vars(module))  # noqa: S102 (the page's own)
    return module


@pytest.fixture
def workers(example, tmp_path) -> list[FlaskClient]:
    """Two workers of it, each with memory alone."""
    vars(example)["DATABASE"] = str(tmp_path / "notes.sqlite3")
    return [example.create_app(backend="memory").test_client() for _ in range(2)]


def _status(worker: FlaskClient) -> str:
    return worker.get("/notes/ann").headers["Cache-Status"]


def test_a_note_is_in_the_next_read_of_any_worker(workers):
    """The promise of the page, for whoever copies its example."""
    one, other = workers
    for worker in workers:
        worker.get("/notes/ann")

    one.post("/notes/ann", data="first")
    seen = [worker.get("/notes/ann").get_json() for worker in (other, one)]
    other.post("/notes/ann", data="second")

    assert seen == [["first"], ["first"]]
    assert one.get("/notes/ann").get_json() == ["first", "second"]


def test_a_note_that_was_read_is_a_hit_until_the_next(workers):
    """Of its owner's alone."""
    one, other = workers
    said = [_status(one), _status(one)]
    other.post("/notes/bob", data="elsewhere")
    said.append(_status(one))
    other.post("/notes/ann", data="new")
    said.append(_status(one))

    assert [each.split("; ")[1] for each in said] == ["fwd=miss", "hit", "hit", "fwd=miss"]
    assert said[-1].endswith("detail=stamp")


def test_the_cache_stands_alone():
    """Beside it another application gets settings' errors, clocks and logs, and no table."""
    command = [sys.executable, "-c", ALONE, str(ROOT)]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert loaded.split() == ["cache", "config", "telemetry"]
