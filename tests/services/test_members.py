"""Members of workspaces as services see them."""

import pytest

from services import members
from tests.factories.workspaces import make_crowd, make_workspace


def test_a_workspace_has_a_bounded_number(app, alice, bob):
    """A rename bumps every member's scope: that has to end somewhere, and to work until there."""
    path = make_workspace(alice)
    make_crowd(app, path.rpartition("/")[2], members.MAX_MEMBERS - 1)

    refused = alice.post(f"{path}/members", json={"user_id": bob.user_id})
    renamed = alice.patch(path, json={"name": "Hall"})

    assert renamed.status_code == 200
    assert refused.json["code"] == "too_many_members"


@pytest.mark.parametrize("limit", [1, 2])
def test_pages_follow_one_another(alice, bob, limit):
    """Every member is on exactly one page."""
    path = f"{make_workspace(alice, member=bob)}/members"
    first = alice.get(path, query_string={"limit": limit}).json

    rest = alice.get(path, query_string={"cursor": first["next_cursor"] or ""}).json["items"]

    shown = [each["user_id"] for each in first["items"] + (rest if limit == 1 else [])]
    assert shown == sorted([alice.user_id, bob.user_id])
