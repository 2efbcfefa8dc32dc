"""The shapes of files."""

from schemas.files import FileSchema, NewFile


def test_a_file_as_it_is_read_has_no_content():
    """Lists of files are small, and are cached."""
    assert "content" not in FileSchema().fields


def test_the_bytes_of_a_file_are_in_no_log():
    """A repr may reach one."""
    assert "secret" not in repr(NewFile("a.txt", "text/plain", b"secret"))
