"""Limits that hang together."""

import pytest

from streams.limits import StreamLimits


@pytest.mark.parametrize("heartbeat_s", [1.5, 5, 15])
def test_a_death_is_noticed_within_the_heartbeat(heartbeat_s):
    """Sign of life, confirmation and the rounds in between, taken together."""
    limits = StreamLimits(heartbeat_s=heartbeat_s)

    noticed_s = limits.alive_ttl_s + limits.confirm_lost_s + 2 * limits.follow_interval_s

    assert noticed_s < heartbeat_s


@pytest.mark.parametrize("heartbeat_s", [0.05, 1.5, 15])
def test_a_producer_renews_its_sign_before_it_can_be_given_up(heartbeat_s):
    """After an outage all signs are gone, and nobody may be buried for that."""
    limits = StreamLimits(heartbeat_s=heartbeat_s)

    assert limits.alive_refresh_s < limits.confirm_lost_s
    assert limits.alive_refresh_s * 3 < limits.alive_ttl_s
