"""The shapes of API keys."""

from schemas.keys import CreatedKeySchema, KeyPatchSchema, KeySchema, KeyWriteSchema


def test_a_key_as_it_is_read_has_no_secret():
    """Neither the secret nor its hash has a field to come out by."""
    assert not {"secret", "secret_hash"} & KeySchema().fields.keys()
    assert CreatedKeySchema().fields.keys() - KeySchema().fields.keys() == {"secret"}


def test_a_scope_counts_once():
    """A list with repetitions is the same list."""
    new = KeyWriteSchema().load({"name": "x", "scopes": ["a", "b", "a"]})

    assert new.scopes == ("a", "b")


def test_no_scopes_are_not_an_empty_list():
    """Left out: the maker's; empty: an error, and nothing of either for a change."""
    assert KeyWriteSchema().load({"name": "x"}).scopes is None
    assert KeyPatchSchema().load({"name": "y"}).changes == {"name": "y"}
