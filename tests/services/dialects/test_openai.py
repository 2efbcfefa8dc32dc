"""Answers for OpenAI's clients: relayed, written, or put together from what was kept."""

from decimal import Decimal

import msgspec
import pytest

from providers.protocol import (
    Chunk,
    ProviderBroken,
    ProviderRateLimited,
    ProviderRejected,
    Usage,
)
from services.calls import Bill
from services.dialects.openai import DONE, OpenAIDialect, usage_of
from services.dialects.protocol import Head
from streams.outcome import Outcome

BILL = Bill(Usage(10, 3, cached_tokens=4, reasoning_tokens=1), None, is_estimated=True)
RAW = b'{ "choices": [{"index": 0, "delta": {"content": "a"}}], "id": "c" }'
WHOLE = b'{"id":"c","choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}'


def _dialect(*, include_usage=False):
    return OpenAIDialect(Head("c1", 5, lambda: "acme/m", include_usage=include_usage))


def test_a_providers_own_chunk_is_relayed():
    """Byte for byte."""
    (draft,) = _dialect().chunk(Chunk(text="a", raw=RAW))

    assert draft.data == RAW


@pytest.mark.parametrize(
    ("choices", "is_relayed"),
    [
        (b'[{"index": 1, "delta": {"content": "b"}}]', True),
        (b'[{"index": 1, "delta": {"content": "b\\ud83d"}}]', True),
        (b'[{"index": 0, "delta": {"role": "assistant", "content": ""}}]', True),
        (b'[{"index": 0, "delta": {"annotations": [{"type": "url_citation"}]}}]', True),
        (b'[{"index": 1, "delta": {}, "finish_reason": "stop"}]', True),
        (b'[{"index": 0, "delta": {"content": "", "refusal": null}, "logprobs": null}]', False),
        (b"[]", False),
        (b"null", False),
    ],
)
def test_a_chunk_with_usage_is_held_back_only_if_it_is_nothing_else(choices, is_relayed):
    """Some providers count in every chunk, also in those that nobody here reads."""
    raw = b'{"choices": %b, "usage": {"prompt_tokens": 1, "completion_tokens": 1}}' % choices

    drafts = _dialect().chunk(Chunk(usage=Usage(1, 1), raw=raw))

    assert [each.data for each in drafts] == [raw] * is_relayed


@pytest.mark.parametrize(("index", "is_relayed"), [(0, False), (1, True)])
def test_a_role_behind_the_end_is_nothing_else(index, is_relayed):
    """OpenRouter counts beside one; relayed, the usage would come twice, and be added up."""
    choices = [{"index": index, "delta": {"role": "assistant", "content": ""}}]
    raw = msgspec.json.encode({"choices": choices, "usage": {"prompt_tokens": 1}})
    dialect = _dialect()
    dialect.chunk(Chunk(text="a", finish_reason="stop", raw=RAW))

    assert [each.data for each in dialect.chunk(Chunk(usage=Usage(1, 1), raw=raw))] == (
        [raw] * is_relayed
    )


def test_what_a_provider_says_beside_its_usage_stays():
    """Its id, its timings, what it charges: clients of its own look for them."""
    details = {"prompt_tokens_details": {"cached_tokens": 9, "video_tokens": 2}}
    counted = {"prompt_tokens": 9, "prompt_cache_hit_tokens": 4, "cost": 0.5, **details}
    chunk = {"id": "up", "choices": [{"index": 0, "delta": {}}], "timings": {"n": 1}}
    dialect = _dialect(include_usage=True)
    dialect.chunk(Chunk(usage=Usage(9, 1), raw=msgspec.json.encode({**chunk, "usage": counted})))

    usage, _ = dialect.closing(Outcome(), BILL)

    told = msgspec.json.decode(usage.data)
    ours = usage_of(BILL)
    assert (told["id"], told["choices"], told["timings"]) == ("up", [], {"n": 1})
    assert told["usage"] == {
        **counted,
        **ours,
        "prompt_tokens_details": {
            **details["prompt_tokens_details"],
            **ours["prompt_tokens_details"],
        },
    }


@pytest.mark.parametrize("odd", [b'"\xff"', b"1e999"])
def test_a_usage_is_said_whatever_else_stands_beside_it(odd):
    """What nobody here reads may be broken, and the answer must still end."""
    dialect = _dialect(include_usage=True)
    dialect.chunk(Chunk(usage=Usage(9, 1), raw=b'{"choices": [], "odd": %b}' % odd))

    usage, _ = dialect.closing(Outcome(), BILL)

    assert msgspec.json.decode(usage.data)["usage"] == usage_of(BILL)


def test_a_whole_completion_is_streamed_as_chunks():
    """One that was kept whole and is now wanted as a stream."""
    drafts = _dialect().chunk(Chunk(text="a", raw=WHOLE))

    first, last = [msgspec.json.decode(each.data)["choices"][0] for each in drafts]
    assert first["delta"] == {"content": "a"}
    assert (last["delta"], last["finish_reason"]) == ({}, "stop")


def test_chunks_are_put_together_where_the_whole_is_wanted():
    """One that was kept as a stream."""
    body = msgspec.json.decode(_dialect().whole(Outcome(), BILL, [RAW]))

    assert body["choices"][0]["message"]["content"] == "a"
    assert body["usage"] == usage_of(BILL)


def test_a_completion_that_came_in_the_place_of_a_stream_is_whole_already():
    """Put together as if it were chunks, it would lose its words."""
    assert _dialect().whole(Outcome(text="a", raw=WHOLE), BILL, [WHOLE]) == WHOLE


@pytest.mark.parametrize("include_usage", [True, False])
def test_the_usage_comes_before_the_end_if_it_was_asked_for(include_usage):
    """Under a name of its own."""
    drafts = _dialect(include_usage=include_usage).closing(Outcome(), BILL)

    assert [each.name for each in drafts] == ["usage"] * include_usage + ["done"]
    assert drafts[-1].data == DONE


@pytest.mark.parametrize(("cost", "text"), [(None, None), (Decimal("0.10"), "0.1")])
def test_a_usage_says_what_it_cost(cost, text):
    """A decimal string; null is unpriced."""
    usage = usage_of(Bill(Usage(1, 2), cost, is_estimated=False))

    assert (usage["cost_usd"], usage["total_tokens"]) == (text, 3)


def test_a_usage_says_what_the_prompt_cache_read_and_wrote():
    """As parts of the prompt."""
    bill = Bill(Usage(10, 3, cached_tokens=4, cache_write_tokens=5), None, is_estimated=False)

    assert usage_of(bill)["prompt_tokens_details"] == {
        "cached_tokens": 4,
        "cache_write_tokens": 5,
        "audio_tokens": 0,
    }


def test_a_failure_is_openais_error():
    """Clients raise it."""
    draft = _dialect().failure(ProviderBroken("It broke."))

    assert msgspec.json.decode(draft.data)["error"]["code"] == "provider_broken"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (ProviderBroken("m"), ("api_error", None, "provider_broken")),
        (ProviderRateLimited("m"), ("rate_limit_error", None, "provider_rate_limited")),
        (ProviderRejected("m"), ("invalid_request_error", None, "provider_rejected")),
        (
            ProviderRejected("m", param="messages", upstream_code="context_length_exceeded"),
            ("invalid_request_error", "messages", "context_length_exceeded"),
        ),
    ],
)
def test_a_failure_amid_an_answer_says_of_what_kind_it_is(fault, error):
    """As before the first token: clients act on the code."""
    told = msgspec.json.decode(_dialect().failure(fault).data)["error"]

    assert (told["type"], told["param"], told["code"]) == error
