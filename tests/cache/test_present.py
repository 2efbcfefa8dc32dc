"""Whose engine a cached read meets: that of the application whose context it is called in."""

import pytest
from flask import Flask

from cache.present import ENGINE, present_app, present_engine


def _app(engine: object) -> Flask:
    app = Flask("present")
    app.extensions[ENGINE] = engine
    return app


def test_each_application_has_its_own():
    """Several live in one process, in tests and commands."""
    outer, inner = object(), object()
    app = _app(outer)

    with app.app_context():
        assert present_app() is app
        assert present_engine() is outer
        with _app(inner).app_context():
            assert present_engine() is inner
        assert present_engine() is outer


def test_without_an_application_there_is_none():
    """Flask says how to have one."""
    with pytest.raises(RuntimeError, match="application context"):
        present_engine()
