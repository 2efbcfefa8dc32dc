"""Names of downloads."""

import pytest

from blueprints.http.downloads import attachment


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("sea.md", "attachment; filename=\"sea.md\"; filename*=UTF-8''sea.md"),
        ("Größe.md", "attachment; filename=\"Gr__e.md\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.md"),
        ('a"b\\c%.md', "attachment; filename=\"a_b_c_.md\"; filename*=UTF-8''a%22b%5Cc%25.md"),
        ("a\r\nb", "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"),
    ],
)
def test_a_name_cannot_leave_its_header(name, header):
    """A line break in a name must not become a header of its own."""
    assert attachment(name) == header
