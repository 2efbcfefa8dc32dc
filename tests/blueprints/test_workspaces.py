"""`/api/workspaces` and their members as clients meet them."""

import pytest

from tests.doubles.api_client import ApiClient
from tests.factories.users import make_user
from tests.factories.workspaces import make_workspace

PATH = "/api/workspaces"


def _names(client):
    return [each["name"] for each in client.get(PATH).json["items"]]


def _warm(client, path):
    client.get(path)
    return client.get(path).headers["Cache-Status"].startswith("larder; hit")


def test_a_new_workspace_is_in_the_next_list(alice):
    """The promise of the namespace `workspaces`; whoever makes one owns it."""
    was_warm = _warm(alice, PATH)

    made = alice.post(PATH, json={"name": "Lab"})
    after = alice.get(PATH)

    assert was_warm
    assert made.status_code == 201
    assert made.json["role"] == "owner"
    assert "fwd=miss" in after.headers["Cache-Status"]
    assert after.json["items"] == [made.json]


def test_a_new_name_is_seen_by_all_members(alice, bob):
    """Each member's list and detail are entries of their own."""
    path = make_workspace(alice, member=bob)
    was_warm = [_warm(client, each) for client in (alice, bob) for each in (PATH, path)]

    alice.patch(path, json={"name": "Shed"})

    assert all(was_warm)
    assert [_names(alice), _names(bob)] == [["Shed"], ["Shed"]]
    assert [client.get(path).json["name"] for client in (alice, bob)] == ["Shed", "Shed"]


def test_who_does_not_belong_cannot_tell_that_it_exists(alice, bob):
    """A foreign workspace is answered as one that never was."""
    path = make_workspace(alice)
    mine, none = [
        [
            bob.get(each),
            bob.patch(each, json={"name": "x"}),
            bob.delete(each),
            bob.get(f"{each}/members"),
            bob.post(f"{each}/members", json={"user_id": bob.user_id}),
            bob.patch(f"{each}/members/{alice.user_id}", json={"role": "viewer"}),
            bob.delete(f"{each}/members/{alice.user_id}"),
        ]
        for each in (path, f"{PATH}/00000000-0000-7000-8000-000000000000")
    ]

    assert {answer.status_code for answer in mine + none} == {404}
    assert {answer.json["code"] for answer in mine + none} == {"not_found"}
    assert _names(bob) == []


def test_a_removed_member_sees_it_no_more(alice, bob):
    """Warm entries of theirs must not show it once more."""
    path = make_workspace(alice, member=bob)
    was_warm = [_warm(bob, each) for each in (PATH, path, f"{path}/members")]

    alice.delete(f"{path}/members/{bob.user_id}")

    assert all(was_warm)
    assert _names(bob) == []
    assert bob.get(path).status_code == 404
    assert bob.get(f"{path}/members").status_code == 404
    assert [each["user_id"] for each in alice.get(f"{path}/members").json["items"]] == [
        alice.user_id
    ]


def test_a_member_is_in_the_next_list_of_members(alice, bob):
    """By id or by e-mail address."""
    path = make_workspace(alice)
    was_warm = _warm(alice, f"{path}/members")

    added = alice.post(f"{path}/members", json={"user_id": bob.user_id})
    again = alice.post(f"{path}/members", json={"user_id": bob.user_id})
    listed = alice.get(f"{path}/members").json["items"]

    assert was_warm
    assert added.json["role"] == "member"
    assert again.json["code"] == "already_member"
    assert [each["name"] for each in listed] == ["Alice", "Bob"]


def test_a_member_can_be_named_by_email(admin, alice, bob):
    """People know addresses, not ids."""
    path = make_workspace(alice)
    admin.patch(f"/api/users/{bob.user_id}", json={"email": "bob@example.com"})

    added = alice.post(f"{path}/members", json={"email": "Bob@Example.com", "role": "viewer"})

    assert added.json["user_id"] == bob.user_id


def test_a_users_new_name_is_in_the_list_of_members(admin, alice, bob):
    """The list shows what stands in another table."""
    path = make_workspace(alice, member=bob)
    was_warm = _warm(alice, f"{path}/members")

    admin.patch(f"/api/users/{bob.user_id}", json={"name": "Robert"})

    assert was_warm
    assert "Robert" in alice.get(f"{path}/members").text


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("owner", [200, 201, 200, 204]),
        ("admin", [200, 201, 403, 403]),
        ("member", [403, 403, 403, 403]),
        ("viewer", [403, 403, 403, 403]),
    ],
)
def test_a_role_may_do_what_it_is_for(app, alice, bob, role, allowed):
    """A member sees the workspace, so what is refused is a 403."""
    path = make_workspace(alice, **{role: bob})
    carol = make_user(app, "Carol")

    answers = [
        bob.patch(path, json={"name": "Shed"}),
        bob.post(f"{path}/members", json={"user_id": carol.user_id}),
        bob.patch(f"{path}/members/{bob.user_id}", json={"role": "owner"}),
        bob.delete(path),
    ]

    assert [each.status_code for each in answers] == allowed


