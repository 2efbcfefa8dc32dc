"""`/api/files` as clients meet it."""

import io
from dataclasses import replace

import pytest

from services.files import FORM_BYTES
from tests.factories.files import make_file

PATH = "/api/files"
LIMIT = 2000


@pytest.fixture
def settings(settings):
    """Small files, so that large ones are quickly made; JSON bodies are smaller still."""
    return replace(settings, max_file_bytes=LIMIT, max_body_bytes=1024)


def _content(client, made):
    return client.get(f"{PATH}/{made.json['id']}/content")


def test_a_file_comes_back_as_it_was_sent(alice):
    """Byte for byte, whatever the bytes."""
    content = bytes(range(256))

    made = make_file(alice, content, "all.bin", "application/x-test")

    assert made.status_code == 201
    assert made.json["size_bytes"] == 256
    assert made.json["media_type"] == "application/x-test"
    assert _content(alice, made).data == content


def test_a_new_file_is_in_the_next_list(alice):
    """The promise of the namespace `files`."""
    alice.get(PATH)
    warm = alice.get(PATH)

    made = make_file(alice)
    after = alice.get(PATH)

    assert warm.headers["Cache-Status"].startswith("larder; hit")
    assert "fwd=miss" in after.headers["Cache-Status"]
    assert after.json["items"] == [made.json]


def test_a_deleted_file_is_gone(alice):
    """Its warm entries with it."""
    path = f"{PATH}/{make_file(alice).json['id']}"
    alice.get(path)
    warm = alice.get(path)

    deleted = alice.delete(path, headers={"If-Match": warm.headers["ETag"]})

    assert warm.headers["Cache-Status"].startswith("larder; hit")
    assert deleted.status_code == 204
    assert [alice.get(each).status_code for each in (path, f"{path}/content")] == [404, 404]
    assert alice.get(PATH).json["items"] == []


def test_somebody_elses_file_is_not_there(alice, bob):
    """Neither listed nor shown nor given nor deleted."""
    path = f"{PATH}/{make_file(alice).json['id']}"

    assert bob.get(PATH).json["items"] == []
    assert bob.get(path).status_code == 404
    assert bob.get(f"{path}/content").status_code == 404
    assert bob.delete(path).status_code == 404


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/javascript"])
def test_what_somebody_uploaded_is_saved_and_never_run(alice, kind):
    """A page from our own address could act with the reader's rights."""
    headers = _content(alice, make_file(alice, b"<script>", "a.html", kind)).headers

    assert headers["Content-Disposition"].startswith("attachment;")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert headers["Cache-Control"] == "private, no-cache"


def test_a_name_of_any_script_reaches_the_browser(alice):
    """RFC 6266: one name for old clients, one for all."""
    made = make_file(alice, name="Überblick 'a; b'.txt")

    disposition = _content(alice, made).headers["Content-Disposition"]

    assert made.json["name"] == "Überblick 'a; b'.txt"
    assert disposition == (
        "attachment; filename=\"_berblick 'a; b'.txt\"; "
        "filename*=UTF-8''%C3%9Cberblick%20%27a%3B%20b%27.txt"
    )


def test_an_unchanged_content_is_not_sent_twice(alice):
    """The bytes never change, so their hash is the ETag."""
    made = make_file(alice)
    path = f"{PATH}/{made.json['id']}/content"
    first = alice.get(path)

    again = alice.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert again.status_code == 304
    assert again.data == b""


@pytest.mark.parametrize(
    ("size", "status"), [(LIMIT, 201), (LIMIT + 1, 413), (LIMIT + FORM_BYTES + 1, 413)]
)
def test_a_file_over_the_limit_is_refused(alice, size, status):
    """By its own size, and by the size of the form, before it is read."""
    answer = make_file(alice, b"x" * size)

    assert answer.status_code == status
    assert answer.status_code == 201 or answer.content_type == "application/problem+json"


def test_a_repeated_upload_is_the_same_file(alice):
    """Each form has another boundary; what counts is what is in it."""
    once = {"headers": {"Idempotency-Key": "one"}}
    first = make_file(alice, **once)

    again = make_file(alice, **once)
    other = make_file(alice, b"other", **once)

    assert again.json == first.json
    assert other.status_code == 422
    assert len(alice.get(PATH).json["items"]) == 1


@pytest.mark.parametrize(
    ("form", "status", "field"),
    [
        ({"data": {}, "content_type": "multipart/form-data"}, 422, "file"),
        ({"data": {"file": "text"}, "content_type": "multipart/form-data"}, 422, "file"),
        ({"data": {"other": (io.BytesIO(b"x"), "a.txt")}}, 422, "other"),
        ({"data": {"file": [(io.BytesIO(b"x"), "a"), (io.BytesIO(b"y"), "b")]}}, 422, "file"),
        ({"data": b"no form", "content_type": "multipart/form-data"}, 422, "file"),
        ({"data": b"no form", "content_type": "multipart/form-data; boundary=x"}, 422, "file"),
        ({"json": {"file": "x"}}, 415, None),
        ({"data": b"x"}, 415, None),
    ],
)
def test_what_is_no_file_is_refused(alice, form, status, field):
    """A 4xx that says what to send."""
    answer = alice.post(PATH, **form)

    assert answer.status_code == status
    assert field is None or field in answer.json["errors"]


def test_pages_follow_one_another(alice):
    """Every file is on exactly one page, the newest first."""
    made = [make_file(alice, name=f"{number}.txt").json["id"] for number in range(3)]
    first = alice.get(PATH, query_string={"limit": 2}).json

    second = alice.get(PATH, query_string={"limit": 2, "cursor": first["next_cursor"]}).json

    assert [each["id"] for each in first["items"] + second["items"]] == made[::-1]
