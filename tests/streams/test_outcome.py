"""Chunks put together again: what is booked and kept must be what was streamed."""

from typing import Any

import pytest

from providers.protocol import Chunk, ProviderBroken, Usage
from streams.outcome import Outcome, Tally


def outcome_of(*chunks: Chunk, **end: Any) -> Outcome:
    """What these chunks make."""
    tally = Tally()
    for chunk in chunks:
        tally.add(chunk)
    defaults = {"error": None, "cancelled": False, "first_token_s": None, "duration_s": 0.0}
    return tally.outcome(**{**defaults, **end})


def call(index: int | None, **fields: Any) -> Chunk:
    """A chunk with one delta of a tool call."""
    function = {name: fields.pop(name) for name in ("name", "arguments") if name in fields}
    delta = {**fields, "function": function}
    return Chunk(tool_calls=(delta if index is None else {"index": index, **delta},))


def test_text_and_reasoning_are_joined():
    """The kept message equals the streamed one."""
    outcome = outcome_of(Chunk(text="a", reasoning="x"), Chunk(text="b"), Chunk(reasoning="y"))

    assert (outcome.text, outcome.reasoning) == ("ab", "xy")


def test_the_last_usage_counts_and_zero_is_a_zero():
    """A provider's explicit zero is not `missing`, which would be replaced by an estimate."""
    outcome = outcome_of(Chunk(usage=Usage(5, 1)), Chunk(usage=Usage(0, 0)), Chunk())

    assert outcome.usage == Usage(0, 0)


@pytest.mark.parametrize("how", [{"cancelled": True}, {"error": ProviderBroken("cut")}])
@pytest.mark.parametrize("more", [Chunk(text="b"), Chunk(reasoning="b"), Chunk(beside_chars=1)])
def test_a_usage_is_no_last_word_where_more_came_before_a_cut(how, more):
    """It counted the prompt, and the answer as far as it had come: the rest is not free."""
    counted = Chunk(text="a", usage=Usage(5, 1))

    cut = outcome_of(counted, more, **how)
    cut_at_once = outcome_of(Chunk(text="z"), counted, Chunk(), **how)

    assert (cut.usage, cut.prompt_usage) == (None, Usage(5, 1))
    assert cut_at_once.usage == Usage(5, 1)
    assert outcome_of(counted, more).usage == Usage(5, 1)


def test_silence_about_usage_is_no_usage():
    """So that it is estimated, and marked so."""
    assert outcome_of(Chunk(text="a")).usage is None


def test_the_sequence_that_ended_an_answer_goes_with_its_reason():
    """One that is stopped from outside meanwhile has ended by that."""
    end = Chunk(finish_reason="stop", stop_sequence="END", ending={"of_tomorrow": 1})
    chunks = Chunk(text="a"), end, Chunk()

    assert outcome_of(*chunks).stop_sequence == "END"
    assert outcome_of(*chunks).ending == {"of_tomorrow": 1}
    assert outcome_of(*chunks, cancelled=True).stop_sequence is None
    assert outcome_of(*chunks, cancelled=True).ending is None


def test_halves_of_a_code_point_become_whole():
    """Providers cut emoji over two chunks; what is kept must be writable as UTF-8."""
    assert outcome_of(Chunk(text="é\ud83d"), Chunk(text="\ude00!")).text == "é😀!"


def test_a_lone_half_is_replaced():
    """A cut answer may end in the middle of a code point."""
    assert outcome_of(Chunk(text="a\ud83d")).text == "a\ufffd"


def test_deltas_of_parallel_tool_calls_are_merged_by_index():
    """As OpenAI streams them."""
    outcome = outcome_of(
        call(0, id="c1", type="function", name="f", arguments=""),
        call(1, id="c2", type="function", name="g", arguments=""),
        call(0, arguments='{"a":'),
        call(1, arguments="{}"),
        call(0, arguments="1}"),
    )

    assert outcome.tool_calls == [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


def test_a_repeated_id_continues_its_call():
    """Some providers repeat id and name with each piece."""
    outcome = outcome_of(
        call(0, id="c1", name="f", arguments="{"), call(0, id="c1", name="f", arguments="}")
    )

    assert outcome.tool_calls[0]["function"] == {"name": "f", "arguments": "{}"}


def test_arguments_that_are_no_text_become_text():
    """Ollama sends an object where OpenAI sends JSON text."""
    outcome = outcome_of(call(None, name="f", arguments={"a": 1}))

    assert outcome.tool_calls[0]["function"]["arguments"] == '{"a":1}'


def test_an_error_has_no_finish_reason():
    """A broken answer must not look finished, even if the provider had said so."""
    error = ProviderBroken("cut")

    outcome = outcome_of(Chunk(text="a", finish_reason="stop"), error=error)

    assert (outcome.finish_reason, outcome.error) == (None, error)


def test_a_stopped_answer_is_cancelled():
    """Whatever the provider's word was."""
    assert outcome_of(Chunk(finish_reason="stop"), cancelled=True).finish_reason == "cancelled"


def test_nul_is_left_out():
    """No database stores it; the answer around it is paid for."""
    outcome = outcome_of(Chunk(text="a\x00b", reasoning="\x00"), Chunk(text="\x00c"))

    assert (outcome.text, outcome.reasoning) == ("abc", "")


def test_only_an_answer_in_one_piece_has_a_raw_body():
    """Which is what a call without streaming gives."""
    assert outcome_of(Chunk(raw=b"{}")).raw == b"{}"
    assert outcome_of(Chunk(raw=b"{}"), Chunk(raw=b"{}")).raw is None


def test_the_size_is_that_of_all_text():
    """So that an answer that never reaches the log is bounded too."""
    tally = Tally()

    tally.add(Chunk(text="ab", reasoning="c"))
    tally.add(call(0, id="1", name="f", arguments="defg"))

    assert tally.size == 7


def test_what_other_choices_said_is_counted():
    """They are relayed, and no part of the answer that is kept."""
    tally = Tally()
    for chunk in (Chunk(text="a", beside_chars=3), Chunk(beside_chars=4)):
        tally.add(chunk)

    found = tally.outcome(error=None, cancelled=False, first_token_s=None, duration_s=0.0)

    assert (found.text, found.beside_chars) == ("a", 7)


def test_blocks_are_kept_as_they_came():
    """Whose order the text alone does not tell."""
    blocks = ({"type": "text", "text": "a"}, {"type": "text", "text": "b"})

    assert outcome_of(Chunk(text="ab", blocks=blocks, finish_reason="stop")).blocks == blocks
