"""`/api/conversations` as clients meet it."""

import pytest

PATH = "/api/conversations"


def test_a_new_conversation_is_in_the_next_list(alice):
    """The promise: a read after an acknowledged write has it, on a cache that was warm."""
    alice.get(PATH)
    before = alice.get(PATH)

    made = alice.post(PATH, json={"title": "Talk", "model": "demo/echo"})
    after = alice.get(PATH)

    assert before.headers["Cache-Status"].startswith("larder; hit")
    assert made.status_code == 201
    assert after.json["items"] == [made.json]
    assert "fwd=miss" in after.headers["Cache-Status"]


def test_a_conversation_can_be_made_without_a_body(alice):
    """It takes its title from the first question."""
    made = alice.post(PATH)

    assert made.status_code == 201
    assert made.json["title"] == ""


def test_a_change_is_seen_with_the_etag_of_its_answer(alice):
    """A client need not read again what it has just written."""
    made = alice.post(PATH, json={"title": "Talk"}).json
    path = f"{PATH}/{made['id']}"
    alice.get(path)

    changed = alice.patch(path, json={"title": "Chat", "pinned": True, "archived": True})
    read = alice.get(path)

    assert (read.json["title"], read.json["pinned"], read.json["archived"]) == ("Chat", True, True)
    assert read.headers["ETag"] == changed.headers["ETag"]


def test_a_change_of_another_version_is_refused(alice):
    """`If-Match` protects against overwriting what one has not seen."""
    made = alice.post(PATH, json={"title": "Talk"})
    path = f"{PATH}/{made.json['id']}"
    seen = {"If-Match": made.headers["ETag"]}

    first = alice.patch(path, json={"title": "Chat"}, headers=seen)
    late = alice.patch(path, json={"title": "Chatter"}, headers=seen)
    deletion = alice.delete(path, headers=seen)

    assert [first.status_code, late.status_code, deletion.status_code] == [200, 412, 412]


def test_a_deleted_conversation_is_gone(alice):
    """It and its messages."""
    made = alice.post(PATH, json={"title": "Talk"}).json
    path = f"{PATH}/{made['id']}"

    deleted = alice.delete(path)

    assert deleted.status_code == 204
    assert alice.get(path).status_code == alice.get(f"{path}/messages").status_code == 404
    assert alice.delete(path).status_code == 404


def test_a_deleted_folder_leaves_or_takes_its_conversations(alice):
    """As the deletion says."""
    kept = alice.post("/api/folders", json={"name": "Kept"}).json["id"]
    cleared = alice.post("/api/folders", json={"name": "Cleared"}).json["id"]
    stays = alice.post(PATH, json={"title": "Stays", "folder_id": kept}).json["id"]
    goes = alice.post(PATH, json={"title": "Goes", "folder_id": cleared}).json["id"]

    alice.delete(f"/api/folders/{kept}")
    alice.delete(f"/api/folders/{cleared}?contents=delete")

    assert alice.get(f"{PATH}/{stays}").json["folder_id"] is None
    assert alice.get(f"{PATH}/{goes}").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": "x" * 501}, "title"),
        ({"title": 5}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"titel": "Talk"}, "titel"),
        ({"folder_id": "none"}, "folder_id"),
        ({"folder_id": []}, "folder_id"),
        ({"pinned": "yes"}, "pinned"),
        ({"archived": 1}, "archived"),
        ({"system_prompt": "x" * 100_001}, "system_prompt"),
        ({"model": ""}, "model"),
    ],
)
def test_a_wrong_field_is_named(alice, body, field):
    """Whoever made it can mend it."""
    answer = alice.post(PATH, json=body)

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=1e9", "limit"),
        ("cursor=abc", "cursor"),
        ("cursor=WyJmb2xkZXJzIixbXV0", "cursor"),
        ("cursor=WyJjb252ZXJzYXRpb25zIixbIjIwMjYtMDEtMDFUMDA6MDA6MDBaIiwiXHUwMDAwIl1d", "cursor"),
        ("cursor=WyJjb252ZXJzYXRpb25zIixbIjAwMDEtMDEtMDFUMDA6MDA6MDArMTQ6MDAiLCJ4Il1d", "cursor"),
        ("pinned=perhaps", "pinned"),
        ("sort=title", "sort"),
    ],
)
def test_a_wrong_parameter_is_named(alice, query, field):
    """Foreign and made-up cursors included, whatever stands in them."""
    answer = alice.get(f"{PATH}?{query}")

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]
