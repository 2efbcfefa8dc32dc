"""An OpenAI-compatible server whose behaviour is chosen by the model's name; real HTTP on loopback.

It echoes the last user message word by word, counts words as tokens, checks the key, and keeps the
requests it got. `python -m tests.doubles.openai_server` runs it as a process of its own.
"""

import base64
import json
import struct
import threading
import time
from typing import Any

from tests.doubles.provider_server import ProviderHandler, ProviderServer, serve

__all__ = ["KEY", "MODELS", "OpenAIServer"]

KEY = "sk-upstream-secret-key"
MODELS = (
    "echo", "slow", "stall", "break", "malformed", "no-done", "usage-zero", "usage-none",
    "usage-everywhere", "surrogate", "error-object", "tools", "parallel", "unnumbered",
    "reasoning", "long", "silent",
    "status-400", "status-401", "status-404", "status-429", "status-500",
)  # fmt: skip
PAUSE_S = 0.05
STALL_S = 30.0


class _Handler(ProviderHandler):
    server: "OpenAIServer"

    def do_GET(self) -> None:  # noqa: N802 (http.server's name)
        """`/v1/models`, and what was asked so far."""
        if self.path == "/_requests":
            self.answer(200, self.server.requests)
        elif self._is_known():
            rows = [{"id": each, "object": "model", "owned_by": "double"} for each in MODELS]
            self.answer(200, {"object": "list", "data": rows})

    def do_POST(self) -> None:  # noqa: N802 (http.server's name)
        """`/v1/chat/completions`."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.server.requests.append(body)
        if not self._is_known():
            return
        model = body["model"]
        if model.startswith("status-"):
            self._refuse(int(model.removeprefix("status-")))
        elif self.path.endswith("/embeddings"):
            self._embed(model, body)
        elif model == "silent":
            self.server.ended.wait(STALL_S)
        elif body.get("stream"):
            self._stream(model, body)
        else:
            self._whole(model, body)

    def _is_known(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {KEY}":
            return True
        self._refuse(401)
        return False

    def _refuse(self, status: int) -> None:
        words = {"message": f"status {status} for {KEY}", "type": "t", "param": "p", "code": "c"}
        self.answer(status, {"error": words}, {"Retry-After": "11"} if status == 429 else {})

    def _whole(self, model: str, body: dict[str, Any]) -> None:
        words = _words(body)
        message: dict[str, Any] = {"role": "assistant", "content": "".join(words)}
        reason = "stop"
        if model == "tools":
            message, reason = (
                {"role": "assistant", "content": None, "tool_calls": [_TOOL]},
                "tool_calls",
            )
        choice = {"message": message, "finish_reason": reason, "logprobs": _logprobs(body, words)}
        choices = [{"index": index, **choice} for index in range(body.get("n") or 1)]
        self.answer(
            200,
            {"id": "cmpl-1", "object": "chat.completion", "created": 1, "model": model,
             "choices": choices, "usage": _usage(body, words)},
        )  # fmt: skip

    def _embed(self, model: str, body: dict[str, Any]) -> None:
        """A vector of each text's length; a zero usage for `usage-zero`, none for `usage-none`."""
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        vectors = [[float(len(each)), 0.5] for each in texts]
        pack = _packed if body.get("encoding_format") == "base64" else list
        rows = [
            {
                "object": "embedding",
                "index": place,
                "embedding": pack(each),
            }
            for place, each in enumerate(vectors)
        ]
        count = 0 if model == "usage-zero" else sum(len(each.split()) for each in texts)
        answer = {"object": "list", "model": model, "data": rows}
        usage = {"usage": {"prompt_tokens": count, "total_tokens": count}}
        self.answer(200, answer if model == "usage-none" else {**answer, **usage})

    def _stream(self, model: str, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for line in _lines(model, body):
                if line is None:
                    self.server.ended.wait(STALL_S)
                elif line == b"":
                    self.close_connection = True
                    return
                else:
                    self._send(line)
                if model == "slow":
                    time.sleep(PAUSE_S)  # noqa: TID251 (a slow provider is slow)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True
            self.server.hung_up.set()

    def _send(self, line: bytes) -> None:
        frame = b"data: " + line + b"\n\n"
        self.wfile.write(b"%x\r\n%b\r\n" % (len(frame), frame))


_TOOL = {
    "index": 0, "id": "call_1", "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
}  # fmt: skip


_FIRST = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
_SECOND = {**_FIRST, "id": "call_2"}
_CALLS: dict[str, list[list[dict[str, Any]]]] = {
    "tools": [[_TOOL]],
    "parallel": [  # interleaved
        [{"index": 0, **_FIRST}, {"index": 1, **_SECOND}],
        [{"index": 1, "function": {"arguments": '{"city":'}}],
        [{"index": 0, "function": {"arguments": '{"city": "Os'}}],
        [{"index": 1, "function": {"arguments": ' "Rome"}'}}],
        [{"index": 0, "function": {"arguments": 'lo"}'}}],
    ],
    "unnumbered": [
        [{"index": 0, **_FIRST}],
        [{"index": 0, "function": {"arguments": '{"city": "Oslo"}'}}],
        [{"index": 0, **_SECOND}],
        [{"index": 0, "function": {"arguments": '{"city": "Rome"}'}}],
    ],
}


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _words(body: dict[str, Any]) -> list[str]:
    said = [each for each in body["messages"] if each["role"] == "user"][-1]["content"]
    text = said if isinstance(said, str) else said[0]["text"]
    if (body.get("response_format") or {}).get("type") == "json_schema":
        return ['{"said"', f': "{text}"', "}"]
    count = 1000 if body["model"] == "long" else 0
    return ["You ", "said: ", *(f"{word} " for word in text.split()), *(["more "] * count)]


def _logprobs(body: dict[str, Any], words: list[str]) -> dict[str, Any] | None:
    """Half a chance for each word, where that is asked for."""
    if not body.get("logprobs"):
        return None
    chance: dict[str, Any] = {"logprob": -0.69, "bytes": None, "top_logprobs": []}
    return {"content": [{"token": each, **chance} for each in words], "refusal": None}


def _usage(body: dict[str, Any], words: list[str]) -> dict[str, Any]:
    asked = sum(len(str(each["content"]).split()) for each in body["messages"])
    if body["model"] == "usage-zero":
        asked, words = 0, []
    return {
        "prompt_tokens": asked, "completion_tokens": len(words),
        "total_tokens": asked + len(words),
        "prompt_tokens_details": {"cached_tokens": 1 if asked else 0},
    }  # fmt: skip


def _chunk(model: str, delta: dict[str, Any], **more: Any) -> bytes:
    reason, index = more.pop("finish_reason", None), more.pop("index", 0)
    choice = {"index": index, "delta": delta, "finish_reason": reason}
    if chances := more.pop("logprobs", None):
        choice["logprobs"] = chances
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model,
             "choices": [choice], **more}  # fmt: skip
    return json.dumps(chunk).encode()


