"""The first start: a secret of the installation, an owner, and the key they come in with."""

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from sqlalchemy import func, select

from cache.namespaces import USERS
from cache.scopes import EVERYONE, UserId
from config import Settings, SettingsError
from database.generations import bump
from database.session import read_session
from database.tables.users import ApiKey, User
from services import keys
from services.errors import Conflict
from services.runtime import runtime
from services.unit_of_work import unit_of_work

__all__ = ["ensure_admin", "master_secret"]

USABLE_KEY = re.compile(r"[!-~]{16,200}")
USABLE_KEY_WORDS = "16 to 200 characters of ASCII, without spaces: whoever guesses it is an owner"
SECRET_FILE = "secret_key"  # noqa: S105 (a file name)


def master_secret(settings: Settings) -> str:
    """The installation's secret: `LARDER_SECRET_KEY`, or one made once under `instance/`.

    Several workers may start at once: the file is made by exactly one of them.
    """
    if settings.secret_key:
        return settings.secret_key
    path: Path = settings.instance_path / SECRET_FILE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        made = path.with_name(f"{SECRET_FILE}.{secrets.token_hex(8)}")
        made.touch(mode=0o600)
        made.write_text(secrets.token_urlsafe(48), encoding="ascii")
        with suppress(FileExistsError):  # another worker was first: its secret counts
            os.link(made, path)
        made.unlink()
    return path.read_text(encoding="ascii").strip()


def ensure_admin() -> str | None:
    """Make the first owner and key where there are none.

    Returns:
        The secret of a key that was made up here, to be shown once; `None` if there was one, or if
        `LARDER_ADMIN_KEY` gave it.

    Raises:
        SettingsError: that one is too short, or could not stand in a header.
    """
    given = runtime().settings.admin_key
    with read_session() as session:
        known = session.scalar(select(func.count()).select_from(ApiKey))
        hashes = runtime().secrets.api_key_hashes(given) if given else ()
        has_given = session.scalar(select(ApiKey.id).where(ApiKey.secret_hash.in_(hashes)))
    if has_given or (known and not given):
        return None
    if given and not USABLE_KEY.fullmatch(given):
        raise SettingsError(f"LARDER_ADMIN_KEY must be {USABLE_KEY_WORDS}")
    try:
        return _make_admin(given)
    except Conflict:
        if not given:
            raise
        return None  # another worker was first, with the same key


def _make_admin(given: str) -> str | None:
    with unit_of_work() as work:
        # One start at a time: the row is held until the commit, so the next one sees the owner.
        bump(work.connection(), {USERS.of(EVERYONE).name: 1}, runtime().clock)
        owner = work.session.scalar(
            select(User).where(User.role == "owner").order_by(User.created_at).limit(1)
        )
        if owner is None:
            now = runtime().clock.now()
            owner = User(name="Admin", role="owner", created_at=now, updated_at=now)
            work.session.add(owner)
            work.session.flush()  # the key below needs the owner's id
            work.invalidates(USERS.of(EVERYONE), USERS.of(UserId(owner.id)))
        elif not given and work.session.scalar(select(func.count()).select_from(ApiKey)):
            return None
        _, secret = keys.add_key(work, UserId(owner.id), "First admin key", secret=given or None)
    return None if given else secret
