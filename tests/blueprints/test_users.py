"""`/api/users` as clients meet it."""

import pytest

from tests.factories.users import make_user

PATH = "/api/users"


def _made(admin, **fields):
    return admin.post(PATH, json={"name": "Carol", **fields})


def test_a_new_user_is_in_the_next_list(admin):
    """The promise of the namespace `users`."""
    admin.get(PATH)
    warm = admin.get(PATH)

    made = _made(admin, email="Carol@Example.com")
    after = admin.get(PATH)

    assert warm.headers["Cache-Status"].startswith("larder; hit")
    assert made.status_code == 201
    assert made.json["email"] == "carol@example.com"
    assert "fwd=miss" in after.headers["Cache-Status"]
    assert made.json in after.json["items"]


def test_a_changed_user_is_in_the_next_read(admin):
    """Its ETag is the one that the change was answered with."""
    path = f"{PATH}/{_made(admin).json['id']}"
    admin.get(path)
    warm = admin.get(path)

    changed = admin.patch(
        path, json={"name": "Caroline"}, headers={"If-Match": warm.headers["ETag"]}
    )
    after = admin.get(path)

    assert warm.headers["Cache-Status"].startswith("larder; hit")
    assert after.json["name"] == "Caroline"
    assert after.headers["ETag"] == changed.headers["ETag"]


def test_a_change_of_another_version_is_refused(admin):
    """`If-Match` protects what one has not seen."""
    path = f"{PATH}/{_made(admin).json['id']}"

    assert admin.patch(path, json={"name": "X"}, headers={"If-Match": '"0"'}).status_code == 412


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"role": "viewer"}, ["Vera"]),
        ({"is_active": "false"}, []),
        ({"email": "VERA@example.com"}, ["Vera"]),
    ],
)
def test_the_list_can_be_narrowed_down(admin, query, names):
    """An installation may have thousands of users."""
    _made(admin, name="Vera", role="viewer", email="vera@example.com")

    listed = admin.get(PATH, query_string=query).json["items"]

    assert [each["name"] for each in listed] == names


def test_pages_follow_one_another(admin):
    """Every user is on exactly one page."""
    made = [_made(admin, name=f"User {number}").json["id"] for number in range(3)]
    first = admin.get(PATH, query_string={"limit": 2}).json

    second = admin.get(PATH, query_string={"limit": 2, "cursor": first["next_cursor"]}).json

    assert [each["id"] for each in first["items"] + second["items"]][-3:] == made
    assert second["next_cursor"] is None


def test_deactivation_holds_from_the_next_request_on(admin, alice):
    """The key was warm in the cache; it must not open a door once more."""
    alice.get("/api/me")
    alice.get("/api/me")

    admin.patch(f"{PATH}/{alice.user_id}", json={"is_active": False})
    refused = alice.get("/api/me")
    admin.patch(f"{PATH}/{alice.user_id}", json={"is_active": True})

    assert refused.status_code == 401
    assert alice.get("/api/me").status_code == 200


def test_a_change_of_role_holds_from_the_next_request_on(admin, alice):
    """Both ways: what was given, and what was taken."""
    alice.get("/api/me")

    admin.patch(f"{PATH}/{alice.user_id}", json={"role": "admin"})
    allowed = alice.get(PATH)
    admin.patch(f"{PATH}/{alice.user_id}", json={"role": "member"})

    assert allowed.status_code == 200
    assert alice.get(PATH).status_code == 403


@pytest.mark.parametrize("change", [{"role": "admin"}, {"is_active": False}])
def test_the_last_owner_stays(admin, change):
    """An installation that nobody owns can be mended by nobody."""
    owner = admin.get("/api/me").json["user"]["id"]

    refused = admin.patch(f"{PATH}/{owner}", json=change)

    assert refused.status_code == 409
    assert refused.json["code"] == "last_owner"
    assert admin.get(PATH).status_code == 200


def test_an_owner_may_go_when_another_stays(admin):
    """The rule keeps one, not the first one."""
    owner = admin.get("/api/me").json["user"]["id"]
    _made(admin, role="owner")

    assert admin.patch(f"{PATH}/{owner}", json={"role": "member"}).status_code == 200


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_only_owners_make_owners_and_admins(app, admin, alice, role):
    """An admin who could make owners would be one."""
    deputy = make_user(app, "Dan", role="admin")

    assert _made(deputy, role=role).status_code == 403
    assert deputy.patch(f"{PATH}/{alice.user_id}", json={"role": role}).status_code == 403
    assert deputy.patch(f"{PATH}/{deputy.user_id}", json={"role": "owner"}).status_code == 403
    assert _made(deputy).status_code == 201
    assert _made(admin, role=role).status_code == 201


def test_an_admin_changes_no_other_admin_but_themselves(app):
    """Peers cannot lock one another out."""
    deputy, peer = make_user(app, "Dan", role="admin"), make_user(app, "Eve", role="admin")

    refused = deputy.patch(f"{PATH}/{peer.user_id}", json={"is_active": False})
    own = deputy.patch(f"{PATH}/{deputy.user_id}", json={"name": "Daniel"})

    assert refused.status_code == 403
    assert own.status_code == 200


def test_an_email_address_is_one_users(admin, alice):
    """Names may repeat; addresses say who is meant."""
    _made(admin, email="carol@example.com")

    again = _made(admin, email="CAROL@example.com")
    moved = admin.patch(f"{PATH}/{alice.user_id}", json={"email": "carol@example.com"})

    assert again.status_code == 409
    assert moved.status_code == 409
    assert again.json["code"] == "email_taken"


def test_every_change_is_in_the_audit_log(admin, alice):
    """Who gave whom which role can be found out later."""
    admin.patch(f"{PATH}/{alice.user_id}", json={"role": "viewer"})

    (logged,) = admin.get("/api/audit-logs", query_string={"action": "user.changed"}).json["items"]

    assert logged["subject_id"] == alice.user_id
    assert logged["detail"] == {"role": "viewer"}
    assert logged["actor_user_id"] == admin.get("/api/me").json["user"]["id"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": 5}, "name"),
        ({"name": "x", "email": "nobody"}, "email"),
        ({"name": "x", "role": "emperor"}, "role"),
        ({"name": "x", "colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_is_named(admin, body, field):
    """Bad input is a 422 that names the field."""
    answer = admin.post(PATH, json=body)

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]


@pytest.mark.parametrize("flag", [0, 1, "true", None])
def test_a_flag_is_a_boolean(admin, alice, flag):
    """A number that stands for one would deactivate by accident."""
    answer = admin.patch(f"{PATH}/{alice.user_id}", json={"is_active": flag})

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == ["is_active"]


def test_an_unknown_user_is_not_there(admin):
    """Also with an id that no database could hold."""
    assert admin.get(f"{PATH}/nobody").status_code == 404
    assert admin.patch(f"{PATH}/{'x' * 3000}", json={"name": "x"}).status_code == 404
