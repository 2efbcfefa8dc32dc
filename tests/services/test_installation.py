"""The first start: one secret, one owner, one key, however many workers begin at once."""

import stat
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from app import create_app
from config import SettingsError
from database.session import db, read_session
from database.tables.users import ApiKey, User
from services.installation import ensure_admin, master_secret
from tests.conftest import ADMIN_KEY
from tests.doubles.api_client import ApiClient
from tests.doubles.together import together

ON_EACH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)]


@pytest.fixture
def started(settings):
    """Make an application over the same database, with other settings."""
    apps = []

    def starting(**changes):
        app = create_app(replace(settings, **changes))
        apps.append(app)
        with app.app_context():
            db.create_all()
            return app, ensure_admin()

    yield starting
    for app in apps:
        app.extensions["larder_shutdown"](0.0)
        with app.app_context():
            db.engine.dispose()


def _counts(app):
    with app.app_context(), read_session() as session:
        return tuple(
            session.scalar(select(func.count()).select_from(each)) for each in (User, ApiKey)
        )


def test_the_first_start_makes_an_owner_with_a_key(started):
    """The key is given back once, to be shown; the next start has nothing to tell."""
    app, secret = started(admin_key="")

    me = ApiClient(app, secret).get("/api/me").json
    assert (me["role"], me["user"]["name"]) == ("owner", "Admin")
    assert started(admin_key="")[1] is None
    assert _counts(app) == (1, 1)


def test_a_key_from_the_environment_is_taken_and_never_shown(started):
    """The operator knows it already."""
    app, shown = started()

    assert shown is None
    assert ApiClient(app, ADMIN_KEY).get("/api/me").status_code == 200
    assert started()[1] is None
    assert _counts(app) == (1, 1)


@pytest.mark.parametrize("database_url", ON_EACH, indirect=True)
@pytest.mark.parametrize("admin_key", [ADMIN_KEY, ""])
def test_workers_that_start_at_once_make_one_owner(started, admin_key):
    """None of them fails, and at most one of them has a key to show."""
    app, _ = started(admin_key="")
    with app.app_context():
        db.drop_all()
        db.create_all()
    again = create_app(replace(app.extensions["larder"].settings, admin_key=admin_key))

    def starting():
        with again.app_context():
            return ensure_admin()

    shown = [each for each in together([starting] * 4) if each is not None]

    assert _counts(app) == (1, 1)
    assert len(shown) == (0 if admin_key else 1)
    again.extensions["larder_shutdown"](0.0)
    with again.app_context():
        db.engine.dispose()


def test_a_changed_key_in_the_environment_opens_the_door_for_the_same_owner(started):
    """That is how an operator who lost the key comes in again."""
    before, _ = started()

    after, shown = started(admin_key="lk-another-key-of-the-operator")

    owners = {
        ApiClient(app, key).get("/api/me").json["user"]["id"]
        for app, key in [(before, ADMIN_KEY), (after, "lk-another-key-of-the-operator")]
    }
    assert shown is None
    assert len(owners) == 1
    assert _counts(after) == (1, 2)


def test_a_rotated_secret_locks_nobody_out(started):
    """With the old secret at hand, keys made under it still open the door, and can be revoked."""
    before, _ = started()
    alice = ApiClient(before, ADMIN_KEY).post("/api/keys", json={"name": "Old"}).json

    after, _ = started(
        secret_key="the new secret", secret_key_before="the suite's secret, of no worth"
    )

    admin = ApiClient(after, ADMIN_KEY)
    assert ApiClient(after, alice["secret"]).get("/api/me").status_code == 200
    assert admin.delete(f"/api/keys/{alice['id']}").status_code == 204
    assert ApiClient(after, alice["secret"]).get("/api/me").status_code == 401
    assert _counts(after) == (1, 2)


def test_without_the_old_secret_its_keys_are_nobodys(started):
    """A hash under another pepper must not match anything."""
    before, _ = started()
    made = ApiClient(before, ADMIN_KEY).post("/api/keys", json={"name": "Old"}).json

    after, _ = started(secret_key="the new secret")

    assert ApiClient(after, made["secret"]).get("/api/me").status_code == 401


def test_the_installations_secret_is_made_once_and_for_its_owner_only(settings):
    """It lasts over restarts; no other account of the machine reads it."""
    ours = replace(settings, secret_key="")

    made = master_secret(ours)

    path = settings.instance_path / "secret_key"
    assert master_secret(ours) == made
    assert len(made) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in settings.instance_path.iterdir()] == ["secret_key"]


def test_workers_that_start_at_once_agree_on_the_secret(settings):
    """Two secrets would make half of all keys worthless."""
    ours = replace(settings, secret_key="")

    made = together([lambda: master_secret(ours)] * 8)

    assert len(set(made)) == 1
    assert [each.name for each in settings.instance_path.iterdir()] == ["secret_key"]


def test_the_environments_secret_counts_and_no_file_is_made(settings):
    """Several machines share it."""
    assert master_secret(settings) == settings.secret_key
    assert not settings.instance_path.exists()


@pytest.mark.parametrize(
    "key", ["short", "with a space in its midst", "nöt-to-be-sent-in-a-header"]
)
def test_an_admins_key_that_could_be_guessed_or_not_be_sent_is_refused(started, key):
    """It opens everything, and a file of secrets may have put a line's end behind it."""
    with pytest.raises(
        SettingsError, match="LARDER_ADMIN_KEY must be 16 to 200 characters"
    ) as told:
        started(admin_key=key)

    assert key not in str(told.value)
