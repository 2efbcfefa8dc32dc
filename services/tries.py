"""The tries of a call: how its models are reached, by what policy, and how far they have come."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from providers.attempts import Attempts, Candidate, Reached, Watcher
from providers.embeddings import EmbeddingsOf
from providers.protocol import ChatRequest, ProviderAuthFailed, ProviderUnavailable, Usage
from providers.retries import RetryPolicy
from services.errors import Unavailable
from services.model_routes import ModelRoute
from services.provider_configs import route_config
from services.runtime import runtime

__all__ = ["Progress", "Tried", "attempts"]


@dataclass(slots=True)
class Progress:
    """How far a call's tries have come; written by the one thread that makes them.

    `spent_s` is what the tries before the last one took, `usage` what a failed last one counted.
    Not `is_under_way` is a call that has not asked anybody, or waits before it asks again.
    """

    place: int = 0
    spent_s: float = 0.0
    usage: Usage | None = None
    is_under_way: bool = False


class Tried(Watcher, Protocol):
    """The call that the tries are for."""

    @property
    def progress(self) -> Progress:
        """How far they have come."""
        ...


def attempts(
    routes: Sequence[ModelRoute],
    request_for: Callable[[ModelRoute], ChatRequest],
    *,
    patience_s: float,
    within_s: float,
    watcher: Tried,
    embeds: bool = False,
) -> Attempts:
    """The chunks of the first model that answers; nothing is asked until one is wanted.

    Args:
        routes: the models, the first to be tried first.
        request_for: what each is asked.
        patience_s: how long one try may say nothing, seconds.
        within_s: no try begins after so many seconds.
        watcher: told of tries that begin, by its progress, and of failed ones.
        embeds: the request is for embeddings.
    """
    parts = runtime()
    settings = parts.settings
    return Attempts(
        [
            Candidate(partial(_reach, each, watcher.progress, embeds=embeds), request_for(each))
            for each in routes
        ],
        policy=RetryPolicy(
            retries=settings.provider_retries,
            longest_wait_s=settings.provider_retry_wait_s,
            patience_s=patience_s,
            repeats_server_errors=settings.provider_retry_server_errors,
        ),
        clock=parts.clock,
        draw=random.random,
        deadline_s=parts.clock.monotonic() + within_s,
        watcher=watcher,
    )


def _reach(route: ModelRoute, progress: Progress, *, embeds: bool) -> Reached:
    """The adapter for a route, with its circuit; for embeddings one that makes those.

    Raises:
        ProviderError: there can be none.
    """
    progress.is_under_way = True
    try:
        reached = runtime().providers.reach(route_config(route))
    except Unavailable as fault:
        raise ProviderAuthFailed(fault.detail, was_sent=False) from fault
    except LookupError as fault:
        message = f"Nothing here speaks the format of provider {route.provider_id}."
        raise ProviderUnavailable(message, was_sent=False) from fault
    return replace(reached, provider=EmbeddingsOf(reached.provider)) if embeds else reached
