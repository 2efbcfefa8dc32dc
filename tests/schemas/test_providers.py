"""What a provider may be, and that its secret never comes out."""

from types import SimpleNamespace

import pytest
from marshmallow import ValidationError

from schemas.providers import (
    ProviderPatchSchema,
    ProviderSchema,
    ProviderWriteSchema,
    origin_of,
)

NEW = {"id": "acme", "wire_format": "openai", "base_url": "https://acme.example/v1"}


def test_a_new_provider_is_active():
    """And has no secret unless one is sent."""
    new = ProviderWriteSchema().load(NEW)

    assert (new.id, new.base_url, new.status, new.secret) == (
        "acme", "https://acme.example/v1", "active", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:11434/v1",
        "http://gpu_1:8000",
        "http://127.0.0.1:1/v1/",
        "http://[::1]:8000/v1",
        "HTTPS://Acme.Example./v1",
        "https://münchen.example/v1",
    ],
)
def test_an_address_may_be_any_that_can_be_reached(url):
    """In a network of one's own, by number, or by a name in one's own letters."""
    assert ProviderWriteSchema().load({**NEW, "base_url": url}).base_url == url


def test_a_secret_of_null_is_a_change():
    """It is forgotten; one that is left out stays."""
    assert ProviderPatchSchema().load({"secret": None}).changes == {"secret": None}
    assert ProviderPatchSchema().load({"name": "Acme"}).changes == {"name": "Acme"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_url", "ftp://acme.example"),
        ("base_url", "https://"),
        ("base_url", "https://user:word@acme.example"),
        ("base_url", "https://acme.example?key=1"),
        ("base_url", "https://acme.example:99999"),
        ("base_url", "https://[::1"),
        ("base_url", "https://acme.example:0"),
        ("base_url", "https://acme .example/v1"),
        ("base_url", "https://acme.example/v 1"),
        ("base_url", " https://acme.example/v1"),
        ("base_url", "https://acme.example/v1\n"),
        ("base_url", "https://acme.example/\t"),
        ("base_url", "https://acme\x7f.example"),
        ("base_url", "https://acme.example/\x85"),
        ("base_url", "https://acme\u00a0.example"),
        ("base_url", "https://acme..example"),
        ("base_url", "https://-acme.example"),
        ("base_url", "https://acme<>example"),
        ("base_url", "https://ac%20me"),
        ("base_url", "https://."),
        ("base_url", f"https://{'a' * 64}.example"),
        ("base_url", f"https://{'a.' * 130}example"),
        ("id", "Acme"),
        ("id", "acme\n"),
        ("id", "a/b"),
        ("id", "x" * 65),
        ("status", "broken"),
        ("secret", ""),
        ("secret", "s" * 4001),
        ("secret", "sk-1\n"),
        ("secret", "sk-1\r\nX-Admin: 1"),
        ("secret", "sk\t1"),
        ("secret", "sk-\x7f"),
        ("api_version", "2026 01"),
        ("colour", "red"),
    ],
)
def test_what_is_wrong_is_named(field, value):
    """At once: an address or a secret that cannot be sent would fail at the first call only.

    An address that carries credentials would show them to everyone who reads it.
    """
    with pytest.raises(ValidationError) as refused:
        ProviderWriteSchema().load({**NEW, field: value})

    assert set(refused.value.normalized_messages()) == {field}


def test_a_secret_goes_in_and_never_out():
    """Only that there is one is told."""
    row = SimpleNamespace(id="acme", name="Acme", encrypted_secret=b"sealed", secret="sk-ours")

    dumped = ProviderSchema().dump(row)

    assert dumped["has_secret"] is True
    assert "sk-ours" not in str(dumped)
    assert "sealed" not in str(dumped)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://acme.example/v1", "https://ACME.example:443/v2", True),
        ("http://acme.example", "http://acme.example:80", True),
        ("https://acme.example", "http://acme.example", False),
        ("https://acme.example", "https://acme.example:8443", False),
        ("https://acme.example", "https://acme.example.other", False),
    ],
)
def test_an_origin_is_whom_requests_reach(one, other, same):
    """The path, and how it is written, make no difference."""
    assert (origin_of(one) == origin_of(other)) is same
