"""Every route says who may call it, and how it is read or repeated."""

import pkgutil
from importlib import import_module
from typing import Any

import pytest
from flask import Flask

import blueprints
from app import create_app
from blueprints import BLUEPRINTS
from blueprints.http.auth import PUBLIC
from blueprints.http.bodies import Routes
from config import Settings
from services.permissions import PERMISSIONS, ROLES

PUBLIC_ROUTES = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/"),
    ("GET", "/docs"),
    ("GET", "/api/openapi.json"),
}
"""What needs no key; a route that is not here and public is a mistake."""
PUBLIC_PREFIXES = ("/static/",)


@pytest.fixture(scope="module")
def routes(tmp_path_factory) -> list[tuple[str, str, Any]]:
    """Method, path and view of every route."""
    folder = tmp_path_factory.mktemp("routes")
    app = create_app(
        Settings(instance_path=folder, cache_backend="memory", log_level="error", secret_key="x")
    )
    found = _routes_of(app)
    app.extensions["larder_shutdown"](0.0)
    return found


def _routes_of(app: Flask) -> list[tuple[str, str, Any]]:
    return [
        (method, rule.rule, app.view_functions[rule.endpoint])
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def _path(rule: str) -> str:
    """A path that fits a rule: every part of it is made up."""
    parts = [("x" if part.startswith("<") else part) for part in rule.split("/")]
    return "/".join(parts)


def _is_public(method: str, rule: str) -> bool:
    return (method, rule) in PUBLIC_ROUTES or rule.startswith(PUBLIC_PREFIXES)


def test_every_route_requires_a_permission_or_is_known_to_be_public(routes):
    """A route that was forgotten would be open to the world."""
    open_routes = [
        (method, rule)
        for method, rule, view in routes
        if getattr(view, "permission", None) not in PERMISSIONS and not _is_public(method, rule)
    ]

    assert open_routes == []


def test_what_is_public_says_so_itself(routes):
    """A reader of the blueprint sees it, and the list above holds no route that is not public."""
    silent = [
        (method, rule)
        for method, rule, view in routes
        if _is_public(method, rule) and getattr(view, "permission", None) != PUBLIC
    ]

    assert silent == []


def test_every_get_is_cached_or_says_why_not(routes):
    """A read past the cache is a decision, not an oversight."""
    undecided = [
        rule
        for method, rule, view in routes
        if method == "GET"
        and rule.startswith("/api/")
        and not getattr(view, "is_cached", False)
        and not getattr(view, "uncached", "")
    ]

    assert undecided == []


def test_no_get_is_both_cached_and_not(routes):
    """One of the two marks would be a lie."""
    both = [
        rule
        for _, rule, view in routes
        if getattr(view, "is_cached", False) and getattr(view, "uncached", "")
    ]

    assert both == []


def test_every_post_can_be_repeated_or_says_why_it_need_not(routes):
    """A client that lost an answer must not have to choose between twice and never."""
    undecided = [
        rule
        for method, rule, view in routes
        if method == "POST"
        and not getattr(view, "is_idempotent", False)
        and not getattr(view, "repeatable", "")
    ]

    assert undecided == []


def test_without_a_key_every_route_answers_401(app, client, routes):
    """Before the body is read, before anything is looked up."""
    answers = [
        (method, rule, client.open(_path(rule), method=method).status_code)
        for method, rule, _ in routes
        if not _is_public(method, rule)
    ]

    assert [each for each in answers if each[2] != 401] == []


def test_what_members_may_not_do_answers_them_403(alice, routes):
    """The admin end points are closed to others, each of them."""
    answers = [
        (method, rule, alice.open(method, _path(rule)).status_code)
        for method, rule, view in routes
        if getattr(view, "permission", PUBLIC) not in ROLES["member"] | {PUBLIC}
    ]

    assert len(answers) > 20
    assert [each for each in answers if each[2] != 403] == []


def test_every_blueprint_is_served():
    """A new file's routes answer 404 until they are listed."""
    walked = pkgutil.walk_packages(blueprints.__path__, "blueprints.")
    found = {each.name: getattr(import_module(each.name), "routes", None) for each in walked}
    made = {name: routes for name, routes in found.items() if isinstance(routes, Routes)}

    assert len(made) == len(BLUEPRINTS)
    assert [name for name, routes in made.items() if routes not in BLUEPRINTS] == []
