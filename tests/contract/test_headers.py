"""What real answers are made of, headers and media types, stands in the OpenAPI document."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from services import readiness
from tests.factories.users import make_user

OURS = ("x-request-id", "request-id", "x-larder-", "x-ratelimit-", "anthropic-ratelimit-")
NAMED = {"etag", "cache-status", "retry-after", "idempotent-replayed"}
QUESTION = {"model": "demo/echo", "messages": [{"role": "user", "content": "Sea"}]}
MESSAGE = {**QUESTION, "max_tokens": 9}
KEYED = {"Idempotency-Key": "k"}


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = client.get("/api/openapi.json").get_json()
    return found


def _headers(document: dict[str, Any], path: str, method: str) -> set[str]:
    told = document["paths"][path][method].get("parameters", [])
    return {each["name"] for each in told if each.get("in") == "header"}


def _must_be_declared(document: dict[str, Any], path: str, answer: Any) -> None:
    method, status = answer.request.method.lower(), str(answer.status_code)
    answers = document["paths"][path][method]["responses"]
    told = answers[status if status in answers or status < "4" else f"{status[0]}XX"]
    if "$ref" in told:
        told = document["components"]["responses"][told["$ref"].split("/")[-1]]
    sent = {name.lower() for name, _ in answer.headers}
    wanted = {name for name in sent if name.startswith(OURS) or name in NAMED}
    declared = {name.lower() for name in told.get("headers", {})}
    assert wanted <= declared
    always = {
        name.lower()
        for name, ref in told.get("headers", {}).items()
        if document["components"]["headers"][ref["$ref"].split("/")[-1]]["required"]
    }
    assert always <= sent
    if answer.mimetype and "content" in told:
        assert answer.mimetype in told["content"]


@pytest.mark.parametrize(
    ("path", "method", "header", "status"),
    [
        ("/api/users/{user_id}", "patch", "If-Match", "412"),
        ("/api/conversations/{conversation_id}", "delete", "If-Match", "412"),
        ("/api/costs/pricing/{model_id}", "put", "If-Match", "412"),
        ("/api/folders", "get", "If-None-Match", "304"),
        ("/api/folders", "get", "Cache-Control", "304"),
        ("/api/files/{file_id}/content", "get", "If-None-Match", "304"),
        ("/api/streams/{stream_id}", "get", "Last-Event-ID", "204"),
        ("/v1/models", "get", "anthropic-version", "200"),
        ("/v1/models/{model_id}", "get", "anthropic-version", "200"),
        ("/api/conversations", "post", "Idempotency-Key", "201"),
        ("/v1/chat/completions", "post", "Cache-Control", "200"),
        ("/v1/messages", "post", "Cache-Control", "200"),
        ("/v1/embeddings", "post", "Cache-Control", "200"),
        ("/api/conversations/{conversation_id}/messages", "post", "Cache-Control", "200"),
    ],
)
def test_a_header_that_is_read_is_named(document, path, method, header, status):
    """With the answer that it brings."""
    assert header in _headers(document, path, method)
    assert status in document["paths"][path][method]["responses"]


def test_no_header_is_named_where_nothing_reads_it(document):
    """A creation has no version to check, and an estimate is not cached."""
    assert _headers(document, "/api/conversations", "post") == {"Idempotency-Key"}
    assert _headers(document, "/v1/messages/count_tokens", "post") == set()
    assert _headers(document, "/healthz", "get") == set()


@pytest.mark.parametrize("is_streamed", [True, False])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", QUESTION),
        ("/v1/messages", MESSAGE),
        ("/api/conversations/{conversation_id}/messages", {"content": "Sea", "model": "demo/echo"}),
    ],
)
def test_an_answer_is_declared_streamed_or_not(app, document, path, body, is_streamed):
    """A repeat and a refusal as well, by a key that has limits."""
    robot = make_user(app, "Robot", requests_per_minute=4, tokens_per_minute=10**6)
    address = path.format(conversation_id=robot.post("/api/conversations", json={}).json["id"])
    asked = {**body, "stream": is_streamed}
    answers = [robot.post(address, json=asked, headers=KEYED) for _ in range(4)]

    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert (answers[0].mimetype == "text/event-stream") is is_streamed
    for each in answers:
        _must_be_declared(document, path, each)


def test_a_stream_that_is_read_on_is_declared(alice, document):
    """Its events, and that there are no more."""
    begun = alice.post("/v1/chat/completions", json={**QUESTION, "stream": True})
    address = f"/api/streams/{begun.headers['X-Larder-Stream-Id']}"
    length = begun.text.count("data: ")
    events = alice.get(address, headers={"Last-Event-ID": "0"})
    over = alice.get(address, headers={"Last-Event-ID": str(length + 9)})

    assert (events.mimetype, over.status_code) == ("text/event-stream", 204)
    for each in (events, over):
        _must_be_declared(document, "/api/streams/{stream_id}", each)


def test_conditional_reads_and_writes_are_declared(alice, document):
    """304 and 412 with what comes along."""
    made = alice.post("/api/conversations", json={})
    path, address = "/api/conversations/{conversation_id}", f"/api/conversations/{made.json['id']}"
    read = alice.get(address)
    again = alice.get(address, headers={"If-None-Match": read.headers["ETag"]})
    late = alice.patch(address, json={"title": "Sea"}, headers={"If-Match": '"old"'})

    assert [each.status_code for each in (read, again, late)] == [200, 304, 412]
    _must_be_declared(document, "/api/conversations", made)
    for each in (read, again, late):
        _must_be_declared(document, path, each)


@pytest.mark.parametrize("is_ready", [True, False])
def test_readiness_is_declared_either_way(client, document, monkeypatch, is_ready):
    """No problem document: a probe reads the same one."""
    monkeypatch.setattr(readiness, "database_answers", lambda: is_ready)
    answer = client.get("/readyz")

    assert (answer.status_code, answer.mimetype) == (200 if is_ready else 503, "application/json")
    _must_be_declared(document, "/readyz", answer)


@pytest.mark.parametrize("headers", [{}, {"anthropic-version": "2023-06-01"}])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/{model_id}"])
def test_models_are_declared_in_either_shape(alice, document, path, headers):
    """One path, two clients."""
    for model in ("demo/echo", "nothing"):
        answer = alice.get(path.format(model_id=model), headers=headers)
        _must_be_declared(document, path, answer)


def test_a_failed_answer_says_whether_to_come_again(document):
    """Before its first token it is a problem document like any other."""
    told = document["components"]["schemas"]["Problem"]["properties"]["retryable"]

    assert told["type"] == "boolean"
