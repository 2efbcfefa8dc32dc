"""Settings of the cache: what stands where nobody said otherwise."""

import dataclasses

import pytest

from cache.settings import CacheSettings, CacheUnreachable


def test_memory_fits_more_than_the_largest_entry():
    """Else one answer would push everything out."""
    settings = CacheSettings()

    assert settings.memory_bytes >= 16 * settings.entry_bytes
    assert settings.compress_bytes < settings.entry_bytes


def test_a_redis_that_is_away_costs_a_request_little():
    """The limits of a connect and of an answer are far below what a user notices."""
    settings = CacheSettings()

    assert settings.connect_timeout_s + settings.timeout_s <= 0.5


def test_settings_do_not_change():
    """What an engine was made with holds while it lives."""
    name = "backend"

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(CacheSettings(), name, "memory")


def test_signing_keys_are_not_shown():
    """Settings end up in logs and tracebacks."""
    assert b"secret-key" not in repr(CacheSettings(signing_keys=(b"secret-key",))).encode()


def test_a_redis_that_was_demanded_stops_the_start():
    """It is an error of the run, for whoever starts the server."""
    assert issubclass(CacheUnreachable, RuntimeError)
