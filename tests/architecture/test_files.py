"""Files: how long they may be, and what folders of tests need."""

from pathlib import Path

from tests.architecture.source import ROOT, home_of_tests, python_files, source_files

WALL = 400
SCRIPTS = (".py", ".js", ".css", ".html")
MARKS = ("TODO", "FIXME", "XXX")


def _too_long(root: Path, paths: list[Path]) -> list[str]:
    counted = {str(path): len((root / path).read_text().splitlines()) for path in paths}
    return [path for path, lines in counted.items() if lines > WALL]


def _without_init(root: Path) -> list[str]:
    folders = {path.parent for path in (root / "tests").rglob("*.py")}
    return sorted(str(each) for each in folders if not (each / "__init__.py").is_file())


def _pages() -> list[Path]:
    found = (path for path in (ROOT / "blueprints").rglob("*") if path.suffix in SCRIPTS[1:])
    return sorted(path.relative_to(ROOT) for path in found)


def test_no_file_is_longer_than_one_can_read():
    """Three hundred lines are the aim, four hundred the wall; migrations are written by a tool."""
    written = [path for path in python_files() if path.parts[0] != "migrations"]

    assert _too_long(ROOT, [*written, *_pages()]) == []


def test_a_file_over_the_wall_is_found(tmp_path):
    """The rule above can fail."""
    (tmp_path / "short.py").write_text("x = 1\n" * WALL)
    (tmp_path / "long.py").write_text("x = 1\n" * (WALL + 1))

    assert _too_long(tmp_path, [Path("short.py"), Path("long.py")]) == ["long.py"]


def test_every_source_file_has_its_test_file():
    """At the mirrored place, by the same name: whoever changes the one finds the other."""
    written = [each for each in source_files() if each.name != "__init__.py"]
    untested = [str(each) for each in written if not (ROOT / home_of_tests(each)).is_file()]

    assert untested == []


def test_every_folder_of_tests_is_a_package():
    """Without the file, `tests/cache` would be imported as `cache` and hide ours."""
    assert _without_init(ROOT) == []


def test_a_folder_that_is_no_package_is_found(tmp_path):
    """The rule above can fail."""
    (tmp_path / "tests" / "cache").mkdir(parents=True)
    (tmp_path / "tests" / "__init__.py").touch()
    (tmp_path / "tests" / "cache" / "test_x.py").touch()

    assert _without_init(tmp_path) == [str(tmp_path / "tests" / "cache")]


def test_nothing_is_left_for_later_in_the_source():
    """What has to be done is done, or written down elsewhere."""
    marked = [
        str(path)
        for path in source_files()
        if any(mark in (ROOT / path).read_text() for mark in MARKS)
    ]

    assert marked == []


def test_the_walk_over_the_source_meets_all_of_it():
    """A rule over no files would hold."""
    met = {str(path) for path in source_files()}

    assert {"app.py", "config.py", "cache/engine.py", "blueprints/http/auth.py"} <= met
    assert len(met) > 150
