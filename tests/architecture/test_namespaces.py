"""Namespaces: what is declared is read, and what is written is read through them."""

import importlib
import inspect
import pkgutil
import typing
from types import ModuleType
from typing import Any

import msgspec
import pytest

import services
from cache.namespaces import NAMESPACES
from cache.reads import ReadSpec, cached_read
from cache.scopes import Scope
from database import tables
from database.session import Base
from services.warming_strategies import STRATEGIES


def _modules(package: ModuleType) -> list[ModuleType]:
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return [importlib.import_module(each.name) for each in found]


def _reads(modules: list[ModuleType]) -> list[Any]:
    """Every cached read that these modules have."""
    values = (value for module in modules for value in vars(module).values())
    return [value for value in values if hasattr(value, "cached_resource")]


def _resources(modules: list[ModuleType]) -> set[tuple[str, str]]:
    """The namespace and resource of every cached read that these modules have."""
    return {each.cached_resource for each in _reads(modules)}


def _mapped() -> dict[str, tuple[str, ...] | None]:
    """Each table with the namespaces its rows are read through."""
    assert len(_modules(tables)) >= 5
    classes = (mapper.class_ for mapper in Base.registry.mappers)
    declared = {each.__name__: getattr(each, "cached_in", None) for each in classes}
    return {
        name: None if scopes is None else tuple(each.namespace for each in scopes)
        for name, scopes in declared.items()
    }


def test_every_resource_is_read_by_some_service():
    """A TTL that nobody uses is a knob that turns nothing."""
    declared = {(space.name, each) for space in NAMESPACES.values() for each in space.ttls}

    assert declared - _resources(_modules(services)) == set()


def test_a_read_is_met_by_the_walk():
    """The rule above can fail: only what is decorated counts."""
    module = ModuleType("made_up")
    spec = ReadSpec("files", "list", 60, 1, NAMESPACES["files"].scope_of)

    def load(owner):
        return owner

    vars(module)["plain"] = load
    before = _resources([module])
    vars(module)["read"] = cached_read(spec, load, owned=True)

    assert (before, _resources([module])) == (set(), {("files", "list")})


def _returns_struct(read: Any) -> bool:
    annotation = typing.get_type_hints(inspect.unwrap(read)).get("return")
    kinds = typing.get_args(annotation) or (annotation,)
    return any(isinstance(each, type) and issubclass(each, msgspec.Struct) for each in kinds)


def test_what_code_goes_by_is_not_set_by_hand():
    """A loader's result has a type where code looks into it; the others are shown as they are."""
    reads = [each for each in _reads(_modules(services)) if inspect.isfunction(each)]
    typed = {vars(each)["cached_resource"] for each in reads if _returns_struct(each)}
    closed = {(space.name, each) for space in NAMESPACES.values() for each in space.closed}

    assert len(typed) >= 4
    assert typed - closed == set()


@pytest.mark.parametrize("space", NAMESPACES.values(), ids=NAMESPACES)
def test_what_is_closed_is_a_resource(space):
    """A misspelt one would be open."""
    assert space.closed.keys() <= space.ttls.keys()


def test_every_namespace_that_a_table_names_exists():
    """A misspelt one could never be invalidated, nor a write to the table succeed."""
    named = {name for namespaces in _mapped().values() for name in namespaces or ()}

    assert named - NAMESPACES.keys() == set()


def test_every_namespace_is_invalidated_by_some_table():
    """One that no write can reach would serve the past until its end."""
    named = {name for namespaces in _mapped().values() for name in namespaces or ()}
    derived = {each.name for each in NAMESPACES.values() if each.freshness.is_derived}

    assert derived - named == set()
    assert NAMESPACES.keys() - derived == {"responses"}


def test_every_scope_that_a_table_names_is_one_that_readers_compare():
    """With other stripes, or under another name, a write would raise what nobody looks at."""
    tables = [getattr(mapper.class_, "cached_in", ()) for mapper in Base.registry.mappers]
    fixed = {each for scopes in tables for each in scopes if each.fixed}
    said = {Scope(f"{each.namespace}:{each.fixed}", each.stripes) for each in fixed}
    compared = {
        NAMESPACES[each.namespace].scope_of("" if each.fixed == "all" else each.fixed)
        for each in fixed
    }

    assert len(said) >= 6
    assert said == compared


def test_every_table_says_where_its_rows_are_cached():
    """Nowhere is an answer too, but it has to be given."""
    silent = {name for name, namespaces in _mapped().items() if namespaces is None}

    assert silent == {"CacheGeneration"}, "generations are what all else is measured by"


@pytest.mark.parametrize("space", NAMESPACES.values(), ids=NAMESPACES)
def test_every_strategy_that_a_namespace_names_exists(space):
    """Admins read there who fills it."""
    assert set(space.warmed_by) <= STRATEGIES.keys()


@pytest.mark.parametrize("space", NAMESPACES.values(), ids=NAMESPACES)
def test_a_namespace_has_a_name_that_fits_its_variables_and_scopes(space):
    """`CACHE_TTL_<NAME>_<RESOURCE>`, and `<name>:<owner>` in a column of 200 letters."""
    names = [space.name, *space.ttls]

    assert all(name.replace("_", "").isalpha() and name.islower() for name in names)
    assert all(0 < ttl_s <= 86400 for ttl_s in space.ttls.values())
