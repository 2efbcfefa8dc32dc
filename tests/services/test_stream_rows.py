"""The rows of running streams."""

import pytest

from services import keys, streams
from services.errors import RateLimited
from services.runtime import runtime
from services.stream_rows import begin_stream, end_stream
from services.unit_of_work import unit_of_work
from tests.factories.users import make_user


def _row(stream_id):
    return {
        "id": stream_id,
        "model_id": "demo/echo",
        "endpoint": "messages",
        "input_estimate": 1,
        "started_at": runtime().clock.now(),
    }


def _listed(principal):
    return [each["id"] for each in streams.list_active(principal.user_id).value["items"]]


def test_a_stream_is_listed_while_it_runs(app, alice):
    """And no cached list is left that says otherwise."""
    with app.app_context():
        principal = keys.authenticate(alice.key)
        before = _listed(principal)
        with unit_of_work() as work:
            begin_stream(work, principal, _row("a"))
        during = _listed(principal)
        with unit_of_work() as work:
            end_stream(work, principal, "a")

        assert (before, during, _listed(principal)) == ([], ["a"], [])


def test_a_key_has_no_more_than_it_may(app):
    """The one too many leaves no row."""
    client = make_user(app, "Robot", max_concurrent_streams=1)
    with app.app_context():
        principal = keys.authenticate(client.key)
        with unit_of_work() as work:
            begin_stream(work, principal, _row("a"))
        with pytest.raises(RateLimited), unit_of_work() as work:
            begin_stream(work, principal, _row("b"))

        assert _listed(principal) == ["a"]
