"""A hit that differs from the database without a write to explain it is found out."""

from sqlalchemy import text

from cache.extension import cache
from database.session import db

RENAME = text("UPDATE folders SET name = 'Renamed behind the back'")


def _rename_without_saying(app) -> None:
    with app.app_context(), db.engine.execution_options(writes=True).begin() as connection:
        connection.execute(RENAME)


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
