"""`/api/cache/namespaces` as admins meet it."""

from cache.namespaces import NAMESPACES

PATH = "/api/cache/namespaces"


def _state(client):
    return client.get("/api/folders").headers["Cache-Status"]


def test_all_namespaces_are_listed_with_what_they_promise(admin):
    """In one page: there are ten."""
    listed = admin.get(PATH).json

    assert [each["namespace"] for each in listed["items"]] == list(NAMESPACES)
    assert listed["next_cursor"] is None
    assert listed["items"][0]["ttls"] == dict(NAMESPACES["models"].ttls)


def test_one_namespace_is_the_same_as_in_the_list(admin):
    """The page behind the row."""
    listed = {each["namespace"]: each for each in admin.get(PATH).json["items"]}

    assert admin.get(f"{PATH}/files").json == listed["files"]


def test_clearing_a_namespace_is_felt_by_the_next_read(admin, alice):
    """And by no other namespace's."""
    alice.get("/api/folders")
    alice.get("/api/files")

    cleared = admin.delete(f"{PATH}/conversations")

    assert cleared.status_code == 204
    assert "fwd=miss" in _state(alice)
    assert "; hit" in alice.get("/api/files").headers["Cache-Status"]


def test_clearing_one_owner_leaves_the_others(admin, alice, bob):
    """One user's trouble is not everybody's cold cache."""
    alice.get("/api/folders")
    bob.get("/api/folders")

    cleared = admin.delete(f"{PATH}/conversations/scopes/{alice.user_id}")

    assert cleared.status_code == 204
    assert "fwd=miss" in _state(alice)
    assert "; hit" in _state(bob)


def test_a_public_namespace_is_cleared_as_all(admin, alice):
    """It has one scope, and that is its name."""
    alice.get("/api/models")

    cleared = admin.delete(f"{PATH}/models/scopes/all")

    assert cleared.status_code == 204
    assert "fwd=miss" in alice.get("/api/models").headers["Cache-Status"]


def test_a_scope_that_cannot_be_is_refused(admin):
    """A public namespace has no owners; an owner is no text without end."""
    assert admin.delete(f"{PATH}/models/scopes/ann").status_code == 422
    assert admin.delete(f"{PATH}/conversations/scopes/all").status_code == 422
    assert admin.delete(f"{PATH}/conversations/scopes/{'x' * 300}").status_code == 422


def test_a_namespace_that_is_not_there_is_a_404(admin):
    """For each of the verbs."""
    path = f"{PATH}/nothing"

    assert admin.get(path).status_code == 404
    assert admin.delete(path).status_code == 404
    assert admin.delete(f"{path}/scopes/all").status_code == 404


def test_a_member_clears_nothing(alice):
    """Not even their own: everybody pays for a cold cache."""
    alice.get("/api/folders")

    assert alice.delete(f"{PATH}/conversations").status_code == 403
    assert alice.delete(f"{PATH}/conversations/scopes/{alice.user_id}").status_code == 403
    assert "; hit" in _state(alice)
