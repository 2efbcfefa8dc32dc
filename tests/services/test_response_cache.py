"""The response cache: which answers are kept, for how long, and whose they are."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.doubles.api_client import ApiClient
from tests.doubles.openai_server import KEY as UPSTREAM_KEY
from tests.doubles.wire_server import whole
from tests.factories.models import make_provider
from tests.factories.users import make_user
from tests.factories.workspaces import make_workspace
from tests.services.cached_requests import HELLO, asked, how_met


@pytest.fixture
def settings(settings, request):
    """The suite's, with what a test changes of it."""
    return replace(settings, **getattr(request, "param", {}))


def test_the_same_request_is_answered_from_the_cache(alice, provided):
    """The same bytes, for nothing, without asking anybody."""
    first, again = asked(alice), asked(alice)

    assert how_met(first, again) == ["miss", "hit"]
    assert again.data == first.data
    assert again.headers["X-Larder-Cost-Usd"] == "0"
    assert len(provided.requests) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "up/usage-zero"},
        {"messages": [*HELLO, *HELLO]},
        {"messages": [{"role": "user", "content": "hello "}]},
        {"temperature": 0.5},
        {"seed": 1},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"unheard_of": 1},
        {"cache": {"ttl": 600, "namespace": "other"}},
    ],
)
def test_another_request_is_another_entry(alice, provided, fields):
    """Whatever may change the answer, fields that nobody knows included."""
    asked(alice)

    assert how_met(asked(alice, **fields)) == ["miss"]


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "u-2"},
        {"metadata": {"a": "b"}},
        {"safety_identifier": "s"},
        {"messages": [{"content": "hello", "role": "user"}]},
        {"temperature": 1.0},
        {"cache": {"ttl": 60}},
        {"stream": None},
    ],
)
def test_what_makes_no_difference_to_the_answer_is_the_same_request(alice, provided, fields):
    """Who asks, in which form, and how a number is written."""
    asked(alice, temperature=1)

    assert how_met(asked(alice, **{"temperature": 1, **fields})) == ["hit"]


def test_the_order_of_a_schema_makes_a_difference(alice, provided):
    """Models write the fields of an object in the order of its schema."""
    fields: list[Any] = [{"a": {}, "b": {}}, {"b": {}, "a": {}}]
    formats = [{"type": "json_schema", "json_schema": {"properties": each}} for each in fields]

    assert how_met(*[asked(alice, response_format=each) for each in formats]) == ["miss", "miss"]


def test_nobody_gets_anothers_answer(alice, bob, provided):
    """Not even to the very same request."""
    assert how_met(asked(alice), asked(bob)) == ["miss", "miss"]


@pytest.mark.parametrize("settings", [{"response_cache_shared": ("faq",)}], indirect=True)
def test_a_declared_namespace_is_shared(alice, bob, provided):
    """Only under its name, and only because the operator said so."""
    names = [{"namespace": "faq"}, {"namespace": "mine"}]
    answers = [asked(each, cache=name) for name in names for each in (alice, bob)]

    assert how_met(*answers) == ["miss", "hit", "miss", "miss"]


def test_it_is_off_unless_it_is_turned_on(alice, provided):
    """An answer that may be old must be wanted."""
    assert how_met(*[asked(alice, cache=None) for _ in range(2)]) == ["bypass", "bypass"]


def test_a_key_may_turn_it_on(app, provided):
    """For programs that cannot say it themselves."""
    client = make_user(app, "Robot", response_cache_ttl_s=600)

    assert how_met(*[asked(client, cache=None) for _ in range(2)]) == ["miss", "hit"]
    assert how_met(asked(client, cache={"no-store": True})) == ["bypass"]


def test_a_model_may_turn_it_on(admin, alice, provided):
    """For everyone who asks it."""
    admin.patch("/api/models/up/echo", json={"response_cache_ttl_s": 600})

    assert how_met(*[asked(alice, cache=None) for _ in range(2)]) == ["miss", "hit"]


@pytest.mark.parametrize(
    ("header", "how"),
    [
        ("max-age=600", ["miss", "hit"]),
        ("no-cache", ["bypass", "bypass"]),
        ("no-cache, max-age=600", ["miss", "miss"]),
        ("no-store, max-age=600", ["bypass", "bypass"]),
        ("max-age=0", ["bypass", "bypass"]),
    ],
)
def test_a_header_may_turn_it_on(alice, provided, header, how):
    """Age alone does; what browsers send by themselves does not."""
    headers = {"Cache-Control": header}

    assert how_met(*[asked(alice, cache=None, headers=headers) for _ in range(2)]) == how


def test_no_cache_asks_anew_and_keeps_the_answer(alice, provided):
    """A refresh is for all who come later."""
    refresh: dict[str, Any] = {"cache": {"no-cache": True}}
    answers = [asked(alice), asked(alice, **refresh), asked(alice)]

    assert how_met(*answers) == ["miss", "miss", "hit"]
    assert len(provided.requests) == 2


