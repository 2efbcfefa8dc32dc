"""What other layers know of providers: values that hide secrets, errors that say whether again."""

import pytest

from providers import protocol
from providers.protocol import ProviderConfig, ProviderError


def test_a_configuration_does_not_show_its_secrets():
    """It may end up in a log or a traceback: key and headers are left out."""
    config = ProviderConfig(
        "up",
        "openai",
        base_url="http://127.0.0.1",
        api_key="sk-very-secret",
        headers=(("X-Key", "hdr-very-secret"),),
    )

    assert "very-secret" not in repr(config)
    assert "127.0.0.1" in repr(config)


def test_configurations_differ_by_what_is_not_shown():
    """The registry compares them: a new key must mean a new connection."""
    before = ProviderConfig("up", "openai", api_key="one")

    assert before != ProviderConfig("up", "openai", api_key="two")
    assert before == ProviderConfig("up", "openai", api_key="one")


@pytest.mark.parametrize(
    ("name", "code", "retryable"),
    [
        ("ProviderUnavailable", "provider_unavailable", True),
        ("ProviderTimeout", "provider_timeout", True),
        ("ProviderRateLimited", "provider_rate_limited", True),
        ("ProviderAuthFailed", "provider_auth_failed", False),
        ("ProviderRejected", "provider_rejected", False),
        ("ProviderMalformed", "provider_malformed", True),
        ("ProviderBroken", "provider_broken", True),
    ],
)
def test_each_failure_has_its_word_and_says_whether_again_helps(name, code, retryable):
    """Clients branch by these words: they do not change."""
    fault = getattr(protocol, name)("It failed.", status=418, retry_after_s=2.0)

    assert isinstance(fault, ProviderError)
    assert (fault.code, fault.retryable) == (code, retryable)
    assert (str(fault), fault.message) == ("It failed.", "It failed.")
    assert (fault.status, fault.retry_after_s, fault.param) == (418, 2.0, None)


def test_every_kind_of_failure_stands_in_the_table_above():
    """A new kind without a word of its own would look like another."""
    kinds = [
        each for each in ProviderError.__subclasses__() if each.__module__ == protocol.__name__
    ]

    assert len({each.code for each in kinds}) == len(kinds) == 7
