"""What no client should send: each a 4xx that names what is wrong, and nothing is changed."""

from typing import Any

import pytest

from tests.doubles.api_client import Answer, ApiClient

CHAT = {"model": "demo/echo", "messages": [{"role": "user", "content": "x"}]}
NEVER = "01890000-0000-7000-8000-000000000000"
LISTS = (
    "/api/models",
    "/api/providers",
    "/api/folders",
    "/api/conversations",
    "/api/costs/records",
    "/api/keys",
    "/api/users",
    "/api/workspaces",
    "/api/audit-logs",
    "/api/files",
    "/api/streams",
    "/api/cache/namespaces/conversations/keys",
)
WRITES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/api/folders", {"name": "Trips"}),
    ("/api/conversations", {"title": "Trip"}),
    ("/api/keys", {"name": "Key"}),
    ("/api/users", {"name": "Carol"}),
    ("/api/workspaces", {"name": "Team"}),
    ("/api/providers", {"id": "acme", "wire_format": "openai", "base_url": "http://127.0.0.1:9"}),
    ("/api/models", {"id": "demo/other"}),
    ("/api/costs/budgets", {"subject": "user"}),
    ("/api/cache/warm", {"strategies": []}),
)


def _problem(answer: Answer, *statuses: int) -> dict[str, Any]:
    """The error's body, once it is seen to be one."""
    assert answer.status_code in statuses, answer.get_data(as_text=True)
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem: dict[str, Any] = answer.get_json()
    assert problem["status"] == answer.status_code
    assert problem["code"]
    assert problem["detail"]
    assert "Traceback" not in answer.get_data(as_text=True)
    return problem


@pytest.mark.parametrize("path", [path for path, _ in WRITES])
@pytest.mark.parametrize(
    "raw",
    [b"{", b'{"name": NaN}', b"\xff\xfe", b"[" * 100_000, b'"text"', b"null", b"[]", b"7"],
)
def test_what_is_no_object_is_refused(admin: ApiClient, path, raw):
    """Malformed, too deep, not UTF-8, or JSON of another kind."""
    answer = admin.post(path, data=raw, content_type="application/json")

    _problem(answer, 400, 422)


@pytest.mark.parametrize(("path", "body"), WRITES)
def test_an_unknown_field_is_named(admin: ApiClient, path, body):
    """A mistyped name must not be passed over."""
    answer = admin.post(path, json={**body, "colour_of_money": 1})

    assert "colour_of_money" in _problem(answer, 422)["errors"]


@pytest.mark.parametrize(
    ("path", "body"), [(path, body) for path, body in WRITES if path != "/api/cache/warm"]
)
@pytest.mark.parametrize("value", [7, True, None, ["x"], {"x": 1}])
def test_a_wrong_type_is_named(admin: ApiClient, path, body, value):
    """Nothing is turned into text silently."""
    field = next(iter(body))
    answer = admin.post(path, json={**body, field: value})

    if answer.status_code != 201:  # a title may be null
        assert field in _problem(answer, 422)["errors"]
    else:
        assert (field, value) == ("title", None)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["-1", "0", "201", "9" * 30, "ten", "1.5", ""])
def test_an_impossible_limit_is_named(admin: ApiClient, path, limit):
    """Neither everything at once nor a server error."""
    answer = admin.get(path, query_string={"limit": limit})

    assert "limit" in _problem(answer, 422)["errors"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("cursor", ["x", "-1", "AAAA", "é", "%00", "a" * 5000])
def test_a_made_up_cursor_is_named(admin: ApiClient, path, cursor):
    """A cursor is a server's word, and no other is taken."""
    answer = admin.get(path, query_string={"cursor": cursor})

    assert "cursor" in _problem(answer, 422)["errors"]


@pytest.mark.parametrize("path", [each for each in LISTS if each != "/api/models"])
def test_another_lists_cursor_is_named(admin: ApiClient, provided, path):
    """It would otherwise lead somewhere into the middle."""
    foreign = admin.get("/api/models", query_string={"limit": 1}).get_json()["next_cursor"]
    answer = admin.get(path, query_string={"cursor": foreign})

    assert foreign
    assert "cursor" in _problem(answer, 422)["errors"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/models/no/such",
        "/api/providers/none",
        f"/api/conversations/{NEVER}",
        f"/api/conversations/{NEVER}/messages",
        f"/api/conversations/{NEVER}/export",
        f"/api/streams/{NEVER}",
        f"/api/users/{NEVER}",
        f"/api/workspaces/{NEVER}",
        f"/api/files/{NEVER}",
        f"/api/cache/warm/{NEVER}",
        "/api/cache/namespaces/nothing",
        "/api/conversations/../../etc/passwd",
        "/api/files/%2e%2e%2fsecret",
        "/api/conversations/%00",
        "/api/conversations/" + "a" * 5000,
    ],
)
def test_an_unknown_id_is_a_404(admin: ApiClient, path):
    """Whatever it looks like."""
    _problem(admin.get(path), 404)


