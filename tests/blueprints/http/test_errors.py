"""Errors as clients see them, on an application whose views fail in every way."""

import io
from collections.abc import Iterator

import pytest
import structlog
from flask import Flask, Response, abort, redirect
from flask.testing import FlaskClient

from blueprints.http.errors import STATUS, register_errors, status_of
from blueprints.http.requests import register_request_hooks
from services import errors


class DatabaseAway(Exception):
    """What a database layer raises."""


FAULTS: dict[str, Exception] = {
    "unauthenticated": errors.Unauthenticated("Send a key.", code="no_key"),
    "invalid": errors.Invalid({"name": ["Too long."], "items.0": ["No."]}),
    "limited": errors.RateLimited("Later.", retry_after_s=2.6),
    "limited-past": errors.RateLimited("Now.", retry_after_s=-1.0),
    "upstream": errors.UpstreamFailed("Busy.", code="provider_timeout", retryable=True),
    "database": DatabaseAway("password=hunter2"),
    "bug": KeyError("secret-of-the-house"),
}


def _plain(status, detail, code, fault):
    return Response(f"{status} {code} {type(fault).__name__}: {detail}", status=status)


@pytest.fixture
def client(app) -> FlaskClient:
    """A client of views that fail; `app` is there for what the hooks count."""
    failing = Flask(__name__)
    failing.extensions.update(app.extensions)

    @failing.get("/fail/<name>")
    @failing.get("/plain/<name>", endpoint="plain")
    def fail(name):
        raise FAULTS[name]

    @failing.get("/elsewhere")
    def elsewhere():
        return redirect("/there")

    @failing.get("/abort/<int:status>")
    def stop(status):
        abort(status)

    register_request_hooks(failing)
    register_errors(failing, (DatabaseAway,), {"/plain": _plain})
    return failing.test_client()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged in the meantime."""
    before = structlog.get_config()
    lines = io.StringIO()
    structlog.configure(
        processors=[
            structlog.processors.format_exc_info, structlog.processors.JSONRenderer()
        ],
        logger_factory=structlog.WriteLoggerFactory(lines),
    )  # fmt: skip
    yield lines
    structlog.configure(**before)


def _kinds(kind):
    return [each for below in kind.__subclasses__() for each in (below, *_kinds(below))]


@pytest.mark.parametrize("kind", _kinds(errors.LarderError))
def test_every_error_of_services_has_a_status(kind):
    """A new one without a line in the table would be an internal error."""
    assert kind in STATUS
    assert 400 <= STATUS[kind][0] <= 503


def test_a_kind_of_an_error_has_its_status():
    """Services may be more exact than the table."""

    class KeyMissing(errors.NotFound):
        """A narrower fact."""

    assert status_of(KeyMissing("No key.")) == (404, "Not found")


def test_an_error_without_a_place_in_the_table_is_ours():
    """It is not the caller's fault."""
    assert status_of(errors.LarderError("?"))[0] == 500


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("provider_timeout", 504),
        ("provider_rate_limited", 429),
        ("provider_rejected", 400),
        ("provider_unauthenticated", 502),
        ("provider_broken", 502),
    ],
)
def test_a_provider_that_refuses_our_key_is_not_the_callers_401(code, status):
    """Clients would throw their own key away."""
    fault = errors.UpstreamFailed("x", code=code, retryable=False, status=401)

    assert status_of(fault)[0] == status


def test_a_shutdown_is_not_titled_as_the_providers_failure():
    """An answer can end so before its first token as well."""
    fault = errors.UpstreamFailed("x", code="server_shutdown", retryable=True)

    assert status_of(fault) == (503, "Server shutting down")


def test_an_error_is_a_problem_document(client):
    """RFC 9457, with a code for programs and the id that finds it in the logs."""
    answer = client.get("/fail/invalid")

    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json() == {
        "type": "urn:larder:problem:invalid",
        "title": "Invalid request",
        "status": 422,
        "detail": "Some fields are not as they must be.",
        "code": "invalid",
        "errors": {"name": ["Too long."], "items.0": ["No."]},
        "request_id": answer.headers["X-Request-Id"],
    }


def test_whoever_has_no_key_is_told_how(client):
    """RFC 9110, 11.6.1."""
    answer = client.get("/fail/unauthenticated")

    assert (answer.status_code, answer.get_json()["code"]) == (401, "no_key")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("name", "after"), [("limited", "3"), ("limited-past", "0")])
def test_whoever_is_too_fast_is_told_when(client, name, after):
    """In whole seconds, never less than none."""
    assert client.get(f"/fail/{name}").headers["Retry-After"] == after


def test_a_providers_failure_says_whether_again_helps(client):
    """A program need not guess."""
    answer = client.get("/fail/upstream")

    assert (answer.status_code, answer.get_json()["retryable"]) == (504, True)


def test_a_database_that_is_away_is_a_503(client, log):
    """The caller learns that it passes; the reason stands in the log only."""
    answer = client.get("/fail/database")

    assert (answer.status_code, answer.get_json()["code"]) == (503, "database_unavailable")
    assert "hunter2" not in answer.text
    assert "DatabaseAway" in log.getvalue()


def test_a_mistake_of_ours_shows_nothing_of_us(client, log):
    """Its traceback is for the log."""
    answer = client.get("/fail/bug")

    assert (answer.status_code, answer.get_json()["code"]) == (500, "internal_error")
    assert "secret-of-the-house" not in answer.text
    assert "secret-of-the-house" in log.getvalue()


@pytest.mark.parametrize("status", [400, 404, 405, 408, 413, 415, 429, 503])
def test_the_frameworks_errors_look_like_ours(client, status):
    """A client has one form to read."""
    answer = client.get(f"/abort/{status}")

    assert answer.status_code == answer.get_json()["status"] == status
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json()["code"].replace("_", "").isalpha()


def test_a_wrong_method_is_told_with_the_right_ones(client):
    """RFC 9110, 15.5.6."""
    answer = client.delete("/fail/bug")

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_a_redirect_is_no_error(client):
    """It goes on as it is."""
    assert client.get("/elsewhere").status_code == 302


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("upstream", "504 provider_timeout UpstreamFailed: Busy."),
        ("database", "503 database_unavailable NoneType: The database did not answer."),
    ],
)
def test_a_part_of_the_paths_may_have_another_shape(client, log, name, text):
    """OpenAI's clients read OpenAI's errors, also of what is not a service's."""
    assert client.get(f"/plain/{name}").text == text
