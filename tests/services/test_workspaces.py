"""Workspaces as services see them."""

from sqlalchemy import select

from database.session import read_session
from database.tables.users import ApiKey
from services import workspaces
from tests.factories.workspaces import make_memberships, make_workspace


def test_a_user_belongs_to_a_bounded_number(app, alice):
    """A client cannot grow the tables without end."""
    make_memberships(app, alice.user_id, workspaces.MAX_WORKSPACES)

    refused = alice.post("/api/workspaces", json={"name": "One more"})

    assert refused.status_code == 409
    assert refused.json["code"] == "too_many_workspaces"


def test_the_keys_of_a_deleted_workspace_are_kept(app, alice):
    """The ledger names them; only their binding goes."""
    path = make_workspace(alice)
    made = alice.post(
        "/api/keys", json={"name": "Bot", "workspace_id": path.rpartition("/")[2]}
    ).json

    alice.delete(path)

    with app.app_context(), read_session() as session:
        key = session.scalars(select(ApiKey).where(ApiKey.id == made["id"])).one()
    assert key.workspace_id is None
    assert key.revoked_at is not None
