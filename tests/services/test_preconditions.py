"""`If-Match` by RFC 9110, 13.1.1: a change is made only to the version that was seen."""

import pytest

from cache.results import encode_body, etag_of
from services.errors import PreconditionFailed
from services.preconditions import check_precondition

CURRENT = {"id": "x", "name": "Trips", "parent_id": None}
ETAG = etag_of(encode_body(CURRENT))


@pytest.mark.parametrize(
    "header", [None, "*", " * ", ETAG, f'"other", {ETAG}', f"  {ETAG}  ", f'{ETAG},"other"']
)
def test_the_version_that_stands_is_let_through(header):
    """No header, any version, or this one among others."""
    check_precondition(header, CURRENT)


@pytest.mark.parametrize(
    "header", ["", '"other"', ETAG.strip('"'), f"W/{ETAG}", '"*"', ETAG.upper(), '"a", "b"']
)
def test_another_version_is_refused(header):
    """A weak tag never matches here; nor does one without its quotes."""
    with pytest.raises(PreconditionFailed) as refused:
        check_precondition(header, CURRENT)

    assert refused.value.code == "precondition_failed"


def test_any_difference_is_another_version():
    """Also one in a field that the caller does not change."""
    with pytest.raises(PreconditionFailed):
        check_precondition(ETAG, {**CURRENT, "parent_id": "y"})
