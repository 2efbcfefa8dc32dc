"""Whose figures a caller sees."""

import pytest
from sqlalchemy import column

from cache.scopes import EVERYONE, UserId
from services.costs.audience import audience_of, visible
from services.errors import Forbidden
from services.permissions import ROLES
from services.principal import Principal


def _principal(role: str) -> Principal:
    return Principal(
        user_id=UserId("u1"),
        key_id="k1",
        permissions=ROLES[role],
    )


def test_a_member_sees_their_own_and_an_admin_everybodys():
    """The owner of the cached read decides what can be in it."""
    assert audience_of(_principal("member")) == "u1"
    assert audience_of(_principal("member"), "u1") == "u1"
    assert audience_of(_principal("admin"), "u2") == EVERYONE


def test_a_member_cannot_ask_for_another_user():
    """An empty answer would look as if there were nothing."""
    with pytest.raises(Forbidden):
        audience_of(_principal("member"), "u2")


def test_rows_are_cut_to_the_audience():
    """The condition stands in every query over more than one user's rows."""
    assert str(visible(UserId("u1"), column("user_id"))) == "user_id = :user_id_1"
    assert str(visible(EVERYONE, column("user_id"))) == "true"
