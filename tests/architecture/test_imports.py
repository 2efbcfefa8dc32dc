"""Imports: what the contracts cover, and what each module offers."""

import tomllib

import pytest

from tests.architecture.source import (
    ROOT,
    imported_names,
    imported_packages,
    listed_names,
    module_of,
    packages,
    source_files,
    top_names,
)

LAYERS = "Imports run downward only"
UNLISTED = {"app", "wsgi", "gunicorn.conf"}
"""Modules at the root that are programs rather than packages; none of them may be imported."""


@pytest.fixture(scope="module")
def linted():
    """What import-linter is told."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def _texts():
    return {module_of(path): (ROOT / path).read_text() for path in source_files()}


def _missing_from_all(texts):
    """Names that one module takes from another which does not list them."""
    listed = {module: listed_names(text) for module, text in texts.items()}
    return sorted(
        f"{user} takes {module}.{name}"
        for user, text in texts.items()
        for module, name in set(imported_names(text))
        if (names := listed.get(module)) is not None
        and name not in names
        and f"{module}.{name}" not in texts
    )


def _listed_but_absent(texts):
    return sorted(
        f"{module}.{name}"
        for module, text in texts.items()
        for name in listed_names(text) or ()
        if name not in top_names(text)
    )


def test_every_package_is_under_the_contract(linted):
    """A package that the linter does not know may import what it likes."""
    assert set(linted["root_packages"]) == packages()


def test_every_package_has_its_layer(linted):
    """Being known is not enough: a package without a place may be imported from anywhere."""
    (layers,) = [each["layers"] for each in linted["contracts"] if each["name"] == LAYERS]
    placed = {name.strip() for layer in layers for name in layer.split("|")}

    assert placed == packages()


def test_every_package_is_sorted_as_ours():
    """Or ruff would take a new one for somebody else's."""
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    known = set(ruff["lint"]["isort"]["known-first-party"])

    assert packages() | {"app", "config", "tests", "wsgi"} == known


def test_settings_import_nothing_of_ours():
    """Every layer reads them: an import the other way would be a circle."""
    imported = imported_packages((ROOT / "config.py").read_text())

    assert imported & (packages() | {"app", "wsgi", "tests"}) == set()


def test_nobody_imports_a_program():
    """`app` puts everything together: whoever imports it closes a circle."""
    importers = {
        module: imported_packages(text) & UNLISTED
        for module, text in _texts().items()
        if module not in UNLISTED
    }

    assert {module: found for module, found in importers.items() if found} == {}


def test_what_others_take_of_a_module_it_lists():
    """`__all__` is what a reader takes for its interface."""
    assert _missing_from_all(_texts()) == []


def test_what_a_module_lists_it_has():
    """A name that went away would be found by nobody else."""
    assert _listed_but_absent(_texts()) == []


def test_a_name_taken_past_the_list_is_found():
    """The rules above can fail."""
    texts = {
        "a.b": '__all__ = ["given", "gone"]\ngiven = 1\n_kept = 2\n',
        "a.user": "from a.b import given, _kept\nfrom a import b\nb.other\n",
    }

    assert _missing_from_all(texts) == ["a.user takes a.b._kept", "a.user takes a.b.other"]
    assert _listed_but_absent(texts) == ["a.b.gone"]


def test_an_import_within_a_function_counts():
    """That is where circles are hidden."""
    text = "def f():\n    import cache.keys\n    from services import keys\n"

    assert imported_packages(text) == {"cache", "services"}
