"""People, workspaces and keys as the tables keep them."""

import pytest
from sqlalchemy.exc import IntegrityError

from database.tables.users import ApiKey, User, Workspace, WorkspaceMember
from tests.factories.rows import NOW, count_rows, delete_row, make_key, make_user, put


def _workspace() -> Workspace:
    return Workspace(id="w1", name="Lab", created_at=NOW, updated_at=NOW)


def _member() -> WorkspaceMember:
    return WorkspaceMember(workspace_id="w1", user_id="u1", role="member", joined_at=NOW)


def test_an_address_belongs_to_one_user(either):
    """Two requests at once cannot make two of them."""
    put(make_user("u1", email="ann@example.com"))

    with pytest.raises(IntegrityError):
        put(make_user("u2", email="ann@example.com"))


def test_users_without_an_address_do_not_clash(either):
    """An absent address is no address."""
    put(make_user("u1"), make_user("u2"))

    assert count_rows(User) == 2


def test_a_secret_opens_one_key(either):
    """Authentication finds a key by its hash: it must be the only one."""
    put(make_user(), make_key("k1", secret_hash="x"))

    with pytest.raises(IntegrityError):
        put(make_key("k2", secret_hash="x"))


def test_a_user_goes_with_keys_and_memberships(either):
    """No key outlives the one it speaks for."""
    put(make_user(), make_key(), _workspace(), _member())

    delete_row(User, id="u1")

    assert (count_rows(ApiKey), count_rows(WorkspaceMember), count_rows(Workspace)) == (0, 0, 1)


def test_a_workspace_goes_with_its_keys_and_leaves_its_members(either):
    """Its keys would book costs to nobody; its people have lives beside it."""
    put(make_user(), _workspace(), _member(), make_key("own"), make_key("w", workspace_id="w1"))

    delete_row(Workspace, id="w1")

    assert (count_rows(User), count_rows(ApiKey), count_rows(WorkspaceMember)) == (1, 1, 0)


def test_one_is_a_member_once(either):
    """With one role, not two."""
    put(make_user(), _workspace(), _member())

    with pytest.raises(IntegrityError):
        put(_member())
