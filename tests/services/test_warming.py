"""Warming: what is read before anybody asks."""

from dataclasses import dataclass
from functools import partial

import pytest
from sqlalchemy import select, text, update

from cache.extension import cache
from cache.namespaces import MODELS
from cache.scopes import UserId
from database.session import db, read_session
from database.tables.models import CatalogueModel
from database.tables.platform import WarmRun
from schemas.conversations import ConversationQuery
from schemas.models import ModelQuery
from services import model_routes, models, providers, warming
from services.callable_models import list_callable_models
from services.conversations import folders, threads
from services.costs import pricing
from services.errors import Invalid, NotFound
from services.unit_of_work import unit_of_work
from services.warming_strategies import STRATEGIES, Strategy
from tests.doubles.fake_clock import FakeClock
from tests.factories.chats import make_conversation
from tests.factories.costs import MODEL, make_model, make_price
from tests.streams.scripts import wait_until

FIRST = ModelQuery(limit=50)
DAY_S = 24 * 3600


@pytest.fixture(autouse=True)
def _context(app):
    """Services run within an application."""
    with app.app_context():
        yield


def _steps(*names):
    return list(warming.run(list(names)))


def _runs():
    with read_session() as session:
        rows = session.scalars(select(WarmRun).order_by(WarmRun.id)).all()
        return [(row.strategy, row.status, row.done, row.total) for row in rows]


def _break(table):
    with db.engine.execution_options(writes=True).begin() as connection:
        connection.execute(text(f"DROP TABLE {table}"))


def _outcomes(*results):
    return {each.outcome.value for each in results}


def test_the_catalogue_is_what_requests_ask_for(app):
    """The same keys, or warming would only cost."""
    make_model(app)
    _steps("catalogue")

    assert _outcomes(
        models.list_models(FIRST, sees_disabled=False),
        models.list_models(FIRST, sees_disabled=True),
        providers.list_providers(50, None),
        list_callable_models(),
        model_routes.find_routing(MODEL),
    ) == {"hit"}


def test_every_model_has_its_price_at_hand(app):
    """The first call of the day waits for its provider only."""
    make_model(app)
    make_price(app)
    _steps("prices")

    assert pricing.load_price_list(MODEL).outcome.value == "hit"


def test_recent_users_find_their_conversations(app, alice, bob, clock):
    """Who was not here for a week is not made ready for."""
    make_conversation(bob)
    clock.advance(8 * DAY_S)
    make_conversation(alice)
    first = ConversationQuery(limit=50)

    _steps("recent-users")

    ann, ben = UserId(alice.user_id), UserId(bob.user_id)
    assert _outcomes(folders.list_folders(ann), threads.list_conversations(ann, first)) == {"hit"}
    assert _outcomes(folders.list_folders(ben), threads.list_conversations(ben, first)) == {"miss"}


def test_a_model_that_is_switched_off_is_left_out(app):
    """Nobody can call it."""
    make_model(app)
    before = _steps("prices")[-1].total
    with unit_of_work() as work:
        disable = update(CatalogueModel).where(CatalogueModel.id == MODEL)
        work.session.execute(disable.values(status="disabled"))
        work.invalidates(MODELS.all())

    assert _steps("prices")[-1].total == before - 1


def test_progress_is_told_read_by_read(app):
    """A bar can be drawn, and the last step is the sum."""
    steps = _steps("catalogue")

    assert [step.done for step in steps] == list(range(1, len(steps) + 1))
    assert {step.total for step in steps} == {len(steps)}
    assert _runs() == [("catalogue", "done", len(steps), len(steps))]


def test_with_nothing_to_read_a_run_is_done(app):
    """An empty installation is not a failure."""
    (step,) = _steps("recent-users")

    assert step == warming.Step("recent-users", 0, 0, 0)
    assert _runs() == [("recent-users", "done", 0, 0)]


@dataclass
class _Vanishing:
    """Reads of which one finds its subject gone."""

    @staticmethod
    def reads():
        """A read that works, one that does not, one that works."""

        def gone():
            raise NotFound.of("model", "x")

        return [dict, gone, dict]


def test_what_went_away_in_the_meantime_is_passed_over(app):
    """Between the list and the read somebody may delete it."""
    strategy = Strategy("vanishing", "made up", _Vanishing.reads)

    steps = list(warming._run_one(strategy, "job"))  # noqa: SLF001 (the step has no other door)

    assert (steps[-1].done, steps[-1].failed) == (3, 1)


@pytest.mark.parametrize("ask", [warming.start_job, warming.warm, lambda n: list(warming.run(n))])
def test_an_unknown_strategy_is_named_and_nothing_is_run(app, ask):
    """With those there are."""
    with pytest.raises(Invalid) as refused:
        ask(["prices", "everything"])

    assert "everything" in refused.value.errors["strategies"][0]
    assert _runs() == []


