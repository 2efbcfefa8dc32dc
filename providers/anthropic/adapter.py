"""The adapter of a provider that speaks Anthropic's Messages API.

https://platform.claude.com/docs/en/api/messages
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from providers.answer import Answer
from providers.anthropic.answers import answer_of
from providers.anthropic.requests import messages_body
from providers.numbers import token_count
from providers.protocol import (
    ChatRequest,
    ModelListing,
    ProviderConfig,
    ProviderMalformed,
    ProviderRejected,
)
from providers.transport import Transport

__all__ = ["AnthropicProvider"]

API_VERSION = "2023-06-01"
"""The version whose fields are translated here; newer ones refuse some, such as `temperature`."""
BETA = re.compile(r"[A-Za-z0-9._-]{1,100}")
PAGE = 1000
MAX_PAGES = 20
ALWAYS = ("chat", "streaming", "tools")
CAPABILITIES = {
    "image_input": "vision",
    "pdf_input": "files",
    "thinking": "thinking",
    "effort": "effort",
    "structured_outputs": "structured_outputs",
}


class AnthropicProvider:
    """The adapter of one provider."""

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._transport = Transport(config)
        self._root = "" if config.base_url.rstrip("/").endswith("/v1") else "/v1"

    def stream(self, request: ChatRequest) -> Answer:
        """Ask for a message; returns once the provider accepted.

        Raises:
            ProviderError: it did not, or the request cannot be said in this format.
        """
        try:
            body = messages_body(request)
            betas = _betas(body.pop("anthropic_beta", None))
        except ProviderRejected as fault:  # by us: another model may take it
            fault.was_sent = False
            raise
        reply = self._transport.send(
            "POST",
            f"{self._root}/messages",
            body=body,
            headers=self._headers() | betas,
            is_written_first=not request.stream,
            on_wait=request.on_wait,
        )
        return answer_of(reply, self._config.api_key, is_streamed=request.stream)

    def list_models(self) -> Sequence[ModelListing]:
        """The provider's own list, page by page.

        Raises:
            ProviderError: it could not be had.
        """
        listed: list[ModelListing] = []
        after = ""
        for _ in range(MAX_PAGES):
            page = self._page(after)
            rows = page.get("data")
            if not isinstance(rows, list):
                raise ProviderMalformed("The provider's model list is not a list.")
            listed += [each for each in map(_listing, rows) if each is not None]
            last = page.get("last_id")
            if page.get("has_more") is not True or not isinstance(last, str) or last == after:
                break
            after = last
        return listed

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    def _page(self, after: str) -> dict[str, Any]:
        asked = urlencode({"limit": PAGE, **({"after_id": after} if after else {})})
        reply = self._transport.send("GET", f"{self._root}/models?{asked}", headers=self._headers())
        try:
            found = msgspec.json.decode(reply.whole())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            raise ProviderMalformed("The provider's model list is not JSON.") from fault
        if not isinstance(found, dict):
            raise ProviderMalformed("The provider's model list is not a list.")
        return found

    def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "larder",
            "anthropic-version": self._config.api_version or API_VERSION,
        }
        if self._config.api_key:
            headers["x-api-key"] = self._config.api_key
        return headers


def _betas(said: Any) -> dict[str, str]:
    """What turns a request's betas on."""
    names = [said] if isinstance(said, str) else said or []
    if not isinstance(names, list) or not all(map(_is_beta, names)):
        raise ProviderRejected("It must be a list of names.", param="anthropic_beta")
    return {"anthropic-beta": ",".join(names)} if names else {}


def _is_beta(name: Any) -> bool:
    return isinstance(name, str) and BETA.fullmatch(name) is not None


def _listing(row: Any) -> ModelListing | None:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str) or not row["id"]:
        return None
    if row.get("lifecycle") == "retired":  # kept in the list as history; calls to it fail
        return None
    named = row.get("display_name")
    return ModelListing(
        name=row["id"],
        display_name=named if isinstance(named, str) else None,
        context_window=token_count(row.get("max_input_tokens")) or None,
        max_output_tokens=token_count(row.get("max_tokens")) or None,
        capabilities=_capabilities(row.get("capabilities")),
    )


def _capabilities(told: Any) -> tuple[str, ...] | None:
    """What a model can do, in the catalogue's words; `None` where nothing is said."""
    if not isinstance(told, dict):
        return None
    found = [word for name, word in CAPABILITIES.items() if _is_supported(told.get(name))]
    kinds = told["thinking"].get("types") if "thinking" in found else None
    if isinstance(kinds, dict) and _is_supported(kinds.get("adaptive")):
        found.append("adaptive_thinking")
    return (*ALWAYS, *found)


def _is_supported(told: Any) -> bool:
    return isinstance(told, dict) and told.get("supported") is True