def _lines(model: str, body: dict[str, Any]) -> Any:  # noqa: C901 (one list of faults)
    """What is sent, line by line; `None` stalls, empty bytes hang up."""
    words = _words(body)
    if model in _CALLS:
        calls = [{"role": "assistant", "tool_calls": each} for each in _CALLS[model]]
        yield from [_chunk(model, each) for each in calls]
        yield _chunk(model, {}, finish_reason="tool_calls")
        yield json.dumps({"choices": [], "usage": _usage(body, words)}).encode()
        yield b"[DONE]"
        return
    if model == "reasoning":
        yield _chunk(model, {"reasoning_content": "Let me think. "})
    if model == "surrogate":
        yield _chunk(model, {"content": "\ud83d"})
        yield _chunk(model, {"content": "\ude00"})
    for number, word in enumerate(words):
        if number == 2:
            if model == "stall":
                yield None
            if model == "break":
                yield b""
            if model == "malformed":
                yield b'{"choices": [{"delta": '
            if model == "error-object":
                yield json.dumps({"error": {"message": "overloaded", "type": "server"}}).encode()
        more = {"usage": _usage(body, words)} if model == "usage-everywhere" else {}
        for index in range(body.get("n") or 1):
            chances = _logprobs(body, [word])
            yield _chunk(model, {"content": word}, index=index, logprobs=chances, **more)
    yield _chunk(model, {}, finish_reason="stop")
    if model == "no-done":
        return
    options = body.get("stream_options") or {}
    if options.get("include_usage") and model not in {"usage-none", "usage-everywhere"}:
        usage = {"id": "u", "object": "chat.completion.chunk", "created": 1, "model": model,
                 "choices": [], "usage": _usage(body, words)}  # fmt: skip
        yield json.dumps(usage).encode()
    yield b"[DONE]"


class OpenAIServer(ProviderServer):
    """The server; `start` runs it in a thread, `close` ends it with all that stalls."""

    handler = _Handler
    path = "/v1"

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.ended = threading.Event()
        self.hung_up = threading.Event()

    def close(self) -> None:
        """End it."""
        self.ended.set()
        super().close()


if __name__ == "__main__":
    serve(OpenAIServer)