def test_a_job_runs_beside_the_request(app):
    """It can be asked for at once, and in the end all its parts are done."""
    job = warming.start_job(["prices", "catalogue"])
    wait_until(lambda: warming.get_job(job["job_id"])["status"] == "done")

    runs = warming.get_job(job["job_id"])["runs"]
    assert job["status"] in {"running", "done"}
    assert [(each.strategy, each.status) for each in runs] == [
        ("prices", "done"),
        ("catalogue", "done"),
    ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_strategy_that_fails_stops_no_other_of_its_job(app):
    """And the job is not left waiting for ever."""
    _break("conversations")
    job = warming.start_job(["recent-users", "catalogue"])["job_id"]
    wait_until(lambda: warming.get_job(job)["status"] not in {"waiting", "running"})

    shown = warming.get_job(job)
    assert shown["status"] == "failed"
    assert [each.status for each in shown["runs"]] == ["failed", "done"]
    assert "conversations" in shown["runs"][0].error


def test_a_run_that_is_interrupted_is_not_running(app):
    """Someone pressed Ctrl-C at the bar."""
    running = warming.run(["catalogue"])
    next(running)

    running.close()

    ((name, status, done, total),) = _runs()
    assert (name, status, done) == ("catalogue", "failed", 1)
    assert total > 1


def test_a_job_nobody_started_is_not_found(app):
    """An id is not guessed at."""
    with pytest.raises(NotFound):
        warming.get_job("nothing")


def test_the_list_shows_each_strategys_last_run(app, clock):
    """What ran when, and what never did."""
    _steps("prices")
    clock.advance(60)
    _steps("prices")

    items = {each["strategy"]: each for each in warming.list_strategies()["items"]}

    assert list(items) == list(STRATEGIES)
    assert items["prices"]["last_run"].started_at == clock.now()
    assert items["catalogue"]["last_run"] is None


def _strategy_runs():
    with read_session() as session:
        rows = session.scalars(select(WarmRun).order_by(WarmRun.started_at, WarmRun.strategy)).all()
        return [(row.strategy, row.status, row.done, row.total, row.error) for row in rows]


def test_a_start_is_recorded_once_however_many_workers_it_has(app):
    """In memory each worker fills its own; the record is the start's."""
    warming.warm_at_start(["catalogue"])
    cache.engine.memory.clear()
    warming.warm_at_start(["catalogue"])

    ((name, status, done, total, error),) = _strategy_runs()
    assert (name, status, error) == ("catalogue", "done", None)
    assert done == total > 0
    assert _outcomes(list_callable_models()) == {"hit"}


@pytest.mark.parametrize("cache_fields", ["redis"], indirect=True)
@pytest.mark.server
def test_with_redis_the_first_worker_loads_for_all(app):
    """A second one finds in Redis what it needs, when it needs it."""
    warming.warm_at_start(["catalogue"])
    counted = cache.engine.statistics.snapshot()
    warming.warm_at_start(["catalogue"])

    assert cache.engine.statistics.snapshot() == counted
    assert len(_strategy_runs()) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_strategy_that_fails_at_a_start_stops_nothing(app):
    """The worker serves, the next strategy runs, and the record says what went wrong."""
    _break("conversations")

    warming.warm_at_start(["recent-users", "catalogue"])

    runs = {each[0]: each for each in _strategy_runs()}
    assert runs["recent-users"][1] == "failed"
    assert "conversations" in runs["recent-users"][4]
    assert runs["catalogue"][1] == "done"


@dataclass
class _Slow:
    """Reads that take their time."""

    clock: FakeClock

    def reads(self):
        """A hundred of three seconds each."""
        return [partial(self.clock.advance, 3)] * 100


def test_a_slow_strategy_is_ended_after_its_minute(app, clock):
    """It says how far it had come; requests were never held up by it."""
    strategy = Strategy("slow", "made up", _Slow(clock).reads)

    with pytest.raises(TimeoutError):
        list(warming._run_one(strategy, "job", warming.AT_START))  # noqa: SLF001 (as above)

    ((name, status, done, total, error),) = _strategy_runs()
    assert (name, status, total) == ("slow", "failed", 100)
    assert done == 20
    assert "longer than 60 s" in error


def test_progress_is_seen_from_elsewhere_while_it_runs(app, clock):
    """Once a second, not with every read."""
    running = warming._run_one(Strategy("slow", "made up", _Slow(clock).reads), "job")  # noqa: SLF001

    for _ in range(5):
        next(running)

    ((_, status, done, total, _),) = _strategy_runs()
    assert (status, done, total) == ("running", 4, 100)
    running.close()


def test_a_run_whose_worker_died_is_not_running_for_ever(app, clock):
    """The next start says so; what is a month old is dropped."""
    next(warming._run_one(Strategy("slow", "made up", _Slow(clock).reads), "job"))  # noqa: SLF001
    with unit_of_work() as work:
        work.session.execute(update(WarmRun).values(status="running", error=None))
    clock.advance(7200)
    warming.warm_at_start(["prices"])
    after_hours = _strategy_runs()
    clock.advance(31 * DAY_S)
    warming.warm_at_start(["prices"])

    assert ("slow", "failed") in [(each[0], each[1]) for each in after_hours]
    assert "slow" not in {each[0] for each in _strategy_runs()}
