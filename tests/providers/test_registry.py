"""One adapter for each provider, replaced when its configuration changes."""

import threading

import pytest

from providers.protocol import ProviderConfig
from providers.registry import ADAPTERS, WIRE_FORMATS, ProviderRegistry
from tests.doubles.together import together


class _Adapter:
    """An adapter that only remembers whether it was closed."""

    def __init__(self, config):
        self.config = config
        self.closed = threading.Event()

    def stream(self, request):
        """Never asked here."""
        raise NotImplementedError

    def list_models(self):
        """None."""
        return []

    def close(self):
        """Remember it."""
        self.closed.set()


@pytest.fixture
def registry():
    """A registry of one wire format."""
    return ProviderRegistry({"plain": _Adapter})


def _config(provider_id="up", key="one", wire_format="plain"):
    return ProviderConfig(provider_id, wire_format, api_key=key)


def test_the_same_configuration_is_the_same_adapter(registry):
    """Else no connection would ever be used twice."""
    assert registry.get(_config()) is registry.get(_config())


def test_providers_do_not_share_an_adapter(registry):
    """Two providers may be configured alike but for their name."""
    assert registry.get(_config("up")) is not registry.get(_config("down"))


def test_a_changed_key_replaces_the_adapter_and_closes_the_old_one(registry):
    """A revoked key must not go on through a pooled connection."""
    before = registry.get(_config(key="one"))

    after = registry.get(_config(key="two"))

    assert after is not before
    assert (before.closed.is_set(), after.closed.is_set()) == (True, False)
    assert registry.get(_config(key="two")) is after


def test_an_unknown_wire_format_is_said_and_changes_nothing(registry):
    """What stands in the database may be of a later version."""
    known = registry.get(_config())

    with pytest.raises(LookupError, match="pigeon"):
        registry.get(_config(wire_format="pigeon"))

    assert not known.closed.is_set()
    assert registry.get(_config()) is known


def test_close_closes_all_and_the_next_get_begins_anew(registry):
    """At shutdown nothing stays open; a late call is still served."""
    adapters = [registry.get(_config("up")), registry.get(_config("down"))]

    registry.close()

    assert [each.closed.is_set() for each in adapters] == [True, True]
    assert registry.get(_config("up")) is not adapters[0]


def test_threads_that_come_at_once_get_one_adapter(registry):
    """The first burst of calls must not open a pool for each."""
    adapters = together([lambda: registry.get(_config())] * 8)

    assert len({id(each) for each in adapters}) == 1


def test_the_wire_formats_are_those_with_an_adapter():
    """The catalogue refuses what is not in this list."""
    assert set(WIRE_FORMATS) == set(ADAPTERS) == {"openai", "anthropic", "azure", "demo"}
