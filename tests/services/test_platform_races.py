"""Rules of the platform that two requests at the same moment must not break between them."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from database.session import autocommit_connection
from database.tables.platform import AuditLog
from tests.doubles.api_client import ApiClient
from tests.doubles.together import together
from tests.factories.users import make_user
from tests.factories.workspaces import make_workspace
from tests.streams.scripts import wait_until

ROUNDS = range(5)
LIMIT_S = 30
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


class Paused:
    """A write on a thread of its own that stops when all is said, and nothing bumped yet."""

    def __init__(self, call) -> None:
        self.has_stopped, self.may_go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=call)

    def __call__(self, session: Session, *_: object) -> None:
        """Stop here, in its thread alone, once there is nothing left but the log."""
        is_logged = any(isinstance(row, AuditLog) for row in session.new)
        if is_logged and threading.current_thread() is self._thread:
            self.has_stopped.set()
            assert self.may_go.wait(LIMIT_S)

    def start(self) -> None:
        """Begin, and come to where it stops."""
        self._thread.start()
        assert self.has_stopped.wait(LIMIT_S)

    def end(self) -> None:
        """Let it go on to its end."""
        self.may_go.set()
        self._thread.join(LIMIT_S)


@pytest.fixture
def renaming(admin, alice) -> Iterator[Paused]:
    """Alice is being given another name."""
    path = f"/api/users/{alice.user_id}"
    paused = Paused(lambda: admin.patch(path, json={"name": "Alicia"}))
    event.listen(Session, "before_flush", paused)
    paused.start()
    yield paused
    paused.end()
    event.remove(Session, "before_flush", paused)


def _is_somebody_waiting(app) -> bool:
    with app.app_context(), autocommit_connection() as connection:
        return bool(connection.scalar(text(WAITING)))


@pytest.mark.parametrize("round_", ROUNDS)
def test_two_owners_who_demote_each_other_leave_one(app, admin, round_):
    """Each sees the other still there; one of them must be wrong."""
    other = make_user(app, "Olga", role="owner")
    first = admin.get("/api/me").get_json()["user"]["id"]

    answers = together(
        [
            lambda: admin.patch(f"/api/users/{other.user_id}", json={"role": "member"}),
            lambda: other.patch(f"/api/users/{first}", json={"is_active": False}),
        ]
    )

    statuses = sorted(each.status_code for each in answers)
    assert statuses in ([200, 401], [200, 403], [200, 409])
    assert [admin.get("/api/users").status_code, other.get("/api/users").status_code].count(
        200
    ) == 1


@pytest.mark.parametrize("round_", ROUNDS)
def test_two_owners_of_a_workspace_who_leave_leave_one(alice, bob, round_):
    """A workspace is never without an owner."""
    path = make_workspace(alice, owner=bob)

    answers = together(
        [
            lambda: alice.delete(f"{path}/members/{alice.user_id}"),
            lambda: bob.delete(f"{path}/members/{bob.user_id}"),
        ]
    )

    assert sorted(each.status_code for each in answers) == [204, 409]


@pytest.mark.parametrize("round_", ROUNDS)
def test_a_key_made_while_its_user_is_deactivated_opens_nothing(app, admin, alice, round_):
    """The deactivation bumps the keys it sees; it must see them all."""
    answers = together(
        [
            lambda: admin.patch(f"/api/users/{alice.user_id}", json={"is_active": False}),
            lambda: alice.post("/api/keys", json={"name": "Late"}),
        ]
    )
    made = answers[1].get_json()

    client = ApiClient(app, made.get("secret", "none"))

    assert answers[0].status_code == 200
    assert client.get("/api/me").status_code == 401


@pytest.mark.parametrize("round_", ROUNDS)
@pytest.mark.parametrize("what", ["{path}/members/{user_id}", "{path}"])
def test_a_key_made_while_its_user_leaves_the_workspace_does_not_outlive_it(
    app, alice, bob, what, round_
):
    """Bound and unbound in one breath: no key of a stranger spends for the team."""
    path = make_workspace(alice, member=bob)
    workspace_id = path.rpartition("/")[2]

    answers = together(
        [
            lambda: alice.delete(what.format(path=path, user_id=bob.user_id)),
            lambda: bob.post("/api/keys", json={"name": "Late", "workspace_id": workspace_id}),
        ]
    )
    made = answers[1].get_json()

    assert answers[0].status_code == 204
    assert ApiClient(app, made.get("secret", "none")).get("/api/me").status_code == 401


@pytest.mark.parametrize("round_", ROUNDS)
def test_one_key_of_many_requests_makes_one_thing(alice, round_):
    """A client with an eager retry sends the same twice before the first is answered."""
    answers = together(
        [
            lambda: alice.post(
                "/api/folders", json={"name": "Trips"}, headers={"Idempotency-Key": "one"}
            )
        ]
        * 4
    )

    assert {each.status_code for each in answers} <= {201, 409}
    assert 201 in {each.status_code for each in answers}
    assert len(alice.get("/api/folders").get_json()["items"]) == 1


@pytest.mark.server
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_workspace_made_while_its_owner_is_renamed_shows_the_new_name(app, alice, renaming):
    """The new name bumps the workspaces that it sees; it must see them all."""
    seen: list[str] = []

    def make_and_look() -> None:
        path = f"{make_workspace(alice)}/members"
        alice.get(path)
        seen.append(path)

    making = threading.Thread(target=make_and_look)
    making.start()
    wait_until(lambda: bool(seen) or _is_somebody_waiting(app))
    renaming.end()
    making.join(LIMIT_S)

    items = alice.get(seen[0]).get_json()["items"]
    assert [each["name"] for each in items] == ["Alicia"]
