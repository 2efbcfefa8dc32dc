"""What a failure means: away or only refused, elsewhere or not, and the word for it."""

import ssl

import pytest
from redis.exceptions import (
    ClusterDownError,
    ConnectionError,  # noqa: A004 (redis-py's own name)
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    TimeoutError,  # noqa: A004 (redis-py's own name)
)

from cache.redis_faults import (
    SlowAnswers,
    detail_of,
    is_away,
    is_elsewhere,
    is_of_another_type,
    reason_of,
)
from tests.doubles.redis_tier import OUTAGES, REFUSALS


def _caused(fault: Exception, by: BaseException) -> Exception:
    fault.__cause__ = by
    return fault


@pytest.mark.parametrize(
    ("fault", "away"),
    [
        (SlowAnswers("slow"), True),
        *((fault, True) for fault in OUTAGES),
        *((fault, False) for fault in REFUSALS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_away(fault, away):
    """One command's refusal is no outage; neither is a limit of our own."""
    assert is_away(fault) is away


@pytest.mark.parametrize(
    ("fault", "elsewhere"),
    [(ReadOnlyError(), True), (ClusterDownError(""), True), (TimeoutError(), False)],
    ids=lambda value: type(value).__name__,
)
def test_what_is_elsewhere(fault, elsewhere):
    """Then the servers have to be looked up anew."""
    assert is_elsewhere(fault) is elsewhere


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        *(OUTAGES | REFUSALS).items(),
        (_caused(ConnectionError("Error 1"), ssl.SSLCertVerificationError()), "CertificateRefused"),
        (_caused(ConnectionError("Error 1"), ssl.SSLError()), "TlsRefused"),
        (
            _caused(
                RedisClusterException("no node"),
                _caused(ConnectionError("Error 1"), ssl.SSLCertVerificationError()),
            ),
            "CertificateRefused",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_word_for_it(fault, word):
    """What an operator has to mend; the class alone would say «ConnectionError» of most."""
    assert reason_of(fault) == word


@pytest.mark.parametrize(
    ("fault", "is_another"),
    [
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), True),
        (ResponseError("ERR unknown command"), False),
        (ConnectionError("refused"), False),
    ],
    ids=["another type", "another refusal", "an outage"],
)
def test_what_is_no_string(fault, is_another):
    """A single command's refusal that says what stands there."""
    assert is_of_another_type(fault) is is_another


def test_a_circle_of_causes_ends():
    """Whatever libraries do."""
    one, two = ConnectionError("one"), ConnectionError("two")
    one.__cause__, two.__cause__ = two, one

    assert reason_of(one) == "ConnectionError"


def test_what_was_said_is_bounded():
    """A server's own words are not trusted to be few."""
    assert len(detail_of(ResponseError("x" * 10_000))) == 200
