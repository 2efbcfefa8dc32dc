"""One list of behaviours, passed by every backend: what serves must not be noticed."""

from functools import partial

import fakeredis
import pytest
from redis.cluster import RedisCluster
from redis.exceptions import ConnectionError as RedisRefused

from tests.cache.suite import Reads
from tests.cache.suite_verbs import Verbs
from tests.doubles.redis_process import patient_client
from tests.doubles.redis_tier import FailingClient
from tests.factories.caches import make_engine


class MemoryWorkers:
    """Workers without a Redis: each has a memory of its own."""

    @pytest.fixture
    def new_worker(self, store, clock):
        """Makes them."""
        return partial(make_engine, store, clock)


class FakeWorkers:
    """Workers that share a faked Redis."""

    @pytest.fixture
    def new_worker(self, store, clock, server, new_tier):
        """Makes them."""

        def make(**changes):
            tier = new_tier(fakeredis.FakeRedis(server=server))
            return make_engine(store, clock, tier, **changes)

        return make


class AwayWorkers:
    """Workers whose Redis is away: coherent by the database alone."""

    @pytest.fixture
    def new_worker(self, store, clock, new_tier):
        """Makes them."""

        def make(**changes):
            tier = new_tier(FailingClient(RedisRefused("refused")))
            tier.circuit.try_now()
            return make_engine(store, clock, tier, **changes)

        return make


@pytest.mark.server
class RealWorkers:
    """Workers that share a real server."""

    @pytest.fixture
    def new_worker(self, store, clock, redis_process, new_tier):
        """Makes them."""
        clients = [patient_client(redis_process.port)]
        clients[0].flushall()

        def make(**changes):
            clients.append(patient_client(redis_process.port))
            return make_engine(store, clock, new_tier(clients[-1]), **changes)

        yield make
        for client in clients:
            client.close()


@pytest.mark.server
class ClusterWorkers:
    """Workers that share a real Cluster."""

    @pytest.fixture
    def new_worker(self, store, clock, redis_cluster, new_tier):
        """Makes them."""
        clients = [RedisCluster(host="127.0.0.1", port=redis_cluster.port)]
        clients[0].flushall()

        def make(**changes):
            return make_engine(store, clock, new_tier(clients[0]), **changes)

        yield make
        clients[0].close()


class TestMemoryReads(MemoryWorkers, Reads):
    """Cached reads in memory."""


class TestMemoryVerbs(MemoryWorkers, Verbs):
    """Flask-Caching's verbs in memory."""


class TestFakeReads(FakeWorkers, Reads):
    """Cached reads over a faked Redis."""


class TestFakeVerbs(FakeWorkers, Verbs):
    """Flask-Caching's verbs over a faked Redis."""


class TestReadsWhileAway(AwayWorkers, Reads):
    """Cached reads without their Redis."""


class TestVerbsWhileAway(AwayWorkers, Verbs):
    """Flask-Caching's verbs without their Redis."""


class TestRealReads(RealWorkers, Reads):
    """Cached reads over a real server."""


class TestRealVerbs(RealWorkers, Verbs):
    """Flask-Caching's verbs over a real server."""


class TestClusterReads(ClusterWorkers, Reads):
    """Cached reads over a real Cluster."""


class TestClusterVerbs(ClusterWorkers, Verbs):
    """Flask-Caching's verbs over a real Cluster."""
