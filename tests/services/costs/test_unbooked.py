"""What is kept of calls until they are booked."""

from services.costs import unbooked
from services.costs.ledger import PricedCall
from tests.factories.costs import make_call


def test_a_call_is_known_until_it_is_booked(clock):
    """And by its own id alone."""
    owed = PricedCall(make_call("u1", clock.now()), None)
    call_id = owed.call.call_id

    unbooked.remember(owed)

    assert unbooked.recall(call_id) is owed
    assert call_id in unbooked.call_ids()
    assert unbooked.recall("another") is None
    unbooked.forget(call_id)
    unbooked.forget(call_id)
    assert unbooked.recall(call_id) is None


def test_no_more_are_kept_than_may_be(clock, monkeypatch):
    """The oldest go: the stream of one that is not booked by now was ended by others."""
    monkeypatch.setattr(unbooked, "MOST", 2)
    monkeypatch.setattr(unbooked, "_calls", {})
    owed = [PricedCall(make_call("u1", clock.now()), None) for _ in range(3)]

    for each in owed:
        unbooked.remember(each)

    assert [unbooked.recall(each.call.call_id) for each in owed] == [None, *owed[1:]]
