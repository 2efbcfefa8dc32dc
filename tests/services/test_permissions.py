"""Roles, scopes, and what a key may do by both."""

import pytest

from services.permissions import PERMISSIONS, ROLES, covers, granted, is_scope


def test_each_role_may_all_that_the_one_below_may():
    """A promotion never takes anything away."""
    assert ROLES["viewer"] < ROLES["member"] < ROLES["admin"] < ROLES["owner"]


@pytest.mark.parametrize("word", ["*", "models:*", *sorted(PERMISSIONS)])
def test_permissions_families_and_all_are_scopes(word):
    """These are the words a key can be given."""
    assert is_scope(word)


@pytest.mark.parametrize("word", ["", ":", "models", "models:fly", "*:*", "fly:*", "models:**"])
def test_other_words_are_no_scopes(word):
    """A typing error would give nothing, in silence."""
    assert not is_scope(word)


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (["models:read"], {"models:read"}),
        (["models:*"], {"models:read"}),
        (["models:write"], set()),
        ([], set()),
        (["*"], ROLES["viewer"]),
    ],
)
def test_scopes_only_take_away(scopes, allowed):
    """A key never does more than its user may."""
    assert granted("viewer", scopes) == allowed


def test_an_unknown_role_may_nothing():
    """A row from a newer version is no way in."""
    assert granted("emperor", ["*"]) == frozenset()


@pytest.mark.parametrize(
    ("scopes", "word", "covered"),
    [
        (["*"], "models:*", True),
        (["models:*"], "models:read", True),
        (["models:read"], "models:read", True),
        (["models:read"], "models:*", False),
        (["models:*"], "*", False),
        (["models:*"], "keys:read", False),
    ],
)
def test_a_wider_scope_covers_a_narrower_one(scopes, word, covered):
    """What a key can give is what it has."""
    assert covers(scopes, word) is covered
