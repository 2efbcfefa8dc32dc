"""The shapes of workspaces and their members."""

import pytest
from marshmallow import ValidationError

from schemas.workspaces import MemberWriteSchema, NewMember, WorkspaceQuerySchema


@pytest.mark.parametrize("body", [{}, {"user_id": "1", "email": "a@example.com"}])
def test_a_member_is_named_once(body):
    """Two names could be two people."""
    with pytest.raises(ValidationError) as refused:
        MemberWriteSchema().load(body)

    assert list(refused.value.messages) == ["user_id"]


def test_a_member_is_a_member():
    """The usual role needs no word."""
    assert MemberWriteSchema().load({"user_id": "1"}) == NewMember(role="member", user_id="1")


def test_all_is_said_with_a_word():
    """A query string has no booleans."""
    assert WorkspaceQuerySchema().load({"all": "true"}).everyones is True
