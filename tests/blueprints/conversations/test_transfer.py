"""Exports and imports as clients meet them."""

import pytest

from tests.factories.chatgpt import make_chatgpt
from tests.factories.conversations import make_conversation

IMPORT = "/api/conversations/import"


def make_export(app, client, title: str = "Sea & sun") -> str:
    """The path of the export of a new conversation."""
    with app.app_context():
        thread = make_conversation(client.user_id, title, ["Why?"])
    return f"/api/conversations/{thread}/export"


def test_a_download_has_a_name_and_is_kept_nowhere(app, alice):
    """What is private is not left in a browser's cache."""
    answer = alice.get(make_export(app, alice, 'Ça/va "x"\n..\\'))

    disposition = answer.headers["Content-Disposition"]
    assert disposition == (
        "attachment; filename=\"_a va x.json\"; filename*=UTF-8''%C3%87a%20va%20x.json"
    )
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.json["format"] == "larder.conversation"


def test_markdown_is_text(app, alice):
    """To be read anywhere."""
    answer = alice.get(make_export(app, alice), query_string={"format": "markdown"})

    assert answer.content_type == "text/markdown; charset=utf-8"
    assert answer.text.startswith("# Sea & sun\n")
    assert 'filename="Sea sun.md"' in answer.headers["Content-Disposition"]


def test_an_export_can_be_sent_back_as_it_is(app, alice, bob):
    """By the same person or another."""
    exported = alice.get(make_export(app, alice))

    made = bob.post(IMPORT, data=exported.data, content_type="application/json")

    assert made.status_code == 201
    assert [each["title"] for each in made.json["items"]] == ["Sea & sun"]
    assert bob.get("/api/conversations").json["items"] == made.json["items"]


def test_chatgpts_file_can_be_sent_as_it_is(alice):
    """A list of conversations."""
    made = alice.post(IMPORT, json=[make_chatgpt(), make_chatgpt(title=None)])

    assert made.status_code == 201
    assert [each["title"] for each in made.json["items"]] == ["The sea", ""]


def test_one_fault_and_nothing_is_imported(alice):
    """All or none, and the fault is named by its place."""
    wrong = {"id": "a", "role": "user", "content": 5}

    answer = alice.post(IMPORT, json=[{"messages": []}, {"messages": [wrong]}])

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == ["conversations.1.messages.0.content"]
    assert alice.get("/api/conversations").json["items"] == []


def test_a_repeated_import_is_made_once(alice):
    """A client that lost the answer can ask again."""
    headers = {"Idempotency-Key": "import-1"}

    first = alice.post(IMPORT, json=make_chatgpt(), headers=headers)
    again = alice.post(IMPORT, json=make_chatgpt(), headers=headers)

    assert first.json == again.json
    assert len(alice.get("/api/conversations").json["items"]) == 1


@pytest.mark.parametrize(
    ("size", "status"), [(10 * 2**20, 201), (22 * 2**20, 413)], ids=["a file", "too large"]
)
def test_an_import_may_be_as_large_as_a_file(alice, size, status):
    """Exports are larger than messages."""
    said = [
        {"id": str(at), "role": "user", "content": "x y " * 200_000}
        for at in range(size // 800_000)
    ]

    answer = alice.post(IMPORT, json={"messages": said})

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{}", 422),
        (b"[]", 422),
        (b"[null]", 422),
        (b'{"mapping": 5}', 422),
        (b'{"messages": {}}', 422),
        (b'"x"', 422),
        (b"{", 400),
        (b"[" * 5000, 400),
        (b"[" * 930 + b"]" * 930, 400),
        (b'{"messages": [{"tool_calls": [{"a":' + b"[" * 930 + b"]" * 930 + b"}]}]}", 400),
        (b"\xff", 400),
    ],
)
def test_what_is_no_import_is_refused(alice, body, status):
    """Never a server error."""
    answer = alice.post(IMPORT, data=body, content_type="application/json")

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"


def test_a_form_that_is_none_is_named(app, alice):
    """There are two."""
    answer = alice.get(make_export(app, alice) + "?format=pdf")

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == ["format"]
