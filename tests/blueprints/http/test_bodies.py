"""What goes in and out of an end point, on an application of four small views."""

from decimal import Decimal
from io import BytesIO

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from flask_smorest import Api
from marshmallow import fields

from blueprints.http.bodies import Routes, body, large_body, query, returns, upload
from blueprints.http.errors import register_errors
from blueprints.http.notes import IF_MATCH, takes
from cache.results import encode_body, etag_of
from schemas.fields import StrictSchema, Text, WholeNumber

LIMIT = 1000
LARGE = 5000


class Item(StrictSchema):
    """Something within something."""

    name = Text(max_chars=10, required=True)


class Things(StrictSchema):
    """What a client sends."""

    name = Text(max_chars=LARGE, required=True)
    items = fields.List(fields.Nested(Item))
    number = WholeNumber(low=0, high=9)


class Page(StrictSchema):
    """What a client asks for."""

    limit = WholeNumber(low=1, high=9, load_default=5)


class Form(StrictSchema):
    """What a client uploads."""

    file = fields.Raw(required=True)


routes = Routes("things", "/things", "Things.")


@routes.post("")
@body(Things)
@returns(Things, 201)
def _create(things):
    return things


@routes.put("")
@large_body(lambda: LARGE)
@body(Things)
@returns()
@takes(IF_MATCH)
def _replace(things, if_match):
    return {"chars": len(things["name"]), "if_match": if_match}


@routes.patch("")
@body(Page, required=False)
@returns()
def _edit(page):
    return page


@routes.get("")
@query(Page)
@returns()
def _list(page):
    return [page]


@routes.get("/price")
@returns()
def _price():
    return {"usd": Decimal("0.10"), "name": "größe"}


@routes.get("/ready-made")
@returns()
def _ready_made():
    return Response("as it is", status=202)


@routes.delete("")
@returns(status=204)
def _delete():
    return None


@routes.post("/files")
@upload(Form, max_bytes=lambda: LARGE)
@returns()
def _upload(files):
    return {"size_bytes": len(files["file"].read())}


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    """A client of these views."""
    app = Flask(__name__)
    app.config |= {"API_TITLE": "t", "API_VERSION": "1", "OPENAPI_VERSION": "3.1.0"}
    app.config["MAX_CONTENT_LENGTH"] = LIMIT
    Api(app).register_blueprint(routes)
    register_errors(app, (), {})
    return app.test_client()


def _send(client, raw, media_type="application/json"):
    return client.post("/things", data=raw, content_type=media_type)


def _nested(depth):
    return b'{"name": ' + b"[" * depth + b"]" * depth + b"}"


def test_what_is_sent_is_loaded_and_what_is_returned_is_written(client):
    """A view sees values, never a request."""
    answer = client.post("/things", json={"name": "Sea", "number": 3})

    assert answer.status_code == 201
    assert answer.mimetype == "application/json"
    assert answer.get_json() == {"name": "Sea", "number": 3}


@pytest.mark.parametrize(
    "raw",
    [b"{", b"name=Sea", b"{'name': 'Sea'}", b'{"name": NaN}', b'{"name": "\xff"}', b'{"a": 1} x'],
)
def test_what_is_not_json_is_a_400(client, raw):
    """The request cannot be read at all."""
    answer = _send(client, raw)

    assert answer.status_code == 400
    assert answer.get_json()["code"] == "invalid_json"


@pytest.mark.parametrize("depth", [100, 990, 2400])
def test_a_body_that_is_nested_too_deep_is_a_400(client, depth):
    """What handles it later calls itself once for each level."""
    answer = client.put("/things", data=_nested(depth), content_type="application/json")

    assert answer.status_code == 400
    assert answer.get_json()["code"] == "invalid_json"


def test_ordinary_nesting_is_read(client):
    """Tool definitions have some ten levels."""
    answer = _send(client, _nested(98))

    assert answer.status_code == 422


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_another_media_type_is_a_415(client, media_type):
    """A form of another page must not pass for JSON."""
    answer = _send(client, b'{"name": "Sea"}', media_type)

    assert answer.status_code == 415


@pytest.mark.parametrize(
    "media_type", ["application/json", "application/json; charset=utf-8", "application/x+json", ""]
)
def test_json_by_any_of_its_names_is_read(client, media_type):
    """And where nothing is said, it is tried."""
    assert _send(client, b'{"name": "Sea"}', media_type).status_code == 201


