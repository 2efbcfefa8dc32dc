"""What services hand in."""

from streams.limits import TimeLimits
from streams.plan import StreamHooks
from tests.streams.scripts import Answer


def test_a_plan_sets_no_time_limits_of_its_own():
    """The adapters have theirs; the engine's come on top where a service says so."""
    assert Answer().plan().time_limits == TimeLimits(None, None, None)


def test_hooks_ask_nobody_by_default():
    """The engine works without a service around it."""
    hooks = StreamHooks()
    assert (hooks.on_lost, hooks.lives, hooks.stops_requested) == (None, None, None)
