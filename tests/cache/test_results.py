"""Results: bytes with their ETag, a value decoded once, and where it came from in words."""

import threading
from decimal import Decimal

import msgspec
import pytest

from cache.results import (
    CachedResult,
    Outcome,
    ReadPolicy,
    encode_body,
    etag_of,
    read_policy,
    reading,
)


def _result(outcome: Outcome = Outcome.HIT, detail: str = "memory", body: bytes = b"[1]"):
    return CachedResult(body, etag_of(body), outcome, detail, 42, msgspec.json.decode)


def test_money_is_written_as_text():
    """A JSON number would lose digits in a client."""
    assert encode_body({"cost_usd": Decimal("0.10")}) == b'{"cost_usd":"0.10"}'


def test_an_etag_is_quoted_and_depends_on_the_body_alone():
    """Workers agree on it, and clients may send it back after a restart."""
    etag = etag_of(b"[1]")

    assert (etag[0], etag[-1], etag) == ('"', '"', etag_of(bytes(bytearray(b"[1]"))))
    assert etag != etag_of(b"[2]")


def test_a_value_is_decoded_once():
    """Not at all where only the bytes are sent."""
    result = _result()

    assert result.value == [1]
    assert result.value is result.value


def test_a_revised_result_leaves_the_others_their_value():
    """It is of the same read, and what the entry holds is shared."""
    result = _result()
    before = result.value

    other = result.revised([1, 2], b"[1,2]", '"x"')

    assert (other.value, other.body, other.etag) == ([1, 2], b"[1,2]", '"x"')
    assert other.cache_status == result.cache_status
    assert (result.value, before) == ([1], [1])


def test_readers_of_one_entry_share_its_value():
    """The second one does not decode again."""
    kept: list[list[int]] = []
    one, two = (
        CachedResult(b"[1]", "", Outcome.HIT, "memory", 1, msgspec.json.decode, kept)
        for _ in range(2)
    )

    assert one.value is two.value


@pytest.mark.parametrize(
    ("outcome", "detail", "said"),
    [
        (Outcome.HIT, "memory", "larder; hit; ttl=42; detail=memory"),
        (Outcome.HIT, "redis", "larder; hit; ttl=42; detail=redis"),
        (Outcome.STALE, "stamp", "larder; fwd=stale; ttl=42; detail=stamp"),
        (Outcome.BYPASS, "no-store", "larder; fwd=bypass"),
        (Outcome.MISS, "absent", "larder; fwd=miss; stored; ttl=42; detail=absent"),
        (Outcome.MISS, "request", "larder; fwd=request; stored; ttl=42; detail=request"),
    ],
)
def test_cache_status_says_what_happened(outcome, detail, said):
    """In the words of RFC 9211, so that any tool reads it."""
    assert _result(outcome, detail).cache_status == said


def test_what_was_not_kept_is_not_said_to_be():
    """A value over the size limit is loaded again by the next reader: the header says why."""
    large = CachedResult(b"[1]", "", Outcome.MISS, "absent", 42, msgspec.json.decode)
    large.is_stored = False

    assert large.cache_status == "larder; fwd=miss; detail=absent"


def test_a_weaker_class_is_said():
    """Whoever reads the header is not left to think it strict."""
    weaker = CachedResult(
        b"[1]", "", Outcome.HIT, "redis", 42, msgspec.json.decode, freshness="; freshness=ttl"
    )

    assert weaker.cache_status == "larder; hit; ttl=42; detail=redis; freshness=ttl"


def _fail_past_the_cache() -> None:
    with reading(ReadPolicy.BYPASS):
        raise LookupError


def test_a_policy_holds_within_its_block():
    """An inner block's ends with it."""
    with reading(ReadPolicy.BYPASS):
        with reading(ReadPolicy.REFRESH):
            inner = read_policy()
        outer = read_policy()

    assert (inner, outer) == (ReadPolicy.REFRESH, ReadPolicy.BYPASS)


def test_a_policy_ends_with_an_error():
    """The thread's next request reads as always."""
    with pytest.raises(LookupError):
        _fail_past_the_cache()

    assert read_policy() is ReadPolicy.NORMAL


def test_a_policy_is_its_requests_own():
    """One client's `no-store` does not make another one's reads slow."""
    seen: list[ReadPolicy] = []
    with reading(ReadPolicy.BYPASS):
        thread = threading.Thread(target=lambda: seen.append(read_policy()))
        thread.start()
        thread.join()

    assert seen == [ReadPolicy.NORMAL]
