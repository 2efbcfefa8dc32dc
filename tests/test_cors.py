"""Browsers of other origins: none, unless the operator names them."""

from dataclasses import replace

import pytest

from app import create_app
from config import SettingsError
from tests.factories.users import make_user

ORIGIN = "https://chat.example"


def _asked(settings, *origins: str, by: str = ORIGIN) -> str | None:
    app = create_app(replace(settings, cors_origins=origins))
    try:
        answer = app.test_client().get("/healthz", headers={"Origin": by})
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


@pytest.mark.parametrize("wrong", [f"{ORIGIN}/", "chat.example", f"{ORIGIN}/app"])
def test_what_no_browser_sends_stops_the_start(settings, wrong):
    """It would match nothing, and the operator's page would be refused without a word."""
    with pytest.raises(SettingsError, match=r"CORS_ORIGINS has .*scheme and a host"):
        create_app(replace(settings, cors_origins=("https://other.example", wrong)))


@pytest.mark.parametrize(
    "named", ["*", r"https://.*\.example", "https://CHAT.example", "https?://chat.example"]
)
def test_patterns_are_let_through(settings, named):
    """As Flask-CORS has them."""
    assert _asked(settings, named) in {ORIGIN, "*"}


@pytest.mark.parametrize("named", ["null", "file://", "capacitor://localhost"])
def test_pages_of_apps_can_be_named(settings, named):
    """Their origin has no host, or no web server's scheme."""
    assert _asked(settings, named, by=named) == named


@pytest.mark.usefixtures("app")  # it makes the tables
def test_a_page_sees_what_clients_go_by(settings):
    """The official clients' headers too: a browser hides what is not named."""
    app = create_app(replace(settings, cors_origins=(ORIGIN,)))
    try:
        robot = make_user(app, "Robot", requests_per_minute=5)
        answer = robot.post("/v1/messages", json={}, headers={"Origin": ORIGIN})
    finally:
        app.extensions["larder_shutdown"](0.0)
    shown = set(answer.headers["Access-Control-Expose-Headers"].lower().split(", "))
    sent = {name.lower() for name, _ in answer.headers}

    told = ("request-id", "x-request-id", "x-larder-", "x-ratelimit-", "anthropic-ratelimit-")
    wanted = {name for name in sent if name.startswith(told)}
    assert {"request-id", "x-larder-error-code"} < wanted
    assert len([name for name in wanted if "ratelimit" in name]) == 6
    assert wanted <= shown


def test_a_page_sees_what_the_document_names(settings):
    """That a write was done before, and a download's name: `Cache-Control` is shown anyway."""
    app = create_app(replace(settings, cors_origins=(ORIGIN,)))
    try:
        answer = app.test_client().get("/api/openapi.json", headers={"Origin": ORIGIN})
    finally:
        app.extensions["larder_shutdown"](0.0)
    shown = set(answer.headers["Access-Control-Expose-Headers"].split(", "))

    assert {"Idempotent-Replayed", "Content-Disposition"} < shown
    assert set(answer.get_json()["components"]["headers"]) <= shown
