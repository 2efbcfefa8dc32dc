"""What a key may give to another."""

from datetime import UTC, datetime, timedelta

import pytest

from cache.scopes import UserId
from database.tables.users import ApiKey, User
from services.errors import Forbidden, Invalid
from services.key_rules import check_gift, check_own
from services.permissions import granted
from services.principal import Principal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _gift(giver, columns, *, role="member", to="member"):
    principal = Principal(
        user_id=UserId("me"),
        key_id="key",
        permissions=granted(role, giver.scopes),
    )
    check_gift(principal, giver, User(role=to), columns)


@pytest.mark.parametrize(
    ("scopes", "given"),
    [
        (["*"], ["*"]),
        (["*"], ["models:read", "conversations:*"]),
        (["conversations:*", "keys:*"], ["conversations:write"]),
        (["keys:*"], []),
    ],
)
def test_what_it_has_it_can_give(scopes, given):
    """Whole, or in part."""
    _gift(ApiKey(scopes=scopes), {"scopes": given})


@pytest.mark.parametrize(
    ("scopes", "given"),
    [
        (["keys:*"], ["*"]),
        (["conversations:read"], ["conversations:*"]),
        (["*"], ["users:write"]),
        (["keys:write"], ["keys:read"]),
    ],
)
def test_what_it_has_not_it_cannot_give(scopes, given):
    """Nor what its user has not."""
    with pytest.raises(Forbidden):
        _gift(ApiKey(scopes=scopes), {"scopes": given})


def test_a_key_for_somebody_who_may_more_is_cut_to_what_the_giver_may():
    """`*` for an owner is everything; an admin has not everything."""
    with pytest.raises(Forbidden, match="users:write_admins"):
        _gift(ApiKey(scopes=["*"]), {"scopes": ["*"]}, role="admin", to="owner")


@pytest.mark.parametrize(
    "columns",
    [
        {"expires_at": None},
        {"expires_at": NOON + timedelta(seconds=1)},
        {"requests_per_minute": None},
        {"tokens_per_minute": 101},
        {"workspace_id": "there"},
        {"workspace_id": None},
    ],
)
def test_a_bound_of_the_giver_binds_the_gift(columns):
    """Life, limits and workspace are handed on."""
    giver = ApiKey(
        scopes=["*"],
        expires_at=NOON,
        requests_per_minute=10,
        tokens_per_minute=100,
        workspace_id="here",
    )

    with pytest.raises(Forbidden):
        _gift(giver, columns)


def test_an_unbound_giver_binds_nothing():
    """The usual key."""
    columns = {"expires_at": None, "requests_per_minute": None, "workspace_id": "here"}

    _gift(ApiKey(scopes=["*"]), columns)


def test_an_expiry_in_the_past_is_refused():
    """A key that is born dead is a mistake."""
    with pytest.raises(Invalid):
        check_own({"expires_at": NOON}, NOON)
