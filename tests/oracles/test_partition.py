"""Two machines, one of which is cut off from Redis now and then: they stay one installation."""

import threading
from collections.abc import Iterator

import pytest

from tests.doubles.tcp_proxy import TcpProxy
from tests.faults.installation import Installation
from tests.faults.redis_faults import Victim
from tests.oracles.larder_store import LarderStore
from tests.oracles.version_checker import check_versions

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("oracle-partition")]

KEYS = ("a", "b", "c")
CHECKED_S = 5.0
CUT_S, WHOLE_S = 0.5, 1.5


@pytest.fixture
def victim(tmp_path) -> Iterator[Victim]:
    """A Redis that nothing happens to; the second machine's wire to it is another."""
    (tmp_path / "redis").mkdir()
    made = Victim(tmp_path / "redis")
    yield made
    made.close()


@pytest.fixture
def wire(victim: Victim) -> Iterator[TcpProxy]:
    """What the second machine reaches it through."""
    made = TcpProxy(victim.redis.port)
    yield made
    made.close()


@pytest.fixture
def larder(tmp_path, victim: Victim, wire: TcpProxy) -> Iterator[Installation]:
    """A gevent machine that is never cut off, and a gthread one that is."""
    (tmp_path / "larder").mkdir()
    urls = [victim.url, f"redis://127.0.0.1:{wire.port}/0"]
    made = Installation(tmp_path / "larder", urls).start()
    yield made
    figures = made.stop()
    assert [each["inconsistencies"] for each in figures] == [0, 0]


@pytest.fixture
def cut(wire: TcpProxy) -> Iterator[None]:
    """The second machine's wire is cut and mended all the time."""
    ended = threading.Event()

    def trouble() -> None:
        while not ended.wait(WHOLE_S):
            wire.refuse()
            ended.wait(CUT_S)
            wire.accept()

    thread = threading.Thread(target=trouble)
    thread.start()
    yield
    ended.set()
    thread.join()


def test_machines_agree_though_one_is_cut_off(larder, cut):
    """What one caches in Redis the other writes past it, in its own memory, and the other way."""
    store = LarderStore(larder.servers, KEYS)

    verdict = check_versions(store, KEYS, seconds=CHECKED_S)

    assert verdict.stale_reads == 0, verdict.stale
    assert store.failures == []
    assert verdict.reads > 20
    assert verdict.writes > 10
    assert store.differences() == []
    backends = {each.json()["cache"] for each in larder.ask_all("/readyz")}
    assert "redis" in backends