def test_an_admin_of_a_workspace_does_not_touch_its_owners(alice, bob):
    """Nor make one."""
    path = make_workspace(alice, admin=bob)
    owner = f"{path}/members/{alice.user_id}"

    assert bob.patch(owner, json={"role": "member"}).status_code == 403
    assert bob.delete(owner).status_code == 403


def test_the_last_owner_stays(alice, bob):
    """A workspace without one could be led by nobody."""
    path = make_workspace(alice, member=bob)
    own = f"{path}/members/{alice.user_id}"

    refused = [alice.patch(own, json={"role": "admin"}), alice.delete(own)]
    alice.patch(f"{path}/members/{bob.user_id}", json={"role": "owner"})

    assert [each.json["code"] for each in refused] == ["last_owner", "last_owner"]
    assert alice.delete(own).status_code == 204


def test_everybody_may_leave(alice, bob):
    """Also who may do nothing else."""
    path = make_workspace(alice, viewer=bob)

    assert bob.delete(f"{path}/members/{bob.user_id}").status_code == 204
    assert bob.get(path).status_code == 404


@pytest.mark.parametrize("way", ["removed", "viewer", "deleted"])
def test_keys_bound_to_a_workspace_end_with_the_membership(app, alice, bob, way):
    """Else somebody who left would go on spending the team's money."""
    path = make_workspace(alice, member=bob)
    made = bob.post("/api/keys", json={"name": "Bot", "workspace_id": path.rpartition("/")[2]}).json
    client = ApiClient(app, made["secret"])
    member = f"{path}/members/{bob.user_id}"
    before = client.get("/api/me")

    {
        "removed": lambda: alice.delete(member),
        "viewer": lambda: alice.patch(member, json={"role": "viewer"}),
        "deleted": lambda: alice.delete(path),
    }[way]()

    assert before.status_code == 200
    assert client.get("/api/me").status_code == 401
    assert bob.get("/api/me").status_code == 200
    assert bob.get("/api/keys").json["items"][-1]["revoked_at"] is not None


def test_a_deleted_workspace_is_gone_for_all_members(alice, bob):
    """From the next read on, warm or not."""
    path = make_workspace(alice, member=bob)
    was_warm = [_warm(client, each) for client in (alice, bob) for each in (PATH, path)]

    alice.delete(path)

    assert all(was_warm)
    assert [_names(alice), _names(bob)] == [[], []]
    assert bob.get(path).status_code == 404


def test_an_administrator_of_the_installation_helps_from_outside(admin, alice, bob):
    """Where all owners have gone, somebody must be able to name a new one."""
    path = make_workspace(alice, member=bob)
    was_warm = _warm(admin, f"{PATH}?all=true")

    promoted = admin.patch(f"{path}/members/{bob.user_id}", json={"role": "owner"})
    admin.patch(path, json={"name": "Shed"})
    listed = admin.get(f"{PATH}?all=true").json["items"]

    assert was_warm
    assert promoted.status_code == 200
    assert [(each["name"], each["role"]) for each in listed] == [("Shed", None)]
    assert alice.get(f"{PATH}?all=true").status_code == 403


def test_pages_follow_one_another(alice):
    """Every workspace is on exactly one page."""
    for name in ("One", "Two", "Three"):
        alice.post(PATH, json={"name": name})
    first = alice.get(PATH, query_string={"limit": 2}).json

    second = alice.get(PATH, query_string={"limit": 2, "cursor": first["next_cursor"]}).json

    shown = [each["name"] for each in first["items"] + second["items"]]
    assert shown == ["One", "Two", "Three"]


def test_a_change_of_another_version_is_refused(alice, bob):
    """`If-Match` protects what one has not seen."""
    path = make_workspace(alice, member=bob)
    seen = {"If-Match": alice.get(path).headers["ETag"]}

    assert alice.patch(path, json={"name": "Shed"}, headers=seen).status_code == 200
    assert alice.delete(path, headers=seen).status_code == 412


def test_every_change_is_in_the_audit_log(admin, alice, bob):
    """Who let whom in can be found out later."""
    path = make_workspace(alice, member=bob)
    alice.delete(path)

    logged = admin.get("/api/audit-logs", query_string={"subject": path.rpartition("/")[2]}).json[
        "items"
    ]

    assert [each["action"] for each in logged] == [
        "workspace.deleted",
        "member.added",
        "workspace.created",
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "user_id"),
        ({"user_id": "nobody"}, "user_id"),
        ({"email": "nobody@example.com"}, "email"),
        ({"email": "nobody@example.com", "user_id": "nobody"}, "user_id"),
        ({"user_id": "x" * 301}, "user_id"),
        ({"email": "a@example.com", "role": "emperor"}, "role"),
        ({"email": "a@example.com", "colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_is_named(alice, body, field):
    """Bad input is a 422 that names the field."""
    path = make_workspace(alice)

    answer = alice.post(f"{path}/members", json=body)

    assert answer.status_code == 422
    assert field in answer.json["errors"]
