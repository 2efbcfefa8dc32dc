"""Answers of models as responses."""

from datetime import UTC, datetime

import pytest

from blueprints.http.replies import framing, respond
from services.completions import Reply
from services.standing import Standing
from streams.events import Draft

STANDING = Standing("tokens", 10, 5, 30.0, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def within(app):
    """A request."""
    with app.test_request_context():
        yield


def _frames(batches):
    yield from (b"".join(event.data for event in batch) for batch in batches)


def test_a_whole_answer_is_json_with_what_it_cost(within):
    """And with the stream that made it."""
    response = respond(Reply(body=b"{}", stream_id="s", cache="miss", cost_usd="0.1"), _frames)

    assert (response.data, response.mimetype) == (b"{}", "application/json")
    assert response.headers["X-Larder-Stream-Id"] == "s"
    assert response.headers["X-Larder-Cache"] == "miss"
    assert response.headers["X-Larder-Cost-Usd"] == "0.1"


def test_a_streamed_answer_is_framed(within):
    """As its client reads events."""
    batches = [[Draft("x", b"a"), Draft("x", b"b")], [Draft("x", b"c")]]
    response = respond(Reply(batches=lambda: iter(batches)), _frames)

    assert list(response.iter_encoded()) == [b"ab", b"c"]
    assert response.content_type == "text/event-stream; charset=utf-8"
    assert response.headers["X-Larder-Cache"] == "bypass"
    assert "X-Larder-Stream-Id" not in response.headers


def test_the_standing_of_the_key_is_kept_for_the_headers(app):
    """Tokens are known only when the call is planned."""
    with app.test_request_context():
        respond(Reply(body=b"{}", standing=STANDING), _frames)
        response = app.process_response(app.response_class())

    assert response.headers["x-ratelimit-remaining-tokens"] == "5"


def test_what_is_ready_together_goes_out_in_one_write():
    """A write costs more than an event; where nothing is ready the client gets a sign of life."""
    frames = framing(lambda event: b"<%b>" % event.data, sign_of_life=b"!")

    batches = [[Draft("x", b"a"), Draft("x", b"b")], [], [Draft("x", b"c")]]

    assert list(frames(batches)) == [b"<a><b>", b"!", b"<c>"]
