"""A hit that differs from the database without a write to explain it is found out."""

from sqlalchemy import text

from cache.extension import cache
from cache.results import Outcome
from database.session import db
from tests.cache.suite import Answers
from tests.factories.caches import make_call, make_engine

RENAME = text("UPDATE folders SET name = 'Renamed behind the back'")
GENERATIONS = text("SELECT scope, generation FROM cache_generations")
UNDO = text("UPDATE cache_generations SET generation = :generation WHERE scope = :scope")


def _rename_without_saying(app) -> None:
    """A write whose invalidation is broken: what it has bumped is taken back.

    After its commit, since PostgreSQL bumps then.
    """
    with app.app_context():
        engine = db.engine.execution_options(writes=True)
        with engine.begin() as connection:
            before = [dict(row._mapping) for row in connection.execute(GENERATIONS)]  # noqa: SLF001
            connection.execute(RENAME)
        with engine.begin() as connection:
            connection.execute(UNDO, before)


def _found(app) -> list[str]:
    found: list[str] = []
    cache.engine_of(app).auditor.on_inconsistent = found.append
    return found


def test_a_change_that_no_write_named_is_found(app, alice):
    """Someone who edits rows by hand is noticed, and readers get what the database says."""
    found = _found(app)
    alice.post("/api/folders", json={"name": "Trips"})
    alice.get("/api/folders")
    _rename_without_saying(app)

    answer = alice.get("/api/folders")

    assert found == ["conversations.folders"]
    assert answer.json["items"][0]["name"] == "Renamed behind the back"
    assert "detail=inconsistent" in answer.headers["Cache-Status"]


def test_an_inconsistency_is_counted(app, alice, admin):
    """Alarms can be set on the figure."""
    _found(app)
    alice.post("/api/folders", json={"name": "Trips"})
    alice.get("/api/folders")
    _rename_without_saying(app)
    alice.get("/api/folders")

    totals = admin.get("/api/cache/stats").json["totals"]

    assert totals["inconsistencies"] == 1
    assert totals["audits"] >= 1


def test_a_share_of_none_checks_nothing(app, alice):
    """Without a share a hit costs no query."""
    found = _found(app)
    cache.engine_of(app).auditor.share = 0.0
    alice.post("/api/folders", json={"name": "Trips"})
    alice.get("/api/folders")
    _rename_without_saying(app)

    answer = alice.get("/api/folders")

    assert found == []
    assert answer.json["items"][0]["name"] == "Trips"


def test_an_inconsistency_is_logged_with_its_scope_and_nothing_of_its_content(app, alice, logged):
    """Whoever looks into it finds whose entry it was; a log is no place for what it held."""
    _found(app)
    alice.post("/api/folders", json={"name": "Secret plans"})
    alice.get("/api/folders")
    _rename_without_saying(app)
    alice.get("/api/folders")

    (line,) = [each for each in logged() if each["event"] == "cache_inconsistent"]

    assert (line["namespace"], line["resource"]) == ("conversations", "folders")
    assert line["scope"] == f"conversations:{alice.user_id}"
    assert "Secret plans" not in str(line)
    assert "Renamed" not in str(line)


def test_the_metric_says_so_too(app, alice, client):
    """An alarm stands on it."""
    _found(app)
    alice.post("/api/folders", json={"name": "Trips"})
    alice.get("/api/folders")
    _rename_without_saying(app)
    alice.get("/api/folders")

    exposed = client.get("/metrics").text

    assert (
        'larder_cache_audits_total{namespace="conversations",result="inconsistent"} 1.0' in exposed
    )
    assert 'larder_cache_audits_total{namespace="conversations",result="checked"}' in exposed


def test_a_small_share_checks_some_hits_and_not_others(store, clock):
    """As production has it: the load is known, and what is wrong everywhere is soon found."""
    worker, answers = make_engine(store, clock, audit_share=0.2), Answers()
    worker.read(make_call(answers))

    found = {worker.read(make_call(answers)).outcome for _ in range(2000)}

    checked = worker.statistics.snapshot()["audits|users|checked"]
    assert found == {Outcome.HIT}
    assert answers.count == 1 + checked
    assert 250 < checked < 550  # of 400 expected, eight times the spread on either side


def test_a_write_between_the_two_explains_a_difference(store, clock):
    """The reader began before it: what it is shown was right then."""
    worker, answers = make_engine(store, clock, audit_share=1.0), Answers("first")
    worker.read(make_call(answers))

    def load():
        store.bump(["users:u1"])
        return "second"

    result = worker.read(make_call(load))

    assert (result.value, result.outcome) == ("first", Outcome.HIT)
    assert "audits|users|inconsistent" not in worker.statistics.snapshot()


def test_a_loader_that_fails_says_nothing_about_the_entry(store, clock):
    """An audit never makes an error of a hit."""
    worker = make_engine(store, clock, audit_share=1.0)
    worker.read(make_call())

    def fail():
        raise LookupError("gone")

    assert worker.read(make_call(fail)).outcome is Outcome.HIT
