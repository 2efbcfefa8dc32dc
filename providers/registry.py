"""Adapters by wire format, and one instance for each provider, so that connections are pooled.

Another wire format is one more file and one line here.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from providers.demo import DemoProvider
from providers.openai import OpenAIProvider
from providers.protocol import Provider, ProviderConfig

__all__ = ["ADAPTERS", "WIRE_FORMATS", "ProviderRegistry"]


class _Adapter(Provider, Protocol):
    def close(self) -> None: ...


ADAPTERS: Mapping[str, Callable[[ProviderConfig], _Adapter]] = {
    "openai": OpenAIProvider,
    "demo": DemoProvider,
}
WIRE_FORMATS = tuple(ADAPTERS)


class ProviderRegistry:
    """The adapters in use in this process."""

    def __init__(
        self, adapters: Mapping[str, Callable[[ProviderConfig], _Adapter]] = ADAPTERS
    ) -> None:
        self._adapters = adapters
        self._lock = threading.Lock()
        self._providers: dict[str, tuple[ProviderConfig, _Adapter]] = {}

    def get(self, config: ProviderConfig) -> Provider:
        """The adapter for `config`; a changed configuration replaces the one before.

        Raises:
            LookupError: no adapter speaks its wire format.
        """
        with self._lock:
            known = self._providers.get(config.provider_id)
            if known is not None and known[0] == config:
                return known[1]
            if config.wire_format not in self._adapters:
                raise LookupError(f"no adapter speaks {config.wire_format!r}")
            made = self._adapters[config.wire_format](config)
            self._providers[config.provider_id] = (config, made)
        if known is not None:
            known[1].close()  # idle connections only: what streams, streams on
        return made

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            providers, self._providers = list(self._providers.values()), {}
        for _, provider in providers:
            provider.close()
