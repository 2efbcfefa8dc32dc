"""OpenAI's chat-completions wire format, with the dialects of those who speak it nearly.

https://platform.openai.com/docs/api-reference/chat

What the dialects do differently within a chunk is read in `providers.chat_chunks`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from providers.answer import END, Answer, streamed, unstreamed
from providers.characters import WholeCharacters
from providers.chat_chunks import streamed_chunk, whole_chunk
from providers.embeddings import embeddings
from providers.numbers import token_count
from providers.protocol import (
    ChatRequest,
    Chunk,
    ModelListing,
    ProviderConfig,
    ProviderMalformed,
    ProviderRejected,
)
from providers.reply import Reply
from providers.sse import ServerEvent
from providers.tool_calls import CallIndexes
from providers.transport import Transport

__all__ = ["OpenAIProvider"]

DONE = b"[DONE]"
PING = "ping"
MAX_MODELS = 10_000
WINDOW_FIELDS = ("context_window", "context_length", "max_model_len", "max_context_length")


class OpenAIProvider:
    """The adapter of one provider that speaks OpenAI's format."""

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._transport = Transport(config)
        self._refuse_to_count: set[str] = set()

    def stream(self, request: ChatRequest) -> Answer:
        """Ask for a completion; returns once the provider accepted.

        Raises:
            ProviderError: it did not.
        """
        is_to_count = request.stream and request.model not in self._refuse_to_count
        try:
            reply = self._completing(request, is_to_count=is_to_count)
        except ProviderRejected as fault:
            if not (is_to_count and _is_of_counting(fault)):
                raise
            reply = self._completing(request, is_to_count=False)
            self._refuse_to_count.add(request.model)  # it counts unasked (Mistral), or never
        return Answer(reply, _chunks(reply, self._config.api_key, is_streamed=request.stream))

    def _completing(self, request: ChatRequest, *, is_to_count: bool) -> Reply:
        """Send a request, with the wish that a stream ends with its usage where `is_to_count`."""
        body: dict[str, Any] = {**request.body, "model": request.model, "stream": request.stream}
        if is_to_count:
            options = request.body.get("stream_options")
            known = options if isinstance(options, Mapping) else {}
            body["stream_options"] = {**known, "include_usage": True}
        return self._transport.send(
            "POST",
            self._path("/chat/completions", request.model),
            body=body,
            headers=self._headers(request.stream),
            is_written_first=not request.stream,
            on_wait=request.on_wait,
        )

    def embed(self, request: ChatRequest) -> Answer:
        """Ask for embeddings; returns once the provider accepted.

        Raises:
            ProviderError: it did not.
        """
        body: dict[str, Any] = {**request.body, "model": request.model}
        headers = self._headers(False)
        reply = self._transport.send(
            "POST",
            self._path("/embeddings", request.model),
            body=body,
            headers=headers,
            is_written_first=True,
            on_wait=request.on_wait,
        )
        return Answer(reply, embeddings(reply))

    def list_models(self) -> Sequence[ModelListing]:
        """The provider's own list.

        Raises:
            ProviderError: it could not be had.
        """
        raw = self._transport.send(
            "GET", self._path("/models", ""), headers=self._headers(False)
        ).whole()
        try:
            found = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError) as fault:
            raise ProviderMalformed("The provider's model list is not JSON.") from fault
        rows = found.get("data") if isinstance(found, dict) else found
        if not isinstance(rows, list):
            raise ProviderMalformed("The provider's model list is not a list.")
        return [each for each in map(_listing, rows[:MAX_MODELS]) if each is not None]

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    def _path(self, path: str, model: str) -> str:
        """Where `model` is asked, behind the base URL."""
        del model
        return path

    def _headers(self, streamed: bool) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if streamed else "application/json",
            "User-Agent": "larder",
            **self._key(),
        }

    def _key(self) -> dict[str, str]:
        """The header with the credentials; none without any."""
        key = self._config.api_key
        return {"Authorization": f"Bearer {key}"} if key else {}


def _is_of_counting(fault: ProviderRejected) -> bool:
    """Whether a request was refused for its wish to be counted, which cost nothing."""
    words = f"{fault.message} {fault.param}"
    return "stream_options" in words or "include_usage" in words


def _chunks(reply: Reply, secret: str, *, is_streamed: bool) -> Iterator[Chunk]:
    characters, indexes = WholeCharacters(), CallIndexes()

    def chunk_of(event: ServerEvent) -> Chunk | None:
        if event.data.strip() == DONE:
            return END
        if event.name == PING:
            return None
        chunk = streamed_chunk(event, secret)
        if chunk.tool_calls:
            indexes.settle(chunk)
        return characters.joined(chunk)

    def chunk_of_whole(raw: bytes) -> Chunk:
        return characters.joined(whole_chunk(raw, secret))

    if is_streamed:
        return streamed(reply, chunk_of, chunk_of_whole)
    return unstreamed(reply, chunk_of_whole)


def _listing(row: Any) -> ModelListing | None:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str) or not row["id"]:
        return None
    windows = [token_count(row.get(name)) for name in WINDOW_FIELDS]
    told = row.get("capabilities")
    named = row.get("display_name") or row.get("name")
    return ModelListing(
        name=row["id"],
        display_name=named if isinstance(named, str) else None,
        context_window=next((each for each in windows if each), None),
        max_output_tokens=token_count(row.get("max_output_tokens")),
        capabilities=tuple(filter(None, map(str, told))) if isinstance(told, list) else None,
    )
