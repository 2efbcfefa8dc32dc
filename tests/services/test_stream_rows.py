"""The rows of running streams."""

from dataclasses import dataclass
from datetime import datetime

import pytest

from services import authentication, streams
from services.errors import RateLimited
from services.principal import Principal
from services.runtime import runtime
from services.stream_rows import begin_stream, end_stream
from services.unit_of_work import unit_of_work
from tests.factories.users import make_user


@dataclass(frozen=True)
class _Streamed:
    principal: Principal
    call_id: str
    called_at: datetime
    model_id: str = "demo/echo"
    alias_id: str | None = None
    endpoint: str = "messages"
    conversation_id: str | None = None
    message_id: str | None = None


def _begin(principal, stream_id):
    with unit_of_work() as work:
        begin_stream(work, _Streamed(principal, stream_id, runtime().clock.now()))


def _listed(principal):
    return [each["id"] for each in streams.list_active(principal.user_id).value["items"]]


def test_a_stream_is_listed_while_it_runs(app, alice):
    """And no cached list is left that says otherwise."""
    with app.app_context():
        principal = authentication.authenticate(alice.key)
        before = _listed(principal)
        _begin(principal, "a")
        during = _listed(principal)
        with unit_of_work() as work:
            end_stream(work, principal, "a")

        assert (before, during, _listed(principal)) == ([], ["a"], [])


def test_a_key_has_no_more_than_it_may(app):
    """The one too many leaves no row."""
    client = make_user(app, "Robot", max_concurrent_streams=1)
    with app.app_context():
        principal = authentication.authenticate(client.key)
        _begin(principal, "a")
        with pytest.raises(RateLimited):
            _begin(principal, "b")

        assert _listed(principal) == ["a"]
