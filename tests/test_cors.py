"""Browsers of other origins: none, unless the operator names them."""

from dataclasses import replace

from app import create_app

ORIGIN = "https://chat.example"


def _asked(settings, *origins: str) -> str | None:
    app = create_app(replace(settings, cors_origins=origins))
    try:
        answer = app.test_client().get("/healthz", headers={"Origin": ORIGIN})
        return answer.headers.get("Access-Control-Allow-Origin")
    finally:
        app.extensions["larder_shutdown"](0.0)


def test_no_origin_is_allowed_by_default(settings):
    """A page elsewhere cannot use a key it found."""
    assert _asked(settings) is None


def test_a_named_origin_is_allowed(settings):
    """The team's own interface may call."""
    assert _asked(settings, ORIGIN) == ORIGIN


def test_an_origin_that_is_not_named_is_refused(settings):
    """Naming one opens nothing to the others."""
    assert _asked(settings, "https://other.example") is None