def test_an_answer_older_than_wanted_is_none(alice, provided, clock):
    """Who asks for one of a minute gets one of a minute."""
    asked(alice)
    clock.advance(61)

    assert how_met(asked(alice, cache={"ttl": 60}), asked(alice)) == ["miss", "hit"]


def test_an_answer_older_than_its_key_or_its_model_says_is_none(app, admin, provided, clock):
    """A time that was shortened holds for what is kept already, whoever had it kept."""
    client = make_user(app, "Robot", response_cache_ttl_s=60)
    admin.patch("/api/models/up/tools", json={"response_cache_ttl_s": 600})
    for model in ("up/echo", "up/tools"):
        asked(client, model)
    other = make_user(app, "Other")
    asked(other, "up/tools")
    admin.patch("/api/models/up/tools", json={"response_cache_ttl_s": 60})
    clock.advance(61)

    assert how_met(asked(client, cache=None), asked(other, "up/tools", cache=None)) == ["miss"] * 2


@pytest.mark.parametrize("header", ["no-cache", "max-age=0"])
def test_a_header_that_wants_no_old_answer_gets_none(app, provided, header):
    """Though its key turns the cache on: as when a page is loaded anew."""
    client = make_user(app, "Robot", response_cache_ttl_s=600)
    headers = [{}, {"Cache-Control": header}, {}]

    answers = [asked(client, cache=None, headers=each) for each in headers]

    assert how_met(*answers) == ["miss", "miss", "hit"]


@pytest.mark.parametrize("model", ["up/break", "up/malformed", "up/error-object"])
def test_what_broke_is_never_kept(alice, provided, model):
    """Half an answer is none."""
    assert how_met(*[asked(alice, model, stream=True) for _ in range(2)]) == ["miss", "miss"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("reason", "how"), [("content_filter", "miss"), ("length", "miss"), ("stop", "hit")]
)
def test_what_a_filter_or_a_limit_has_cut_off_is_never_kept(
    admin, alice, wire, stream, reason, how
):
    """It is no whole answer, whoever is content with it."""
    make_provider(admin, wire.url)
    admin.post("/api/models", json={"id": "acme/m"})
    choice = {"index": 0, "message": {"role": "assistant", "content": "So"}}
    body = {"id": "c", "choices": [{**choice, "finish_reason": reason}]}
    wire.replies([whole(msgspec.json.encode(body))])

    assert how_met(*[asked(alice, "acme/m", stream=stream) for _ in range(2)]) == ["miss", how]


def test_what_failed_is_never_kept(alice, provided):
    """It may go well the next time."""
    statuses = [asked(alice, "up/status-500").status_code for _ in range(2)]

    assert statuses == [502, 502]
    assert len(provided.requests) == 2


@pytest.mark.parametrize("said", [{"ttl": 0}, {"cache": 1}, "yes", 7])
def test_a_wrong_control_is_named(alice, said):
    """It must not be passed over: somebody relies on it."""
    answer = asked(alice, cache=said)

    assert answer.status_code == 400
    assert answer.json["error"]["param"].startswith("cache")


def _with_key_of(app, client, workspace):
    made = client.post("/api/keys", json={"name": "Lab's", "workspace_id": workspace})
    return ApiClient(app, made.json["secret"])


def test_keys_of_a_workspace_share_its_answers_and_no_others(app, alice, bob, provided):
    """What belongs to the team is the team's, whoever of it has asked."""
    workspace = make_workspace(alice, member=bob).rpartition("/")[2]
    hers, his = [_with_key_of(app, each, workspace) for each in (alice, bob)]

    assert how_met(asked(hers), asked(his), asked(alice)) == ["miss", "hit", "miss"]


def test_an_alias_keeps_answers_where_all_its_models_do(admin, alice, provided):
    """Else who is asked would decide for those who want to be answered anew."""
    targets = [{"model": each} for each in ("up/echo", "up/tools")]
    admin.post("/api/models", json={"id": "smart", "kind": "alias", "targets": targets})
    found = []
    for each in ("up/echo", "up/tools"):
        admin.patch(f"/api/models/{each}", json={"response_cache_ttl_s": 600})
        found.append(how_met(asked(alice, "smart", cache=None)))

    assert found == [["bypass"], ["miss"]]


def test_a_model_that_moved_to_another_address_is_another(admin, alice, provided):
    """Who answers there may be somebody else, whatever the name."""
    asked(alice)
    url = admin.get("/api/providers/up").json["base_url"].replace("127.0.0.1", "localhost")
    moved = admin.patch("/api/providers/up", json={"base_url": url, "secret": UPSTREAM_KEY})

    assert moved.status_code == 200, moved.json
    assert how_met(asked(alice)) == ["miss"]
