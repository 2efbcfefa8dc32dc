"""A server of Anthropic's Messages API, its behaviour chosen by the model's name; real HTTP.

It echoes the last thing said word by word, counts words as tokens, checks key and version, and
keeps the requests it got. That it speaks the format is shown by the official client, which talks to
it in a test. `python -m tests.doubles.anthropic_server` runs it as a process of its own.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.doubles.provider_server import ProviderHandler, ProviderServer, serve

__all__ = ["KEY", "MODELS", "AnthropicServer"]

KEY = "sk-ant-upstream-secret-key"
MODELS = (
    "echo", "thinking", "redacted", "tools", "no-arguments", "cached", "overloaded-later", "break",
    "long-answer", "refusal", "interleaved", "searching", "paused", "compacting", "mirror",
    "status-400", "status-401", "status-429", "status-529",
)  # fmt: skip
PAGE = 5
ERRORS = {
    400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error",
    429: "rate_limit_error", 500: "api_error", 529: "overloaded_error",
}  # fmt: skip
STOPS = {"tools": "tool_use", "no-arguments": "tool_use", "interleaved": "tool_use",
         "long-answer": "max_tokens", "refusal": "refusal", "searching": "tool_use",
         "paused": "pause_turn"}  # fmt: skip
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search",
          "input": {"query": "Oslo"}}  # fmt: skip
FOUND = {
    "type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "caller": {"type": "direct"},
    "content": [{"type": "web_search_result", "url": "https://x.test", "title": "Oslo",
                 "encrypted_content": "enc==", "page_age": None}],
}  # fmt: skip
CITED = {
    "type": "text", "text": "It is sunny.",
    "citations": [{"type": "web_search_result_location", "url": "https://x.test", "title": "Oslo",
                   "encrypted_index": "idx==", "cited_text": "sunny"}],
}  # fmt: skip
COMPACTED = {"type": "compaction", "content": "All that was said.", "encrypted_content": "enc=="}
CONTAINER = {"id": "container_1", "expires_at": "2026-01-01T00:00:00Z"}


class _Handler(ProviderHandler):
    server: "AnthropicServer"

    def do_GET(self) -> None:  # noqa: N802 (http.server's name)
        """`/v1/models`, a page at a time."""
        path = urlsplit(self.path)
        if path.path == "/v1/models" and self._is_known():
            asked = parse_qs(path.query)
            after = asked.get("after_id", [""])[0]
            begin = MODELS.index(after) + 1 if after else 0
            names = MODELS[begin : begin + min(PAGE, int(asked.get("limit", ["20"])[0]))]
            self.answer(
                200,
                {"data": [_model(each) for each in names], "first_id": names[0],
                 "last_id": names[-1], "has_more": names[-1] != MODELS[-1]},
            )  # fmt: skip

    def do_POST(self) -> None:  # noqa: N802 (http.server's name)
        """`/v1/messages`."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.server.requests.append(body)
        self.server.versions.append(self.headers.get("anthropic-version"))
        if not self._is_known():
            return
        model = body["model"]
        if model.startswith("status-"):
            self._refuse(int(model.removeprefix("status-")))
        elif not isinstance(body.get("max_tokens"), int):
            self._refuse(400, "max_tokens: Field required")
        elif body.get("stream"):
            self._stream(body)
        else:
            self.answer(200, _message(body, _blocks(body), STOPS.get(model, "end_turn")))

    def _is_known(self) -> bool:
        if not self.headers.get("anthropic-version"):
            self._refuse(400, "anthropic-version: header is required")
            return False
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if KEY in {self.headers.get("x-api-key"), bearer}:
            return True
        self._refuse(401)
        return False

    def _refuse(self, status: int, words: str = "") -> None:
        error = {"type": ERRORS[status], "message": words or f"status {status} for {KEY}"}
        # Longer than Larder waits by default, so that no test does.
        later = {"Retry-After": "11"} if status in {429, 529} else {}
        self.answer(status, {"type": "error", "error": error, "request_id": "req_1"}, later)

    def _stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for event in _events(body):
                if event is None:
                    self.close_connection = True
                    return
                frame = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(frame), frame))
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True


def _model(name: str) -> dict[str, Any]:
    yes, no = {"supported": True}, {"supported": False}
    return {
        "type": "model", "id": name, "display_name": f"The {name}", "max_tokens": 4096,
        "created_at": "2026-01-01T00:00:00Z", "max_input_tokens": 200_000, "lifecycle": "active",
        "line": None, "deprecated_at": None, "retires_at": None,
        "capabilities": {
            "batch": yes, "citations": yes, "code_execution": no, "image_input": yes,
            "context_management": no, "effort": no, "pdf_input": no, "server_tools": no,
            "structured_outputs": yes,
            "thinking": {**yes, "types": {"adaptive": no, "enabled": yes}},
        },
    }  # fmt: skip


