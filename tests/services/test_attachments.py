"""Files of a message as providers read them."""

from dataclasses import replace

import pytest

from cache.scopes import UserId
from services import attachments
from services.errors import TooLarge
from tests.factories.files import make_file

LIMIT = 300_000
SIZE = LIMIT // 3


@pytest.fixture
def settings(settings):
    """Prompts that have room for three files."""
    return replace(settings, max_file_bytes=LIMIT)


def _parts(app, client, *made):
    with app.app_context():
        return attachments.parts(UserId(client.user_id), [each.json["id"] for each in made])


def test_a_text_is_shown_and_an_image_inline(app, alice):
    """In the order they were named."""
    text = make_file(alice, b"hello", "a.txt", "text/plain")
    image = make_file(alice, b"\x89PNG", "a.png", "image/png")

    shown = _parts(app, alice, image, text)

    assert shown[0]["image_url"]["url"] == "data:image/png;base64,iVBORw=="
    assert shown[1] == {"type": "text", "text": "File a.txt:\nhello"}


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("image/jpg", {"url": "data:image/jpeg;base64,PHN2Zz4="}),
        ("image/webp", {"url": "data:image/webp;base64,PHN2Zz4="}),
        ("image/svg+xml", "File a:\n<svg>"),
        ("image/tiff", "(A file a of type image/tiff, not shown.)"),
        ("application/pdf", "(A file a of type application/pdf, not shown.)"),
    ],
)
def test_an_image_is_shown_only_where_providers_take_it(app, alice, kind, shown):
    """A refused one would be sent, and refused, with each later question as well."""
    (part,) = _parts(app, alice, make_file(alice, b"<svg>", "a", kind))

    assert part[part["type"]] == shown


@pytest.mark.parametrize(
    ("size", "title"),
    [
        (attachments.MAX_TEXT_BYTES, ""),
        (attachments.MAX_TEXT_BYTES + 1, " (its first 262144 of 262145 bytes)"),
    ],
)
def test_a_text_that_is_cut_says_so(app, alice, size, title):
    """A model would take the beginning for the whole."""
    (part,) = _parts(app, alice, make_file(alice, b"x" * size, "a.txt", "text/plain"))

    assert part["text"] == f"File a.txt{title}:\n{'x' * attachments.MAX_TEXT_BYTES}"


def test_a_conversation_outlives_its_files(alice):
    """A deleted file must not keep its owner from going on."""
    file_id = make_file(alice).json["id"]
    path = f"/api/conversations/{alice.post('/api/conversations', json={}).json['id']}/messages"
    question = {"content": "hello", "model": "demo/echo", "stream": False}
    alice.post(path, json={**question, "file_ids": [file_id]})
    alice.delete(f"/api/files/{file_id}")
    leaf = alice.get(path).json["items"][-1]["id"]

    later = alice.post(path, json={**question, "parent_id": leaf})
    attached = alice.post(path, json={**question, "file_ids": [file_id]})

    assert later.status_code == 200
    assert attached.status_code == 422
    assert list(attached.json["errors"]) == ["file_ids"]


def test_somebody_elses_file_cannot_be_attached(alice, bob):
    """A model's answer would tell what is in it."""
    file_id = make_file(alice).json["id"]
    path = f"/api/conversations/{bob.post('/api/conversations', json={}).json['id']}/messages"

    answer = bob.post(path, json={"content": "x", "model": "demo/echo", "file_ids": [file_id]})

    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("kind", "times", "is_refused"),
    [("image/png", 3, False), ("image/png", 4, True), ("text/plain", 9, False)],
)
def test_files_count_as_often_as_they_are_sent(app, alice, monkeypatch, kind, times, is_refused):
    """A picture that is named twenty times a message is twenty pictures in the worker's memory."""
    monkeypatch.setattr(attachments, "MAX_PROMPT_BYTES", LIMIT)
    monkeypatch.setattr(attachments, "MAX_TEXT_BYTES", 10)
    file_id = make_file(alice, b"x" * SIZE, "a", kind).json["id"]

    with app.app_context():
        refused = None
        try:
            attachments.check_size(UserId(alice.user_id), [file_id] * times)
        except TooLarge as fault:
            refused = fault.code

    assert refused == ("files_too_large" if is_refused else None)


def test_a_question_with_too_many_files_is_refused_before_it_is_kept(alice, monkeypatch):
    """What led to it counts as well."""
    monkeypatch.setattr(attachments, "MAX_PROMPT_BYTES", LIMIT)
    file_id = make_file(alice, b"x" * SIZE, "a", "image/png").json["id"]
    path = "/api/conversations"
    thread = alice.post(path, json={"model": "demo/echo"}).json["id"]
    asked = {"content": "look", "file_ids": [file_id], "stream": False}

    answers = [alice.post(f"{path}/{thread}/messages", json=asked) for _ in range(4)]

    assert [each.status_code for each in answers] == [200, 200, 200, 413]
    assert answers[-1].json["code"] == "files_too_large"
    assert len(alice.get(f"{path}/{thread}/messages").json["items"]) == 6
