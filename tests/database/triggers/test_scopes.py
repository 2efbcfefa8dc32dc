"""The words of `cached_in`."""

import pytest

from database.triggers.scopes import Scopes, everyones, owned, related, shared


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (owned("files", "user_id"), Scopes("files", column="user_id")),
        (shared("models"), Scopes("models", fixed="all")),
        (everyones("users"), Scopes("users", fixed="everyone")),
        (everyones("analytics", stripes=16), Scopes("analytics", fixed="everyone", stripes=16)),
        (
            related("permissions", "secret_hash", of="api_keys", refers="user_id"),
            Scopes(
                "permissions",
                column="secret_hash",
                table="api_keys",
                refers="user_id",
                referred="id",
            ),
        ),
    ],
)
def test_each_word_says_whose_entries_a_row_is_in(said, meant):
    """An owner's, everybody's alike, the views' over everyone, or of rows that refer to it."""
    assert said == meant
