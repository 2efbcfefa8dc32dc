"""Tickets as services see them; `tests/blueprints/test_streaming.py` has them over HTTP."""

import pytest

from services.authentication import authenticate
from services.errors import NotFound, Unauthenticated
from services.stream_tickets import issue_ticket, owner_of
from tests.factories.chats import make_conversation, say


@pytest.fixture
def stream_id(alice):
    """A stream of Alice's that has ended."""
    return say(alice, make_conversation(alice), "hello").headers["X-Larder-Stream-Id"]


def test_a_ticket_speaks_for_its_user_to_the_second_it_ends(app, alice, stream_id, clock):
    """As long as the stream can last: what a provider may take, and how long its log is kept."""
    with app.app_context():
        issued = issue_ticket(authenticate(alice.key), stream_id)
        clock.advance(899)
        found = owner_of(issued["ticket"], stream_id)
        clock.advance(1)

        assert found == alice.user_id
        with pytest.raises(Unauthenticated):
            owner_of(issued["ticket"], stream_id)


def test_there_is_no_ticket_to_a_stream_that_is_not_ones_own(app, bob, stream_id):
    """Else a ticket would be a way around the owner's check."""
    with app.app_context(), pytest.raises(NotFound):
        issue_ticket(authenticate(bob.key), stream_id)
