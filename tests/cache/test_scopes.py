"""Scopes: names with a generation, in one row or in several."""

import pytest

from cache.scopes import STRIPE, Scope, shared_name


def test_a_scope_has_one_row_named_as_it_is():
    """What a write raises is what a read compares."""
    assert Scope("users:u1").rows() == ("users:u1",)


def test_a_striped_scope_has_a_row_for_each_stripe():
    """Writers meet on one of several rows; a reader compares all of them."""
    rows = Scope("analytics:everyone", 3).rows()

    assert rows == tuple(f"analytics:everyone{STRIPE}{number}" for number in range(3))


@pytest.mark.parametrize("other", [Scope("users:u2"), Scope("users:u1", 2)])
def test_scopes_are_told_apart(other):
    """By name and by stripes: else one of them would go unread."""
    assert Scope("users:u1") != other


def test_equal_scopes_are_one():
    """Naming one twice raises it once."""
    assert len({Scope("users:u1"), Scope("users:u1")}) == 1


def test_a_shared_name_is_no_tenants_id():
    """Whoever were called like a user's id would share that user's answers."""
    user_id = "0198c5a4-0000-7000-8000-000000000000"

    assert shared_name(user_id) != user_id
    assert ":" not in shared_name("team_a-1")


@pytest.mark.parametrize("name", ["", "a:b", "A", "-a", "a" * 65, "a b", "ä", "a\n"])
def test_a_shared_name_is_a_plain_word(name):
    """It becomes part of keys and scopes."""
    with pytest.raises(ValueError, match="shared name"):
        shared_name(name)