@pytest.mark.parametrize(
    ("sent", "wrong"),
    [
        ({}, ["name"]),
        ({"name": "a", "colour": "red"}, ["colour"]),
        ({"name": 7, "number": 10}, ["name", "number"]),
        ({"name": "a", "items": [{"name": "b"}, {"name": 3}]}, ["items.1.name"]),
        ({"name": "a", "items": [{"name": "b", "x": 1}]}, ["items.0.x"]),
        (["name"], ["body"]),
        ("name", ["body"]),
        ({"name": "a", "number": 10**40}, ["number"]),
        ({"name": "a\x00"}, ["name"]),
    ],
)
def test_every_wrong_field_is_named(client, sent, wrong):
    """By its path, all of one request at once."""
    answer = client.post("/things", json=sent)

    assert answer.status_code == 422
    assert sorted(answer.get_json()["errors"]) == wrong


def test_null_is_no_object(client):
    """It is a body, unlike none at all."""
    assert list(_send(client, b"null").get_json()["errors"]) == ["body"]


def test_no_body_is_missing_fields(client):
    """The client learns what it has to send."""
    answer = client.post("/things")

    assert answer.status_code == 422
    assert list(answer.get_json()["errors"]) == ["name"]


def test_a_body_may_be_left_out_where_all_of_it_has_defaults(client):
    """An empty request is a request for the usual."""
    assert client.patch("/things").get_json() == {"limit": 5}


@pytest.mark.parametrize(
    ("asked", "wrong"), [({"limit": "0"}, "limit"), ({"limit": "x"}, "limit"), ({"lim": 1}, "lim")]
)
def test_a_wrong_query_is_named(client, asked, wrong):
    """A misspelt filter would otherwise filter nothing."""
    answer = client.get("/things", query_string=asked)

    assert answer.status_code == 422
    assert list(answer.get_json()["errors"]) == [wrong]


def test_no_more_faults_are_told_than_anybody_reads(client):
    """A body of a million unknown fields is not answered with a million sentences."""
    answer = client.put("/things", json={"name": "a", **{f"f{at}": 1 for at in range(300)}})

    assert answer.status_code == 422
    assert len(answer.get_json()["errors"]) == 100


def test_an_object_has_the_etag_of_its_bytes(client):
    """A change's answer can be used for `If-Match` without reading again."""
    answer = client.post("/things", json={"name": "Sea"})

    assert answer.headers["ETag"] == etag_of(encode_body({"name": "Sea"}))


def test_a_list_has_none(client):
    """It is no resource that one could change."""
    answer = client.get("/things")

    assert answer.get_json() == [{"limit": 5}]
    assert "ETag" not in answer.headers


def test_money_is_text_and_letters_are_themselves(client):
    """No float on the way."""
    assert client.get("/things/price").data == '{"usd":"0.10","name":"größe"}'.encode()


def test_a_response_goes_out_as_it_is(client):
    """A view may know better."""
    answer = client.get("/things/ready-made")

    assert (answer.status_code, answer.text) == (202, "as it is")


def test_nothing_is_an_empty_answer(client):
    """A 204 has no body."""
    answer = client.delete("/things")

    assert (answer.status_code, answer.data) == (204, b"")


def test_a_view_gets_the_version_its_caller_has_seen(client):
    """As the client wrote it; comparing is the service's."""
    answer = client.put("/things", json={"name": "Sea"}, headers={"If-Match": '"abc"'})

    assert answer.get_json()["if_match"] == '"abc"'


@pytest.mark.parametrize(
    ("method", "chars", "status"),
    [("POST", LIMIT + 1, 413), ("PUT", LIMIT + 1, 200), ("PUT", LARGE + 1, 413)],
)
def test_each_route_has_a_limit_of_its_own(client, method, chars, status):
    """An import may be larger than a message, and is not without end."""
    answer = client.open("/things", method=method, json={"name": "x" * chars})

    assert answer.status_code == status


def test_a_file_is_uploaded_as_a_form(client):
    """It may be larger than a JSON body."""
    answer = client.post("/things/files", data={"file": (BytesIO(b"x" * 2000), "a.txt")})

    assert answer.get_json() == {"size_bytes": 2000}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"json": {"file": "x"}}, 415),
        ({"data": b"x"}, 415),
        ({"data": {"file": (BytesIO(b"x" * LARGE), "a.txt")}}, 413),
        ({"data": {"other": (BytesIO(b"x"), "a.txt")}}, 422),
        ({"data": {"file": "text"}, "content_type": "multipart/form-data"}, 422),
        ({"data": {"file": [(BytesIO(b"x"), "a"), (BytesIO(b"y"), "b")]}}, 422),
        ({"data": {}, "content_type": "multipart/form-data"}, 422),
    ],
)
def test_what_is_no_upload_is_refused(client, sent, status):
    """Each with the status that says what is wrong with it."""
    assert client.post("/things/files", **sent).status_code == status
