"""Who asks, and whom they may act on."""

import pytest

from cache.scopes import UserId
from services.errors import Forbidden
from services.permissions import ROLES
from services.principal import Principal


def _principal(role: str) -> Principal:
    return Principal(
        user_id=UserId("me"),
        key_id="key",
        permissions=ROLES[role],
    )


def test_what_is_missing_is_named():
    """A 403 that says nothing costs its reader an hour."""
    with pytest.raises(Forbidden, match="users:write"):
        _principal("member").must("users:write")


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_an_admin_does_not_act_on_another_senior(role):
    """Only owners do."""
    with pytest.raises(Forbidden, match="users:write_admins"):
        _principal("admin").must_outrank("other", role)


@pytest.mark.parametrize(
    ("actor", "user_id", "role"),
    [("admin", "other", "member"), ("admin", "me", "admin"), ("owner", "other", "owner")],
)
def test_juniors_and_oneself_may_be_acted_on(actor, user_id, role):
    """What is allowed passes without a word."""
    _principal(actor).must_outrank(user_id, role)
