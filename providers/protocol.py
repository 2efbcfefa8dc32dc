"""The one thing other layers know of a provider: requests in, chunks out, one family of errors.

The request body is OpenAI's chat-completions shape, the field's common tongue; an adapter for
another wire format translates from it and back to `Chunk`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

__all__ = [
    "SILENCE",
    "ChatRequest",
    "Chunk",
    "ChunkStream",
    "Embedder",
    "HangUp",
    "ModelListing",
    "OnWait",
    "Provider",
    "ProviderAuthFailed",
    "ProviderBroken",
    "ProviderCircuitOpen",
    "ProviderConfig",
    "ProviderError",
    "ProviderLost",
    "ProviderMalformed",
    "ProviderRateLimited",
    "ProviderRejected",
    "ProviderTimeout",
    "ProviderUnavailable",
    "Usage",
]


HangUp = Callable[[], None]
OnWait = Callable[[HangUp | None], None]


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """How to reach one provider. Times are seconds.

    `api_version` is the version of its own API that a provider wants named (Azure, Anthropic).
    A streamed answer says `SILENCE` at least every `silence_s` in which no chunk came; who hears it
    knows how long that may go on.
    `proxy_url` and `no_proxy` say how https leaves the network (`providers.proxies`).
    """

    provider_id: str
    wire_format: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    api_version: str = ""
    connect_timeout_s: float = 5.0
    first_token_timeout_s: float = 120.0
    between_tokens_timeout_s: float = 60.0
    total_timeout_s: float = 600.0
    silence_s: float = 15.0
    proxy_url: str = field(default="", repr=False)
    no_proxy: str = ""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat completion to be asked of a provider.

    `body` is an OpenAI chat-completions body without `model` and `stream`; every field the
    adapter does not know is passed on unchanged. `model` is the provider's own name;
    `max_output_tokens` and `capabilities` are what the catalogue says of it, where it does.
    `on_wait` is told how to hang up on a provider that has not answered yet, from any thread; then
    `None`, when it has, or will not.
    """

    model: str
    body: Mapping[str, object]
    stream: bool = True
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] = ()
    on_wait: OnWait | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, as the provider counted them.

    `input_tokens` includes cached and cache-write tokens, `output_tokens` includes reasoning;
    `cache_write_tokens` includes those kept for an hour, which cost more than the usual minutes.
    An explicit zero is a zero; a provider that said nothing gives no `Usage` at all.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    cache_write_1h_tokens: int = 0


@dataclass(slots=True)
class Chunk:
    """One piece of an answer. With `stream=False` the whole answer is one chunk.

    `raw` is the provider's own JSON (an OpenAI chunk or completion object) where the wire format
    is OpenAI's, so that `/v1` can relay it without parsing and writing it again; else `None`.
    `tool_calls` are OpenAI tool-call deltas, whose `index` alone tells whose pieces they are:
    adapters see to that. `is_followed` says that the next piece
    is there already, so that what came together can be handed on together. `has_audio` says that it
    is a piece of a spoken answer, which stands in `raw` alone. `beside_chars` are the characters of
    other choices (`n`), which do so too, or of a tool's call in an `event` alone: to be estimated
    where nobody says the usage.

    `details` is what belongs to the reasoning beside its text (signatures, encrypted thoughts), as
    OpenRouter's `reasoning_details`; a client sends it back. `prompt_usage` counts the prompt
    before the answer has begun: it holds for an answer that never gets to say its `usage`.
    `stop_sequence` is the one of the request's that ended it, where the provider tells (Anthropic).
    `blocks` are Anthropic's own of an answer in one piece, where the other fields do not tell all:
    what stood in which order, what a text cites, what tools that run at Anthropic were asked and
    gave. In a stream each `event` of such a block, its name and its JSON in one line, stands beside
    what the other fields tell of it; `is_unknown` is one that cannot be put together with others.
    `ending` is what Anthropic tells of the message at its end and no other field does.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[Mapping[str, object], ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    details: tuple[Mapping[str, object], ...] = ()
    prompt_usage: Usage | None = None
    stop_sequence: str | None = None
    blocks: tuple[Mapping[str, object], ...] = ()
    event: tuple[str, bytes] | None = None
    is_unknown: bool = False
    ending: Mapping[str, object] | None = None
    raw: bytes | None = None
    has_audio: bool = False
    beside_chars: int = 0
    is_followed: bool = field(default=False, compare=False)

    @property
    def is_token(self) -> bool:
        """Whether it is a piece of the answer, in whatever form and of whichever choice."""
        return bool(
            self.text or self.reasoning or self.tool_calls or self.has_audio or self.beside_chars
        )

    @property
    def says_something(self) -> bool:
        """Whether the answer itself has begun: a role, a ping or a count is no part of it."""
        return self.is_token or bool(self.finish_reason)


SILENCE = Chunk()
"""In the place of a chunk: none has come (`ProviderConfig.silence_s`)."""


class ChunkStream(Protocol):
    """Chunks as they come; `close` ends the provider's connection at once, from any thread."""

    def __iter__(self) -> Iterator[Chunk]: ...

    def __next__(self) -> Chunk: ...

    def close(self) -> None:
        """End the call; nothing more comes."""
        ...