def test_another_persons_ids_are_unknown_ones(alice: ApiClient, bob: ApiClient):
    """They cannot be told from ids that never were, in any of the verbs."""
    folder = alice.post("/api/folders", json={"name": "Trips"}).get_json()["id"]
    chat = alice.post("/api/conversations", json={"folder_id": folder}).get_json()["id"]
    path = f"/api/conversations/{chat}"

    tries = [
        bob.get(path),
        bob.patch(path, json={"title": "Mine"}),
        bob.delete(path),
        bob.get(f"{path}/messages"),
        bob.post(f"{path}/messages", json={"content": "x", "model": "demo/echo"}),
        bob.get(f"{path}/export"),
        bob.patch(f"/api/folders/{folder}", json={"name": "Mine"}),
        bob.delete(f"/api/folders/{folder}"),
    ]

    assert [each.status_code for each in tries] == [404] * len(tries)
    assert alice.get(path).status_code == 200
    refused = bob.post("/api/conversations", json={"folder_id": folder})
    assert "folder_id" in _problem(refused, 422)["errors"]


@pytest.mark.parametrize("field", ["content", "model"])
def test_a_message_of_ten_megabytes_is_refused(alice: ApiClient, field):
    """Before it is taken apart, and nothing of it is kept."""
    chat = alice.post("/api/conversations", json={}).get_json()["id"]
    path = f"/api/conversations/{chat}/messages"
    body = {"content": "x", "model": "demo/echo", field: "x" * 10_000_000}
    answer = alice.post(path, json=body)

    _problem(answer, 413, 422)
    assert alice.get(path).get_json()["items"] == []


@pytest.mark.parametrize("text", ["a\x00b", "\x1b[31m", "a\x08"])
@pytest.mark.parametrize(
    ("path", "field"),
    [("/api/folders", "name"), ("/api/conversations", "title"), ("/api/keys", "name")],
)
def test_control_characters_are_named(alice: ApiClient, path, field, text):
    """They are no part of a name, and some databases cannot hold them."""
    answer = alice.post(path, json={field: text})

    assert field in _problem(answer, 422)["errors"]


def test_half_a_character_is_refused(alice: ApiClient):
    """JSON can name a lone surrogate, which is no text."""
    answer = alice.post(
        "/api/folders", data=rb'{"name": "a\ud800"}', content_type="application/json"
    )

    _problem(answer, 400, 422)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"model": "demo/echo"}', 400),
        (b'{"messages": [{"role": "user", "content": "x"}]}', 400),
        (b'{"model": 7, "messages": []}', 400),
        (b'{"model": "no/such", "messages": [{"role": "user", "content": "x"}]}', 404),
    ],
)
def test_openais_errors_are_in_openais_form(alice: ApiClient, raw, status):
    """Official clients read them."""
    answer = alice.post("/v1/chat/completions", data=raw, content_type="application/json")

    error = answer.get_json()["error"]
    assert answer.status_code == status
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]


def test_a_completion_of_ten_megabytes_is_refused(alice: ApiClient):
    """In OpenAI's form."""
    answer = alice.post(
        "/v1/chat/completions",
        json={**CHAT, "messages": [{"role": "user", "content": "x" * 10_000_000}]},
    )

    assert answer.status_code in {400, 413}
    assert answer.get_json()["error"]["message"]


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data"])
def test_another_media_type_is_refused(alice: ApiClient, kind):
    """JSON is spoken here."""
    answer = alice.post("/api/folders", data=b'{"name": "x"}', content_type=kind)

    _problem(answer, 400, 415, 422)


@pytest.mark.parametrize("verb", ["post", "put", "delete", "patch"])
def test_a_verb_that_is_not_there_is_a_405(alice: ApiClient, verb):
    """With the ones that are."""
    answer = getattr(alice, verb)("/api/me")

    _problem(answer, 405)
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/embeddings"])
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"model": NaN}',
        b'{"model": 7, "messages": [], "input": 7, "max_tokens": true}',
        b'{"model": "demo/echo", "max_tokens": 9, "input": {}, "messages": [{"role": "user"}]}',
        (
            b'{"model": "demo/echo", "max_tokens": 9, "input": [{}],'
            b' "messages": [{"role": "user", "content": [[]]}]}'
        ),
        (
            b'{"model": "demo/echo", "max_tokens": 9, "input": [null], "tools": [{"name": 1}],'
            b' "messages": [{"role": "user", "content": "x"}]}'
        ),
        (
            b'{"model": "demo/echo", "max_tokens": 9, "input": "", "tool_choice": {"type": []},'
            b' "messages": [{"role": "user", "content": "x"}]}'
        ),
    ],
)
def test_other_formats_refuse_bad_input_in_words(alice: ApiClient, path, raw):
    """Whatever is sent, a 4xx in the end point's own shape, and nothing is booked."""
    answer = alice.post(path, data=raw, content_type="application/json")

    assert 400 <= answer.status_code < 500
    assert answer.get_json()["error"]["message"]
    assert "Traceback" not in answer.get_data(as_text=True)
    assert alice.get("/api/costs/records").get_json()["items"] == []