def _said(message: dict[str, Any]) -> list[str]:
    said = message["content"]
    blocks = [{"text": said}] if isinstance(said, str) else said
    texts = (str(each.get("text") or each.get("content") or "") for each in blocks)
    return " ".join(texts).split()


def _words(body: dict[str, Any]) -> list[str]:
    return ["You ", "said: ", *(f"{word} " for word in _said(body["messages"][-1]))]


def _blocks(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The answer's blocks by the model's name."""
    text: dict[str, Any] = {"type": "text", "text": "".join(_words(body)), "citations": None}
    call = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}
    thought = {"type": "thinking", "thinking": "Let me see.", "signature": "sig=="}
    hidden = {"type": "redacted_thinking", "data": "enc=="}
    by_model: dict[str, list[dict[str, Any]]] = {
        "thinking": [thought, text],
        "redacted": [hidden, text],
        "interleaved": [thought, text, hidden, call],
        "tools": [text, call, {**call, "id": "toolu_2", "input": {"city": "Rome"}}],
        "no-arguments": [{**call, "input": {}}],
        "searching": [text, SEARCH, FOUND, CITED, {**call, "caller": {"type": "direct"}}],
        "paused": [text, SEARCH],
        "compacting": [COMPACTED, text],
        "mirror": [{**text, "text": json.dumps(body)}],
    }
    return by_model.get(body["model"], [text])


def _usage(body: dict[str, Any], written: int) -> dict[str, Any]:
    asked = sum(len(_said(each)) for each in body["messages"])
    usage: dict[str, Any] = {
        "input_tokens": asked, "output_tokens": written, "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0, "service_tier": "standard",
    }  # fmt: skip
    if body["model"] == "searching":
        usage["server_tool_use"] = {"web_search_requests": 1, "web_fetch_requests": 0}
    if body["model"] == "cached":
        usage |= {
            "input_tokens": 10, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 300,
            "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 100},
        }  # fmt: skip
    return usage


def _message(
    body: dict[str, Any], blocks: list[dict[str, Any]], stop: str | None
) -> dict[str, Any]:
    container = {"container": CONTAINER} if stop and body["model"] == "paused" else {}
    return {
        **container, "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"],
        "content": blocks, "stop_reason": stop, "stop_sequence": None,
        "usage": _usage(body, len(_words(body)) if stop else 1),
    }  # fmt: skip


def _pieces(block: dict[str, Any], words: list[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it begins, and the deltas that fill it."""
    if block["type"] in {"tool_use", "server_tool_use"}:
        whole = json.dumps(block["input"]) if block["input"] else ""
        parts = ["", whole[:5], whole[5:]]
        deltas = [{"type": "input_json_delta", "partial_json": each} for each in parts]
        return {**block, "input": {}}, deltas
    if block["type"] == "thinking":
        thoughts = [{"type": "thinking_delta", "thinking": each} for each in ("Let me ", "see.")]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*thoughts, signed]
    if block["type"] == "compaction":
        told = {"content": block["content"], "encrypted_content": block["encrypted_content"]}
        return {"type": "compaction"}, [{"type": "compaction_delta", **told}]
    if block.get("citations"):
        cited = [{"type": "citations_delta", "citation": each} for each in block["citations"]]
        said = {"type": "text_delta", "text": block["text"]}
        return {"type": "text", "text": "", "citations": []}, [*cited, said]
    if block["type"] == "text":
        return {**block, "text": ""}, [{"type": "text_delta", "text": each} for each in words]
    return block, []


def _events(body: dict[str, Any]) -> Iterator[dict[str, Any] | None]:
    """What is sent, event by event; `None` hangs up."""
    model = body["model"]
    yield {"type": "message_start", "message": _message(body, [], None)}
    yield {"type": "ping"}
    for index, block in enumerate(_blocks(body)):
        begun, deltas = _pieces(block, _words(body))
        yield {"type": "content_block_start", "index": index, "content_block": begun}
        for number, delta in enumerate(deltas):
            if number == 2 and model == "break":
                yield None
            if number == 2 and model == "overloaded-later":
                error = {"type": "overloaded_error", "message": "Overloaded"}
                yield {"type": "error", "error": error}
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    last = _message(body, [], STOPS.get(model, "end_turn"))
    end = {
        name: last[name] for name in ("stop_reason", "stop_sequence", "container") if name in last
    }
    usage = {"output_tokens": len(_words(body))}
    if "server_tool_use" in last["usage"]:
        usage["server_tool_use"] = last["usage"]["server_tool_use"]
    yield {"type": "message_delta", "delta": end, "usage": usage}
    yield {"type": "message_stop"}


class AnthropicServer(ProviderServer):
    """The server; `start` runs it in a thread, `close` ends it."""

    handler = _Handler

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.versions: list[str | None] = []


if __name__ == "__main__":
    serve(AnthropicServer)
