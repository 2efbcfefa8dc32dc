"""The tries of a call: how its models are reached, by what policy, and how far they have come."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from providers.attempts import Attempts, Candidate, Reached, Watcher
from providers.embeddings import EmbeddingsOf
from providers.protocol import ChatRequest, ProviderAuthFailed, ProviderUnavailable, Usage
from providers.retries import RetryPolicy
from services import model_routes
from services.errors import Unavailable
from services.model_routes import ModelRoute
from services.runtime import runtime

__all__ = ["Progress", "attempts"]


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


def attempts(
    routes: Sequence[ModelRoute],
    request_for: Callable[[ModelRoute], ChatRequest],
    *,
    progress: Progress,
    within_s: float,
    watcher: Watcher,
    embeds: bool = False,
) -> Attempts:
    """The chunks of the first model that answers; nothing is asked until one is wanted.

    Args:
        routes: the models, the first to be tried first.
        request_for: what each is asked.
        progress: told of each try that begins; the watcher notes the rest.
        within_s: no try begins after so many seconds.
        watcher: told of failed tries.
        embeds: the request is for embeddings.
    """
    parts = runtime()
    settings = parts.settings
    return Attempts(
        [
            Candidate(partial(_reach, each, progress, embeds=embeds), request_for(each))
            for each in routes
        ],
        policy=RetryPolicy(
            retries=settings.provider_retries,
            longest_wait_s=settings.provider_retry_wait_s,
            patience_s=settings.provider_first_token_timeout_s,
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
        reached = runtime().providers.reach(model_routes.provider_config(route))
    except Unavailable as fault:
        raise ProviderAuthFailed(fault.detail, was_sent=False) from fault
    except LookupError as fault:
        message = f"Nothing here speaks the format of provider {route.provider_id}."
        raise ProviderUnavailable(message, was_sent=False) from fault
    return replace(reached, provider=EmbeddingsOf(reached.provider)) if embeds else reached