@dataclass(frozen=True, slots=True)
class ModelListing:
    """One model as a provider lists it; `None` where the provider does not say."""

    name: str
    display_name: str | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: tuple[str, ...] | None = None


class Provider(Protocol):
    """What an adapter offers. Both methods raise `ProviderError` and its children only."""

    def stream(self, request: ChatRequest) -> ChunkStream:
        """Ask for a completion; returns once the provider accepted (status and headers are in)."""
        ...

    def list_models(self) -> Sequence[ModelListing]:
        """The provider's own model list."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """What an adapter offers besides, if its provider has embeddings."""

    def embed(self, request: ChatRequest) -> ChunkStream:
        """Ask for embeddings: one chunk, whose `raw` is OpenAI's list of them.

        The request's body is OpenAI's embeddings body without `model`.
        """
        ...


class ProviderError(Exception):
    """A call to a provider failed. The message is safe to show: no secret, no upstream body.

    `code` is a stable word for clients, `status` the upstream's HTTP status where there was one,
    `retryable` says whether the same call may succeed later, `retry_after_s` when. What was never
    sent (`was_sent` is false) or was refused cannot have cost anything; where the provider's end
    of it was never seen (`is_unanswered`) it may have.

    ProviderError
    ├── ProviderUnavailable   refused, unreachable, 5xx
    │   ├── ProviderCircuitOpen  it failed so often lately that it is not asked for a while
    │   └── ProviderLost      the connection ended before an answer began
    ├── ProviderTimeout       no connection, no first token, or a pause beyond its limit
    ├── ProviderRateLimited   429
    ├── ProviderAuthFailed    401, 403: Larder's own key is wrong
    ├── ProviderRejected      another 4xx: the request is at fault; shows the upstream's words
    ├── ProviderMalformed     an answer that is not of the wire format
    └── ProviderBroken        the stream ended before its end
    """

    code = "provider_error"
    retryable = False
    is_unanswered = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        param: str | None = None,
        upstream_code: str | None = None,
        was_sent: bool = True,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after_s = retry_after_s
        self.param = param
        self.upstream_code = upstream_code
        self.was_sent = was_sent

    @property
    def may_have_cost(self) -> bool:
        """Whether the provider may have worked on the call, and so charge for its prompt."""
        return self.was_sent and self.is_unanswered


class ProviderUnavailable(ProviderError):
    """Refused, unreachable, or a 5xx."""

    code = "provider_unavailable"
    retryable = True


class ProviderCircuitOpen(ProviderUnavailable):
    """Not asked: the provider failed so often lately that it is left alone for a while."""

    code = "provider_circuit_open"


class ProviderLost(ProviderUnavailable):
    """The connection ended after the request, or part of it, was sent, and before an answer."""

    is_unanswered = True


class ProviderTimeout(ProviderError):
    """A time limit ran out."""

    code = "provider_timeout"
    retryable = True
    is_unanswered = True


class ProviderRateLimited(ProviderError):
    """The provider answered 429."""

    code = "provider_rate_limited"
    retryable = True


class ProviderAuthFailed(ProviderError):
    """The provider refused Larder's own credentials."""

    code = "provider_auth_failed"


class ProviderRejected(ProviderError):
    """The provider found the request itself at fault."""

    code = "provider_rejected"


class ProviderMalformed(ProviderError):
    """The provider's answer is not of its wire format."""

    code = "provider_malformed"
    retryable = True
    is_unanswered = True


class ProviderBroken(ProviderError):
    """The provider's stream ended before its end."""

    code = "provider_broken"
    retryable = True
    is_unanswered = True
