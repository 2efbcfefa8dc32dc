"""Files as services see them."""

import pytest

from cache.namespaces import FILES
from cache.scopes import UserId
from database.tables.platform import StoredFile
from schemas.files import NewFile
from services import files
from services.errors import Conflict
from services.runtime import runtime
from services.unit_of_work import unit_of_work


def _kept(app, owner, name="notes.txt", media_type="text/plain", content=b"x"):
    with app.app_context():
        return files.create_file(UserId(owner), NewFile(name, media_type, content))


def _fill(app, owner, count, size_bytes):
    """Rows that say they are so large."""
    with app.app_context(), unit_of_work() as work:
        work.session.add_all(
            StoredFile(
                user_id=owner,
                name="x",
                media_type="text/plain",
                size_bytes=size_bytes,
                sha256="x",
                content=b"",
                created_at=runtime().clock.now(),
            )
            for _ in range(count)
        )
        work.invalidates(FILES.of(UserId(owner)))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("notes.txt", "notes.txt"),
        ("C:\\Users\\me\\notes.txt", "notes.txt"),
        ("../../etc/passwd", "passwd"),
        ("a\x00b\r\nc\u202egpj.exe", "abcgpj.exe"),
        ("日本語.txt", "日本語.txt"),
        ("", "file"),
        ("..", "file"),
        ("dir/", "file"),
        ("x" * 300, "x" * 255),
    ],
)
def test_a_name_is_what_can_be_shown(app, alice, given, kept):
    """No folder, no line break into a header, no text that runs backwards."""
    assert _kept(app, alice.user_id, name=given)["name"] == kept


@pytest.mark.parametrize("wrong", ["", "text", "text/", "a/b\r\nX: y", "x/" + "y" * 100, "a b/c"])
def test_a_made_up_type_counts_as_none(app, alice, wrong):
    """It goes out again as a header."""
    assert _kept(app, alice.user_id, media_type=wrong)["media_type"] == "application/octet-stream"


def test_a_user_has_a_bounded_number_of_files(app, alice):
    """A client cannot grow the table without end."""
    _fill(app, alice.user_id, files.MAX_FILES, 0)

    with pytest.raises(Conflict) as refused:
        _kept(app, alice.user_id)

    assert refused.value.code == "too_many_files"


def test_a_users_files_have_a_bounded_size(app, alice, bob):
    """All together; others' do not count."""
    _fill(app, alice.user_id, 1, files.MAX_TOTAL_BYTES)

    with pytest.raises(Conflict) as refused:
        _kept(app, alice.user_id)

    assert refused.value.code == "storage_full"
    assert _kept(app, bob.user_id)["size_bytes"] == 1
