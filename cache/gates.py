"""Gates: how much may pass in a minute, counted over all workers where Redis is up.

The generic cell rate algorithm keeps one number a gate: when all that passed is worked off. A full
minute's share may pass at once, then what the time gives back. What passed for an estimate is put
right afterwards. While Redis is away each worker counts for itself, and a Redis that lost its
memory forgets what passed: a gate is no place for what must be exact.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from cache.backends.redis import RedisTier
from telemetry.clock import Clock

__all__ = ["Gates", "Passage"]

MINUTE_US = 60_000_000
NO_LIMIT_US = 10**15
"""More than any gate is ever behind: some thirty years."""
HASTE_US = 1_000_000
"""What a gate can seem to be ahead of a worker that read its clock just before another passed."""
MAX_REMEMBERED = 10_000
GATE_LUA = """
local now, taken, slack = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local wait = due - now - slack
if wait > 0 then return wait end
local next = due + taken
if next <= now then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('SET', KEYS[1], string.format('%.0f', next),
           'PX', string.format('%.0f', math.ceil((next - now) / 1000)))
return now - next
"""
"""Answers how long to wait, or, negative, how much time all that passed takes to work off."""


@dataclass(frozen=True, slots=True)
class Passage:
    """How a try at a gate went.

    Attributes:
        wait_s: 0 when passed; else the seconds after which this much may.
        remaining: how much may pass just now, whole.
        reset_s: seconds until a full minute's share may pass again.
    """

    wait_s: float
    remaining: int
    reset_s: float


class Gates:
    """The gates of one application in one process.

    Args:
        redis: counts for all workers; `None`: memory counts for this one.
        clock: where times are read.
        prefix: what every Redis key begins with.
    """

    def __init__(self, *, redis: RedisTier | None, clock: Clock, prefix: str) -> None:
        self._redis = redis
        self._clock = clock
        self._prefix = prefix
        self._guard = threading.Lock()
        self._due_us: OrderedDict[str, int] = OrderedDict()

    def enter(self, name: str, per_minute: int, amount: int = 1) -> Passage:
        """Pass the gate `name`, or learn how long to wait.

        Args:
            name: which gate; each counts for itself.
            per_minute: how much may pass, at least one.
            amount: how much is to pass; more than a minute's share never does.
        """
        taken_us = amount * MINUTE_US // per_minute
        slack_us = MINUTE_US - taken_us
        wait_us = self._move(name, taken_us, slack_us)
        if wait_us <= 0:
            return _passage(0, -wait_us, per_minute)
        passed_us = wait_us + slack_us
        if passed_us < MINUTE_US + HASTE_US:  # clients do not heed a Retry-After of 61 s
            passed_us = min(passed_us, MINUTE_US)
        return _passage(passed_us - slack_us, passed_us, per_minute)

    def settle(self, name: str, per_minute: int, amount: int) -> Passage:
        """Have `amount` more, or less when negative, count as passed, whatever the gate says."""
        passed_us = -self._move(name, amount * MINUTE_US // per_minute, NO_LIMIT_US)
        return _passage(0, passed_us, per_minute)

    def _move(self, name: str, taken_us: int, slack_us: int) -> int:
        now_us = int(self._clock.now().timestamp() * 1_000_000)
        answer_us = None
        if self._redis is not None:
            key = f"{self._prefix}:gate:{name}"
            answer_us = self._redis.run(GATE_LUA, key, now_us, taken_us, slack_us)
        if answer_us is None:
            answer_us = self._move_here(name, now_us, taken_us, slack_us)
        return answer_us

    def _move_here(self, name: str, now_us: int, taken_us: int, slack_us: int) -> int:
        with self._guard:
            due_us = max(self._due_us.get(name, 0), now_us)
            wait_us = due_us - now_us - slack_us
            if wait_us > 0:
                return wait_us
            next_us = due_us + taken_us
            self._due_us[name] = next_us
            self._due_us.move_to_end(name)
            while len(self._due_us) > MAX_REMEMBERED:
                self._due_us.popitem(last=False)
            return min(0, now_us - next_us)


def _passage(wait_us: int, passed_us: int, per_minute: int) -> Passage:
    return Passage(
        wait_s=wait_us / 1_000_000,
        remaining=max(0, MINUTE_US - passed_us) * per_minute // MINUTE_US,
        reset_s=passed_us / 1_000_000,
    )
