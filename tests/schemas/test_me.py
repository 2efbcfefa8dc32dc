"""The shape of what a caller learns about itself."""

from schemas.me import MeSchema


def test_the_key_is_shown_without_its_secret():
    """Whoever asks has it already; whoever reads the log must not."""
    shown = MeSchema().dump({"key": {"name": "Laptop", "secret": "lk-x", "secret_hash": "y"}})

    assert shown == {"key": {"name": "Laptop"}}
