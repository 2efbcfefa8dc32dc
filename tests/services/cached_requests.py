"""Requests of one kind sent again and again, as tests of the response cache send them."""

from typing import Any

from tests.doubles.api_client import ApiClient

__all__ = ["CHAT", "HELLO", "MESSAGES", "ON", "asked", "how_met"]

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
HELLO = [{"role": "user", "content": "hello"}]
ON = {"cache": {"ttl": 600}}


def asked(
    client: ApiClient,
    model: str = "up/echo",
    path: str = CHAT,
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> Any:
    """The answer to a request that turns the cache on, as far as `fields` say nothing else."""
    limit = {"max_tokens": 50} if path == MESSAGES else {}
    body = {"model": model, "messages": HELLO, **limit, **ON, **fields}
    return client.post(path, json=body, headers=headers or {}, buffered=True)


def how_met(*answers: Any) -> list[str]:
    """How each of these answers, all good ones, met the response cache."""
    assert {each.status_code for each in answers} == {200}
    return [each.headers["X-Larder-Cache"] for each in answers]
