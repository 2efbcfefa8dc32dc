"""What an end point would not read is refused by name, not passed over."""

from io import BytesIO

import pytest


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("GET", "/api/me?verbose=1", "verbose"),
        ("GET", "/api/models/demo/echo?fields=id", "fields"),
        ("GET", "/api/cache/stats?reset=true", "reset"),
        ("GET", "/api/models?colour=red", "colour"),
        ("DELETE", "/api/providers/demo?force=true", "force"),
        ("POST", "/api/cache/stats/reset?namespace=models", "namespace"),
    ],
)
def test_a_parameter_that_is_none_is_named(admin, method, path, field):
    """Whoever mistypes a filter must not take the answer for a filtered one."""
    answer = admin.open(method, path)

    assert answer.status_code == 422
    assert answer.get_json()["errors"] == {field: ["Unknown field."]}


@pytest.mark.parametrize(
    ("content", "errors"),
    [
        ({"since": "2026-01-01"}, {"since": ["Unknown field."]}),
        (["models"], {"body": ["This takes none."]}),
        ("models", {"body": ["This takes none."]}),
    ],
)
def test_a_body_where_none_is_read_is_named(admin, content, errors):
    """It would be as if it had been obeyed."""
    answer = admin.post("/api/cache/stats/reset", json=content)

    assert answer.status_code == 422
    assert answer.get_json()["errors"] == errors


def test_a_chunked_body_is_one(admin):
    """It has no length to be seen by."""
    answer = admin.post(
        "/api/cache/stats/reset",
        input_stream=BytesIO(b'{"since": 1}'),
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert answer.get_json()["errors"] == {"since": ["Unknown field."]}


@pytest.mark.parametrize(
    "sent",
    [{}, {"json": {}}, {"data": b""}, {"data": b"", "content_type": "text/plain"}],
)
def test_an_empty_body_is_none(admin, sent):
    """Many clients send one with every POST."""
    assert admin.post("/api/cache/stats/reset", **sent).status_code == 204


def test_a_body_that_is_not_json_is_refused(admin):
    """As everywhere."""
    answer = admin.post("/api/cache/stats/reset", data=b"since=x", content_type="text/plain")

    assert answer.status_code == 415


def test_nothing_is_told_to_a_stranger(client):
    """The key is asked for first."""
    assert client.get("/api/me?verbose=1").status_code == 401


def test_clients_of_openai_may_send_what_they_like(app, admin):
    """There unknown things are passed on, or mean nothing."""
    assert admin.get("/v1/models?limit=1").status_code == 200


def test_an_answer_without_a_body_has_no_media_type(admin):
    """204 says that nothing comes."""
    answer = admin.post("/api/cache/stats/reset")

    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers
