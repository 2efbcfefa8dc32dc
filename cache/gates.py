"""Gates: how many may pass in a minute, counted over all workers where Redis is up.

The generic cell rate algorithm keeps one number a gate: when the next one is due. A full minute's
share may pass at once, then one by one. While Redis is away each worker counts for itself, and a
Redis that lost its memory forgets what passed: a gate is no place for what must be exact.
"""

import threading
from collections import OrderedDict

from cache.backends.redis import RedisTier
from telemetry.clock import Clock

__all__ = ["Gates"]

MINUTE_US = 60_000_000
MAX_REMEMBERED = 10_000
GATE_LUA = """
local now, step, slack = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local wait = due - now - slack
if wait > 0 then return wait end
local next = due + step
redis.call('SET', KEYS[1], string.format('%.0f', next),
           'PX', string.format('%.0f', math.ceil((next - now) / 1000)))
return 0
"""


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

    def wait_s(self, name: str, per_minute: int) -> float:
        """Pass the gate `name`, or learn how long to wait.

        Args:
            name: which gate; each counts for itself.
            per_minute: how many may pass, at least one.

        Returns:
            0 when passed; else the seconds after which the next one may.
        """
        now_us = int(self._clock.now().timestamp() * 1_000_000)
        step_us = MINUTE_US // per_minute
        slack_us = step_us * (per_minute - 1)
        wait_us = None
        if self._redis is not None:
            key = f"{self._prefix}:gate:{name}"
            wait_us = self._redis.run(GATE_LUA, key, now_us, step_us, slack_us)
        if wait_us is None:
            wait_us = self._pass_here(name, now_us, step_us, slack_us)
        return wait_us / 1_000_000

    def _pass_here(self, name: str, now_us: int, step_us: int, slack_us: int) -> int:
        with self._guard:
            due_us = max(self._due_us.get(name, 0), now_us)
            wait_us = due_us - now_us - slack_us
            if wait_us > 0:
                return wait_us
            self._due_us[name] = due_us + step_us
            self._due_us.move_to_end(name)
            while len(self._due_us) > MAX_REMEMBERED:
                self._due_us.popitem(last=False)
            return 0
