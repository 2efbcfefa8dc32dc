"""Adapters by wire format, and one instance for each provider, so that connections are pooled.

Another wire format is one more file and one line here.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from providers.anthropic.adapter import AnthropicProvider
from providers.attempts import Reached
from providers.azure import AzureProvider
from providers.circuit import Circuit, CircuitPolicy, CircuitState
from providers.demo import DemoProvider
from providers.openai import OpenAIProvider
from providers.protocol import Provider, ProviderConfig
from telemetry.clock import SYSTEM_CLOCK, Clock
from telemetry.metrics import ProviderMetrics

__all__ = ["ADAPTERS", "WIRE_FORMATS", "ProviderRegistry"]


class _Adapter(Provider, Protocol):
    def close(self) -> None: ...


ADAPTERS: Mapping[str, Callable[[ProviderConfig], _Adapter]] = {
    "openai": OpenAIProvider,
    "anthropic": AnthropicProvider,
    "azure": AzureProvider,
    "demo": DemoProvider,
}
WIRE_FORMATS = tuple(ADAPTERS)


class ProviderRegistry:
    """The adapters in use in this process, each with its circuit."""

    def __init__(
        self,
        adapters: Mapping[str, Callable[[ProviderConfig], _Adapter]] = ADAPTERS,
        *,
        circuits: CircuitPolicy | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.metrics = ProviderMetrics()
        self._adapters = adapters
        self._circuits = circuits or CircuitPolicy()
        self._clock = clock
        self._lock = threading.Lock()
        self._providers: dict[str, tuple[ProviderConfig, _Adapter, Circuit]] = {}

    def get(self, config: ProviderConfig) -> Provider:
        """The adapter for `config`; a changed configuration replaces the one before.

        Raises:
            LookupError: no adapter speaks its wire format.
        """
        return self.reach(config).provider

    def reach(self, config: ProviderConfig) -> Reached:
        """The adapter for `config` with its circuit, which a changed configuration closes.

        Raises:
            LookupError: no adapter speaks its wire format.
        """
        with self._lock:
            known = self._providers.get(config.provider_id)
            if known is not None and known[0] == config:
                return Reached(known[1], known[2])
            if config.wire_format not in self._adapters:
                raise LookupError(f"no adapter speaks {config.wire_format!r}")
            made = self._adapters[config.wire_format](config)
            circuit = Circuit(
                config.provider_id, self._circuits, self._clock, self.metrics.note_circuit
            )
            self._providers[config.provider_id] = (config, made, circuit)
        if known is not None:
            known[1].close()  # idle connections only: what streams, streams on
            self.metrics.note_circuit(config.provider_id, False)
        return Reached(made, circuit)

    def circuit_state(self, provider_id: str) -> CircuitState:
        """How the circuit of a provider stands in this process."""
        with self._lock:
            known = self._providers.get(provider_id)
        return known[2].state if known else CircuitState()

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            providers, self._providers = list(self._providers.values()), {}
        for _, provider, _ in providers:
            provider.close()
