"""What a request says of the response cache, in its body or its headers."""

import pytest

from blueprints.http.cache_controls import cache_controlled, cache_controls
from blueprints.http.notes import notes_of
from schemas.openai import ChatCall
from schemas.response_cache import MAX_RESPONSE_TTL_S, CacheControls


def _read(app, header, said=None):
    headers = {"Cache-Control": header} if header else {}
    with app.test_request_context(headers=headers):
        return cache_controls(said)


@pytest.mark.parametrize(
    ("header", "controls"),
    [
        ("", None),
        ("public", None),
        ("max-age=60", CacheControls(ttl_s=60)),
        ("max-age=60, no-cache", CacheControls(ttl_s=60, no_cache=True)),
        ("no-cache", CacheControls(is_wanted=False, no_cache=True)),
        ("no-store", CacheControls(is_wanted=False, no_store=True)),
        ("max-age=0", CacheControls(is_wanted=False, no_cache=True)),
        ("max-age=-1", CacheControls(is_wanted=False, no_cache=True)),
        ("max-age=99999999999", CacheControls(ttl_s=MAX_RESPONSE_TTL_S)),
        ("max-age=soon", None),
    ],
)
def test_a_header_is_read_as_http_has_it(app, header, controls):
    """Only an age turns the cache on: browsers send the others by themselves."""
    assert _read(app, header) == controls


def test_the_body_comes_first_and_a_header_only_makes_it_stricter(app):
    """Whoever wrote the body knows the cache; a proxy on the way may still forbid it."""
    said = CacheControls(ttl_s=5, namespace="faq")

    assert _read(app, "max-age=60", said) == said
    assert _read(app, "no-store", said) == CacheControls(ttl_s=5, namespace="faq", no_store=True)


def test_a_view_is_handed_its_body_with_what_the_headers_say(app):
    """And the document names the header."""
    view = cache_controlled(lambda principal, asked, **_: (principal, asked))
    asked = ChatCall(model="demo/echo", stream=False, include_usage=False, body={})

    with app.test_request_context(headers={"Cache-Control": "max-age=60"}):
        principal, controlled = view("Alice", asked, conversation_id="7")

    assert (principal, controlled.cache) == ("Alice", CacheControls(ttl_s=60))
    assert asked.cache is None
    assert [each.name for each in notes_of(view).headers] == ["Cache-Control"]
