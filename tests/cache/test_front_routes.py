"""Every cached route, answered in front of Flask and the whole way: the same to the last byte."""

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from cache.extension import cache
from cache.front import KNOWN_HEADERS
from config import Settings
from tests.doubles.api_client import ApiClient
from tests.factories.warm_requests import answers, cached_paths, whole_way

OF_THE_MOMENT = {"/api/providers", "/api/providers/demo"}
"""Cached, but shown with what this process knows of the providers just now."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As in production: hits are not audited, which would have all go the whole way."""
    return replace(settings, cache_audit_share=0.0)


class Noting(dict):  # type: ignore[type-arg]  # WSGI wants a plain dictionary
    """An environ that notes which of the request's headers are looked at."""

    def __init__(self, environ: dict[str, Any], noted: set[str]) -> None:
        super().__init__(environ)
        self._noted = noted

    def __getitem__(self, name: str) -> Any:
        self._noted.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As a dictionary's own."""
        self._noted.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self._noted.add(str(name))
        return super().__contains__(name)

    def __iter__(self) -> Any:
        self._noted.add("HTTP_*")
        return super().__iter__()


@pytest.fixture
def warm(app: Flask, admin: ApiClient) -> list[str]:
    """Every cached path, its entries there and its way remembered."""
    paths = cached_paths(app, admin)
    answers(app.wsgi_app, admin.key, paths)
    answers(app.wsgi_app, admin.key, paths)
    return paths


def test_every_cached_route_is_answered_in_front(app, admin, warm, reached):
    """None asks anything that its reads do not tell: no clock, no table, no header."""
    found = answers(app.wsgi_app, admin.key, [path for path in warm if path not in OF_THE_MOMENT])

    assert len(found) > 20
    assert {status for status, _, _ in found.values()} == {"200 OK"}
    assert reached == []


def test_answers_of_the_moment_go_the_whole_way(app, admin, warm, reached):
    """They say so themselves, by spoiling what is recorded."""
    answers(app.wsgi_app, admin.key, sorted(OF_THE_MOMENT))

    assert len(reached) == len(OF_THE_MOMENT)


def test_both_ways_give_the_same_answer(app, admin, warm):
    """Status, headers and bytes; the clock stands still, so that even the TTLs are equal."""
    in_front = answers(app.wsgi_app, admin.key, warm)

    assert in_front == answers(whole_way(app), admin.key, warm)


def test_no_cached_route_looks_at_a_header_that_the_front_does_not_know(app, admin, warm):
    """An answer that depends on another header would be sent to who did not ask for it."""
    noted: set[str] = set()

    def noting(environ, start_response):
        return whole_way(app)(Noting(environ, noted), start_response)

    answers(noting, admin.key, warm)

    looked_at = {name for name in noted if name.startswith(("HTTP_", "CONTENT_"))}
    assert looked_at <= KNOWN_HEADERS
    assert "HTTP_AUTHORIZATION" in looked_at


def test_both_ways_count_alike(app, admin, warm):
    """Every read of a hit, of the key's as well as of the answer's, and every request."""
    statistics = cache.engine_of(app).statistics

    def counted(application: Any) -> dict[str, float]:
        before = statistics.snapshot()
        answers(application, admin.key, warm)
        after = statistics.snapshot()
        grown = {name: count - before.get(name, 0) for name, count in after.items()}
        return {name: by for name, by in grown.items() if by and name.startswith("reads|")}

    in_front = counted(app.wsgi_app)

    assert in_front == counted(whole_way(app))
    assert in_front["reads|permissions|principal|hit|memory"] == len(warm)
