"""What Flask-Caching's own verbs do over every backend: one list, run by `test_suite.py`."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from markupsafe import Markup

from cache.backends.views import SLOTS, ViewCache
from cache.engine import EVERYTHING
from cache.scopes import Scope
from cache.values import ValueRefused
from tests.cache.suite import NewWorker
from tests.doubles.fake_clock import FakeClock
from tests.doubles.fake_generations import FakeGenerations
from tests.factories.caches import make_call

__all__ = ["Verbs"]

VALUES = (
    "text",
    0,
    False,
    [1, "a", None],
    (1, (2,)),
    {"a": {1, 2}},
    {1: "a", (2, None): "b"},
    Markup("<b>"),
    Decimal("1.10"),
    b"\x00\xff",
    2**70,
)


class Verbs:
    """Flask-Caching's own verbs."""

    @pytest.fixture(autouse=True)
    def context(self) -> Iterator[None]:
        """A request's, in which a worker notes what it has looked for."""
        with Flask("bare").app_context():
            yield

    @pytest.fixture
    def views(self, new_worker: NewWorker) -> ViewCache:
        """One worker's."""
        return ViewCache(new_worker())

    @pytest.fixture
    def others(self, new_worker: NewWorker) -> ViewCache:
        """Another worker's."""
        return ViewCache(new_worker())

    @pytest.mark.parametrize("value", VALUES, ids=repr)
    def test_a_value_comes_back_as_it_was(self, views: ViewCache, value: Any):
        """Of the same type too, which JSON would not do."""
        assert views.set("k", value)

        assert (views.get("k"), type(views.get("k"))) == (value, type(value))

    def test_what_is_not_there_is_none(self, views: ViewCache):
        """And said not to be there."""
        assert (views.get("k"), views.has("k"), views.delete("k")) == (None, False, False)

    def test_a_cached_none_is_there(self, views: ViewCache):
        """It can be told from nothing."""
        views.set("k", None)

        assert (views.get("k"), views.has("k")) == (None, True)

    @pytest.mark.parametrize("timeout", [60, timedelta(minutes=1)])
    def test_a_value_ends_with_its_timeout(self, views, clock: FakeClock, timeout: Any):
        """To the second: what a program asked for is not spread."""
        views.set("k", "v", timeout=timeout)

        clock.advance(59.5)
        before = views.get("k")
        clock.advance(0.5)

        assert (before, views.get("k"), views.has("k")) == ("v", None, False)

    def test_a_timeout_of_none_is_the_default(self, views: ViewCache, clock: FakeClock):
        """Five minutes."""
        views.set("k", "v")
        clock.advance(299)
        before = views.get("k")
        clock.advance(1)

        assert (before, views.get("k")) == ("v", None)

    def test_a_timeout_of_nothing_is_for_ever(self, views: ViewCache, clock: FakeClock):
        """As Flask-Caching has it."""
        views.set("k", "v", timeout=0)
        clock.advance(365 * 86400)

        assert views.get("k") == "v"

    @pytest.mark.parametrize("timeout", [10**12, timedelta.max])
    def test_a_timeout_beyond_all_times_is_for_ever(self, views: ViewCache, timeout: Any):
        """No clock needs to know of the year 30,000."""
        assert views.set("k", "v", timeout=timeout)
        assert views.get("k") == "v"

    @pytest.mark.parametrize("timeout", [-1, timedelta(seconds=-5)])
    def test_a_timeout_that_is_over_keeps_nothing(self, views, others, timeout: Any):
        """As with SimpleCache; and what stood there is gone."""
        views.set("k", "old")
        views.set("k", "v", timeout=timeout)
        views.get("new")
        views.set("new", "v", timeout=timeout)

        assert [each.get("k") for each in (views, others)] == [None, None]
        assert (views.get("new"), views.add("new", "v", timeout=timeout)) == (None, False)

    def test_setting_again_replaces(self, views: ViewCache, others: ViewCache):
        """On every worker: what was set last is what all get, or nothing."""
        others.set("k", "old")
        others.get("k")

        views.set("k", "new")

        assert views.get("k") == "new"
        assert others.get("k") in {"new", None}

    def test_adding_does_not_replace(self, views: ViewCache):
        """And says so."""
        assert [views.add("k", "a"), views.add("k", "b")] == [True, False]
        assert views.get("k") == "a"

    def test_adding_replaces_what_cannot_be_served(self, views: ViewCache):
        """An entry that a clearing has made old does not stand in the way."""
        views.set("k", "a")
        views.clear()

        assert views.add("k", "b")
        assert views.get("k") == "b"

    def test_a_deletion_is_seen_by_every_worker(self, views: ViewCache, others: ViewCache):
        """Also by one that had the value to itself."""
        others.set("k", "v")
        before = others.get("k")

        views.delete("k")

        assert (before, others.get("k"), others.has("k")) == ("v", None, False)

    def test_a_fill_does_not_replace_what_was_set_meanwhile(
        self, views: ViewCache, others: ViewCache
    ):
        """Looked for, loaded, set anew by somebody else: the loaded value is the older one."""
        views.get("k")
        with Flask("another").app_context():
            others.set("k", "new")

        views.set("k", "old")

        assert views.get("k") in {"new", None}
        assert others.get("k") == "new"

    def test_deleting_says_whether_there_was_one(self, views: ViewCache):
        """Once."""
        views.set("k", "v")

        assert (views.delete("k"), views.delete("k")) == (True, False)

    def test_deleting_many_leaves_the_rest(self, views: ViewCache):
        """All of those named, and only those."""
        views.set_many({"a": 1, "b": 2, "c": 3})

        views.delete_many("a", "b")

        assert views.get_many("a", "b", "c") == [None, None, 3]

        assert views.delete_many("a", "c", "none") == ["a", "c", "none"]

    def test_setting_many_keeps_them_all(self, views: ViewCache):
        """Also more than there are slots: one is not set at another's cost."""
        many = {str(number): number for number in range(2 * SLOTS)}

        assert views.set_many(many) == list(many)
        assert views.get_dict(*many) == many

    def test_what_is_loaded_in_the_place_of_a_cached_none_is_kept(self, views: ViewCache):
        """To `get` a cached `None` looks like nothing."""
        views.set("k", None)
        views.get("k")

        assert (views.set("k", "v"), views.get("k")) == (True, "v")

    def test_clearing_is_seen_by_every_worker(self, views: ViewCache, others: ViewCache):
        """At the cost of one row."""
        others.set_many({"a": 1, "b": 2})

        views.clear()

        assert others.get_many("a", "b") == [None, None]

    def test_a_value_read_before_a_deletion_is_not_kept_after_it(
        self, views: ViewCache, others: ViewCache
    ):
        """Looked for, loaded, deleted by somebody else, set: the old value is not served."""
        views.get("k")
        with Flask("another").app_context():
            others.delete("k")

        views.set("k", "old")

        assert (views.get("k"), others.get("k")) == (None, None)

    def test_a_value_set_after_ones_own_deletion_is_kept(self, views: ViewCache):
        """The new value is newer than the deletion."""
        views.get("k")
        views.delete("k")

        views.set("k", "new")

        assert views.get("k") == "new"

    def test_clearing_everything_clears_views(self, views: ViewCache, store: FakeGenerations):
        """They are part of everything."""
        views.set("k", "v")

        store.bump([EVERYTHING.name])

        assert views.get("k") is None

    def test_other_scopes_leave_views(self, views: ViewCache, store: FakeGenerations):
        """A user's write clears nothing of them."""
        views.set("k", "v")

        store.bump([Scope("users:u1").name, "ns:users"])

        assert views.get("k") == "v"

    def test_a_value_over_the_limit_is_refused(self, new_worker: NewWorker):
        """And what stood there is not served in its place."""
        views = ViewCache(new_worker(entry_bytes=100))
        views.set("k", "small")

        assert views.set("k", "a" * 200) is False
        assert views.get("k") is None

    def test_a_value_that_would_come_back_another_is_an_error(self, views: ViewCache):
        """At once, not as `None` later."""
        with pytest.raises(ValueRefused):
            views.set("k", object())

    @pytest.mark.parametrize("key", ["", "a:b", "a*", "naïve 🔑", "x" * 500, "\x00"])
    def test_any_text_is_a_key(self, views: ViewCache, key: str):
        """Flask-Caching makes them of paths and arguments."""
        views.set(key, "v")

        assert (views.get(key), views.get(f"{key}2")) == ("v", None)

    def test_numbers_are_keys(self, views: ViewCache):
        """An id, say, as with Flask-Caching's other backends."""
        assert (views.set(7, "v"), views.get(7), views.delete(7), views.get(7)) == (  # type: ignore[arg-type]
            True,
            "v",
            True,
            None,
        )

    def test_views_and_reads_do_not_meet(self, new_worker: NewWorker):
        """A key that looks like a read's is still another one."""
        worker = new_worker()
        views, call = ViewCache(worker), make_call()

        views.set(call.key, "a view's")

        assert worker.read(call).value == ["loaded"]
        assert views.get(call.key) == "a view's"
