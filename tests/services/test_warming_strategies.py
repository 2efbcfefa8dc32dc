"""What can be warmed: the reads that requests make as well."""

from typing import Any

import pytest

from cache.namespaces import NAMESPACES
from cache.results import Outcome
from cache.scopes import KeyHash, UserId
from services import model_routes
from services.authentication import find_principal
from services.costs.budgets import load_limits
from services.costs.pricing import load_price_list
from services.runtime import runtime
from services.warming_strategies import STRATEGIES, chosen
from tests.factories.chats import make_conversation, say


@pytest.mark.parametrize("names", [None, [], ["all"], ["prices", "all"]])
def test_without_a_choice_all_are_run(names):
    """`all` is a word for it."""
    assert [each.name for each in chosen(names)] == list(STRATEGIES)


def test_a_strategy_named_twice_is_run_once():
    """In the order of the first names."""
    found = chosen(["prices", "catalogue", "prices"])

    assert [each.name for each in found] == ["prices", "catalogue"]


def test_every_strategy_named_by_a_namespace_exists():
    """An admin reads there who fills it."""
    named = {name for space in NAMESPACES.values() for name in space.warmed_by}

    assert named <= set(STRATEGIES)


def test_the_critical_reads_are_those_of_the_last_callers(app, alice, bob, clock):
    """Who a key is, what it may spend, how its models are reached and what they cost."""
    say(bob, make_conversation(bob), "long ago")
    clock.advance(8 * 86400)
    say(alice, make_conversation(alice), "just now")
    with app.app_context():
        reads = STRATEGIES["critical"].reads()
        for read in reads:
            read()
        (key,) = runtime().secrets.api_key_hashes(alice.key)
        others = runtime().secrets.api_key_hashes(bob.key)[0]

        found: list[Any] = [
            find_principal(KeyHash(key)),
            load_limits(UserId(alice.user_id)),
            model_routes.find_routing("demo/echo"),
            load_price_list("demo/echo"),
        ]
        assert {each.outcome for each in found} == {Outcome.HIT}
        assert find_principal(KeyHash(others)).outcome is Outcome.MISS
