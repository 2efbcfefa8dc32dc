"""The built-in provider echoes, counts, and never claims to be more."""

import pytest

from providers.demo import DemoProvider
from providers.protocol import ChatRequest, ProviderConfig, Usage

PREAMBLE = "I am not a language model, only an echo. You said: "


def _answered(messages, *, stream=True):
    provider = DemoProvider(ProviderConfig("demo", "demo"))
    return list(provider.stream(ChatRequest("echo", {"messages": messages}, stream=stream)))


def test_it_streams_word_by_word_and_ends_once():
    """A front end can be tried offline with it: many pieces, one end, the usage at the end."""
    chunks = _answered([{"role": "user", "content": "good  morning\nall"}])

    assert "".join(each.text for each in chunks) == PREAMBLE + "good  morning\nall"
    assert len(chunks) == 14
    assert [each.finish_reason for each in chunks] == [None] * 13 + ["stop"]
    assert [each.usage for each in chunks[:-1]] == [None] * 13
    assert chunks[-1].usage == Usage(input_tokens=3, output_tokens=14)


def test_unstreamed_it_answers_in_one_chunk():
    """The protocol: with `stream=False` the whole answer is one chunk."""
    (chunk,) = _answered([{"role": "user", "content": "hello"}], stream=False)

    assert chunk.text == PREAMBLE + "hello"
    assert (chunk.finish_reason, chunk.usage) == ("stop", Usage(1, 12))


def test_it_echoes_the_last_thing_the_user_said():
    """Not the system prompt, not its own answer; all of them count as input."""
    chunks = _answered(
        [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": [{"type": "text", "text": "three"}, {"type": "image_url"}]},
            {"role": "assistant", "content": "four"},
        ]
    )

    assert "".join(each.text for each in chunks) == PREAMBLE + "three"
    assert chunks[-1].usage.input_tokens == 6


@pytest.mark.parametrize(
    "messages",
    [None, [], "text", [None, 7], [{"role": "user"}], [{"role": "user", "content": [{}, 5]}]],
)
def test_it_cannot_fail(messages):
    """Whatever a client sends under `/v1`, the demo answers."""
    chunks = _answered(messages)

    assert "".join(each.text for each in chunks) == PREAMBLE
    assert chunks[-1].finish_reason == "stop"


def test_after_close_nothing_more_comes():
    """A stopped answer stops."""
    provider = DemoProvider(ProviderConfig("demo", "demo"))
    body = {"messages": [{"role": "user", "content": "a b c"}]}
    stream = provider.stream(ChatRequest("echo", body))
    next(stream)

    stream.close()

    assert list(stream) == []


def test_its_one_model_says_that_it_is_a_demo():
    """The catalogue shows the name to people."""
    (listed,) = DemoProvider(ProviderConfig("demo", "demo")).list_models()

    assert (listed.name, listed.display_name) == ("echo", "Echo (offline demo)")
    assert listed.capabilities == ("chat", "streaming")
