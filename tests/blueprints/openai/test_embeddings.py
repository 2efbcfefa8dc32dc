"""`POST /v1/embeddings` as OpenAI's clients meet it."""

import pytest

PATH = "/v1/embeddings"


def _asked(client, model="up/echo", **fields):
    return client.post(PATH, json={"model": model, "input": "hello there", **fields})


def _records(client):
    return client.get("/api/costs/records").json["items"]


def test_a_text_is_embedded_and_booked(admin, alice, provided):
    """The provider's answer as it is; its price is that of the input."""
    admin.put("/api/costs/pricing/up/echo", json={"rates": {"input": "1000", "output": "9"}})
    answer = _asked(alice)

    assert answer.status_code == 200
    assert answer.json["data"] == [{"object": "embedding", "index": 0, "embedding": [11.0, 0.5]}]
    (record,) = _records(alice)
    assert (record["endpoint"], record["status"]) == ("embeddings", "ok")
    assert (record["input_tokens"], record["output_tokens"]) == (2, 0)
    assert answer.headers["X-Larder-Cost-Usd"] == record["cost_usd"] == "0.002"


def test_a_batch_and_every_option_reach_the_provider(alice, provided):
    """Also those that nobody here knows."""
    options = {"dimensions": 256, "encoding_format": "base64", "user": "u", "tomorrow": 1}
    answer = _asked(alice, input=["a", "bb"], **options)

    assert provided.requests[-1] == {"model": "echo", "input": ["a", "bb"], **options}
    assert [type(each["embedding"]) for each in answer.json["data"]] == [str, str]


@pytest.mark.parametrize(
    ("model", "given", "tokens", "is_estimated"),
    [
        ("up/usage-zero", "hello there", 0, False),
        ("up/usage-none", "hello there", 3, True),
        ("up/usage-none", ["hello", "there"], 3, True),
    ],
)
def test_tokens_that_nobody_counted_are_estimated(
    alice, provided, model, given, tokens, is_estimated
):
    """An explicit zero is a zero."""
    _asked(alice, model, input=given)

    (record,) = _records(alice)
    assert (record["input_tokens"], record["is_estimated"]) == (tokens, is_estimated)


def test_the_same_texts_are_embedded_once(alice, provided):
    """By the response cache, where it is wanted."""
    on = {"cache": {"ttl": 60}}
    first, again = _asked(alice, **on), _asked(alice, **on)
    other = _asked(alice, dimensions=2, **on)

    how = [each.headers["X-Larder-Cache"] for each in (first, again, other)]
    assert how == ["miss", "hit", "miss"]
    assert again.data == first.data
    assert again.headers["X-Larder-Cost-Usd"] == "0"


def test_a_provider_without_embeddings_says_so(alice):
    """A 400 in words, not a failure of ours; nothing was asked, so nothing is owed."""
    answer = _asked(alice, "demo/echo")

    assert answer.status_code == 400
    assert "has no embeddings" in answer.json["error"]["message"]
    assert [each["cost_usd"] for each in _records(alice)] in ([], ["0"])


@pytest.mark.parametrize(("model", "status"), [("status-429", 429), ("status-500", 502)])
def test_a_providers_refusal_has_its_status(alice, provided, model, status):
    """As everywhere under `/v1`."""
    assert _asked(alice, f"up/{model}").status_code == status


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"input": ["a", ""]}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": [[1], []]}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
    ],
)
def test_a_wrong_field_is_named(alice, fields, param):
    """A 400 with the parameter."""
    answer = _asked(alice, "demo/echo", **fields)

    assert (answer.status_code, answer.json["error"]["param"]) == (400, param)
