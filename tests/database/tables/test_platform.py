"""The audit log, files and first answers as the tables keep them."""

import pytest
from sqlalchemy import delete, inspect, select, update
from sqlalchemy.exc import DatabaseError, IntegrityError

from database.session import read_session, write_session
from database.tables.platform import AuditLog, IdempotencyRecord, StoredFile, WarmRun
from database.tables.users import User
from tests.factories.rows import NOW, count_rows, delete_row, make_user, put


def _audit() -> AuditLog:
    subject = {"subject_kind": "user", "subject_id": "u1"}
    return AuditLog(action="user.made", detail={}, logged_at=NOW, actor_user_id="u1", **subject)


def _file() -> StoredFile:
    return StoredFile(
        id="f1", user_id="u1", name="a.bin", media_type="application/octet-stream",
        size_bytes=3, sha256="0" * 64, content=b"\x00\xff\x01", created_at=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    "statement", [update(AuditLog).values(action="x"), delete(AuditLog)], ids=["update", "delete"]
)
def test_what_was_logged_stays(either, statement):
    """Not even an admin with a shell of ours rewrites it."""
    put(_audit())

    with write_session() as session, pytest.raises(DatabaseError, match="append-only"):
        session.execute(statement)


def test_a_log_outlives_its_actor(either):
    """Who did it is still said when they are gone."""
    put(make_user(), _audit())

    delete_row(User, id="u1")

    with read_session() as session:
        assert session.scalars(select(AuditLog.actor_user_id)).all() == ["u1"]


def test_a_list_of_files_does_not_read_what_is_in_them(either):
    """A page of fifty files of 20 MB each is a gigabyte."""
    put(make_user(), _file())

    with read_session() as session:
        row = session.scalars(select(StoredFile)).one()

    assert "content" in inspect(row).unloaded


def test_bytes_come_back_as_they_were(either):
    """Nul bytes and bytes that are no text included."""
    put(make_user(), _file())

    with read_session() as session:
        assert session.scalar(select(StoredFile.content)) == b"\x00\xff\x01"


def test_files_go_with_their_user(either):
    """What a person uploaded is not kept after them."""
    put(make_user(), _file())

    delete_row(User, id="u1")

    assert count_rows(StoredFile) == 0


def test_two_keys_may_use_one_idempotency_key_and_one_only_once(either):
    """Names are each caller's own; within one of them the first request wins."""

    def record(key_id: str) -> IdempotencyRecord:
        return IdempotencyRecord(
            key_id=key_id, idempotency_key="order-1", request_hash="0" * 64, created_at=NOW
        )

    put(record("k1"), record("k2"))

    with pytest.raises(IntegrityError):
        put(record("k1"))


def test_a_run_begins_with_nothing_done(either):
    """A job that waits can be shown."""
    put(WarmRun(job_id="j1", strategy="catalogue", status="waiting", started_at=NOW))

    with read_session() as session:
        row = session.scalars(select(WarmRun)).one()
    assert (row.done, row.total, row.error, row.ended_at) == (0, 0, None, None)
