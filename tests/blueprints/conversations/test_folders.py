"""`/api/folders` as clients meet it."""


def test_a_new_folder_is_in_the_next_list(alice):
    """The promise: a read after an acknowledged write has it, on a cache that was warm."""
    alice.get("/api/folders")
    before = alice.get("/api/folders")

    made = alice.post("/api/folders", json={"name": "Trips"})
    after = alice.get("/api/folders")

    assert before.headers["Cache-Status"].startswith("larder; hit")
    assert made.status_code == 201
    assert [each["name"] for each in after.json["items"]] == ["Trips"]
    assert "fwd=miss" in after.headers["Cache-Status"]


def test_an_unchanged_list_is_not_sent_twice(alice):
    """A client that has the body already gets 304."""
    first = alice.get("/api/folders")

    again = alice.get("/api/folders", headers={"If-None-Match": first.headers["ETag"]})

    assert again.status_code == 304
    assert again.data == b""


def test_a_renamed_folder_is_seen_by_the_next_read(alice):
    """A write's answer carries the ETag that the read after it has too."""
    folder = alice.post("/api/folders", json={"name": "Trips"}).json
    path = f"/api/folders/{folder['id']}"

    renamed = alice.patch(path, json={"name": "Journeys"})

    assert renamed.json["name"] == "Journeys"
    assert alice.get("/api/folders").json["items"][0]["name"] == "Journeys"


def test_a_change_of_another_version_is_refused(alice):
    """`If-Match` protects against overwriting what one has not seen."""
    folder = alice.post("/api/folders", json={"name": "Trips"})
    path = f"/api/folders/{folder.json['id']}"
    seen = folder.headers["ETag"]
    alice.patch(path, json={"name": "Journeys"}, headers={"If-Match": seen})

    late = alice.patch(path, json={"name": "Tours"}, headers={"If-Match": seen})

    assert late.status_code == 412
    assert late.json["code"] == "precondition_failed"


def test_a_folder_cannot_be_moved_under_itself(alice):
    """The tree stays a tree."""
    outer = alice.post("/api/folders", json={"name": "Outer"}).json
    inner = alice.post("/api/folders", json={"name": "Inner", "parent_id": outer["id"]}).json

    moved = alice.patch(f"/api/folders/{outer['id']}", json={"parent_id": inner["id"]})

    assert moved.status_code == 422
    assert list(moved.json["errors"]) == ["parent_id"]


def test_somebody_elses_folder_is_not_there(alice, bob):
    """Tenants are apart: no reading, changing, deleting, or hanging things under it."""
    folder = alice.post("/api/folders", json={"name": "Trips"}).json
    path = f"/api/folders/{folder['id']}"

    assert bob.get("/api/folders").json["items"] == []
    assert bob.patch(path, json={"name": "Mine"}).status_code == 404
    assert bob.delete(path).status_code == 404
    nested = bob.post("/api/folders", json={"name": "In", "parent_id": folder["id"]})
    assert nested.status_code == 422


def test_an_unknown_field_is_named(alice):
    """A typing error in a field's name is not passed over."""
    answer = alice.post("/api/folders", json={"name": "Trips", "colour": "red"})

    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert "colour" in answer.json["errors"]


def test_without_a_key_nothing_is_answered(client):
    """Every route but the public ones needs a key."""
    answer = client.get("/api/folders")

    assert answer.status_code == 401
    assert answer.json["code"] == "unauthenticated"
