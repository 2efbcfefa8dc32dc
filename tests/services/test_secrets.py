"""Secrets at rest: readable by this installation only, also after its key was changed."""

import pytest

from services.secrets import SecretBox, SecretUnreadable, new_api_key

WORDS = "sk-something sécret"


def test_a_secret_comes_back_and_cannot_be_seen_before():
    """What stands in the database is of no use to who copies it."""
    box = SecretBox("master")

    token = box.encrypt(WORDS)

    assert box.decrypt(token) == WORDS
    assert "something" not in token
    assert token.isascii()


def test_the_same_secret_looks_different_each_time():
    """Else one could see that two providers share a key."""
    box = SecretBox("master")

    assert box.encrypt(WORDS) != box.encrypt(WORDS)


@pytest.mark.parametrize(
    "damage", [lambda t: t[:-4] + "AAA=", lambda t: t[:0], lambda t: t[1:], str.lower]
)
def test_what_was_tampered_with_is_not_read(damage):
    """A changed token is refused, not decrypted into something."""
    box = SecretBox("master")

    with pytest.raises(SecretUnreadable):
        box.decrypt(damage(box.encrypt(WORDS)))


def test_another_installation_cannot_read_it_and_does_not_repeat_it():
    """The error names the setting to look at."""
    token = SecretBox("master").encrypt(WORDS)

    with pytest.raises(SecretUnreadable, match="LARDER_SECRET_KEY") as refused:
        SecretBox("other").decrypt(token)

    assert token not in str(refused.value)


def test_after_a_rotation_old_secrets_are_read_and_new_ones_written_with_the_new_key():
    """An operator changes the key without setting every provider's secret anew."""
    old, both, new = SecretBox("old"), SecretBox("new", "old"), SecretBox("new")

    assert both.decrypt(old.encrypt(WORDS)) == WORDS
    assert new.decrypt(both.encrypt(WORDS)) == WORDS
    with pytest.raises(SecretUnreadable):
        old.decrypt(both.encrypt(WORDS))


def test_after_a_rotation_an_api_key_is_found_by_both_hashes():
    """Nobody is locked out; what is made from then on has the new hash."""
    old, both, new = SecretBox("old"), SecretBox("new", "old"), SecretBox("new")

    hashes = both.api_key_hashes("lk-x")

    assert hashes == (new.hash_api_key("lk-x"), old.hash_api_key("lk-x"))
    assert both.hash_api_key("lk-x") == hashes[0]
    assert len(set(hashes)) == 2
    assert [len(each) for each in hashes] == [64, 64]


def test_cache_entries_are_signed_with_the_new_key_and_read_with_both():
    """A rotation does not empty the cache, and keys for one use open no other."""
    both = SecretBox("new", "old")

    assert both.cache_keys == (SecretBox("new").cache_keys[0], SecretBox("old").cache_keys[0])
    assert both.cache_keys[0].hex() not in both.hash_api_key("x")
    assert SecretBox("new").cache_keys == both.cache_keys[:1]


def test_api_keys_are_long_random_and_to_be_recognised():
    """256 bits behind a prefix that scanners of secrets can look for."""
    made = {new_api_key() for _ in range(100)}

    assert len(made) == 100
    assert {each[:3] for each in made} == {"lk-"}
    assert {len(each) for each in made} == {46}


def test_a_ticket_is_known_by_its_signature_also_after_a_rotation():
    """What was signed under the key before still opens what it opened."""
    words = "1.user.stream"
    signature = SecretBox("before").sign_ticket(words)

    assert SecretBox("now", "before").is_ticket(words, signature)
    assert not SecretBox("now").is_ticket(words, signature)
    assert not SecretBox("before").is_ticket("2.user.stream", signature)
    assert not SecretBox("before").is_ticket(words, "é")
