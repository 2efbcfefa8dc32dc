"""Halves of a code point find each other wherever in an answer they stand."""

import pytest

from providers.characters import WholeCharacters
from providers.protocol import Chunk


def _joined(*chunks):
    characters = WholeCharacters()
    return [characters.joined(each) for each in chunks]


def _call(arguments, index=0, **function):
    return {"index": index, "function": {**function, "arguments": arguments}}


def _arguments(chunks, index=0):
    calls = [call for chunk in chunks for call in chunk.tool_calls if call["index"] == index]
    return [each["function"]["arguments"] for each in calls]


def test_a_chunk_without_halves_is_handed_on_as_it_is():
    """Nearly all are; a copy of each would cost more than reading it."""
    chunk = Chunk(text="😀", reasoning="ü", tool_calls=(_call("{}", name="f"), {"index": 1}))

    assert _joined(chunk)[0] is chunk


def test_halves_in_thoughts_are_put_together():
    """An event with one half could not be written, and the answer would be lost."""
    chunks = _joined(Chunk(reasoning="a\ud83d"), Chunk(text="b"), Chunk(reasoning="\ude00c"))

    assert [(each.reasoning, each.text) for each in chunks] == [("a", ""), ("", "b"), ("😀c", "")]


def test_halves_in_arguments_are_put_together():
    """Of each call by itself: they may be written in turns."""
    chunks = _joined(
        Chunk(tool_calls=(_call('{"a":"\ud83d', name="f"), _call('{"b":"\ud83d', 1))),
        Chunk(tool_calls=(_call('\ude00"}', 1),)),
        Chunk(tool_calls=(_call('\ude01"}'),)),
    )

    assert _arguments(chunks) == ['{"a":"', '😁"}']
    assert _arguments(chunks, 1) == ['{"b":"', '😀"}']
    assert chunks[0].tool_calls[0]["function"]["name"] == "f"


@pytest.mark.parametrize(
    ("call", "mended"),
    [
        (_call("\ude00"), _call("�")),
        (_call({"a": ["\ud83d"]}), _call({"a": ["�"]})),
        (_call("{}", name="\ud83d"), _call("{}", name="�")),
        ({"index": 0, "function": "\ud83d"}, {"index": 0, "function": "\ud83d"}),
    ],
)
def test_a_half_of_a_call_that_has_no_other_half_is_replaced(call, mended):
    """What is no function is read by nobody."""
    assert _joined(Chunk(tool_calls=(call,)))[0].tool_calls == (mended,)


def test_a_first_half_that_the_end_follows_is_replaced():
    """Nothing more comes that could hold the other."""
    (chunk,) = _joined(Chunk(text="a\ud83d", reasoning="b\ud83d", finish_reason="stop"))

    assert (chunk.text, chunk.reasoning) == ("a�", "b�")


def test_a_first_half_that_nothing_of_its_kind_follows_is_dropped():
    """It must not begin another thought behind the answer."""
    chunks = _joined(Chunk(reasoning="a\ud83d"), Chunk(text="b", finish_reason="stop"))

    assert [(each.reasoning, each.text) for each in chunks] == [("a", ""), ("", "b")]
