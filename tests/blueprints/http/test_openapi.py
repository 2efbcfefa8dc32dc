"""The document is complete, and every reference in it leads somewhere."""

import json
import re

import pytest


def test_every_reference_is_defined(client):
    """Generators and linters read it without a complaint."""
    document = client.get("/api/openapi.json").json

    wanted = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))

    assert wanted <= set(document["components"]["schemas"])


@pytest.mark.parametrize(
    "path", ["/api/models/{model_id}", "/api/cache/namespaces/{namespace}/keys/{key}", "/v1/models"]
)
def test_a_route_is_in_it(client, path):
    """Whatever is served is described."""
    assert path in client.get("/api/openapi.json").json["paths"]


def test_a_stream_is_opened_by_a_key_or_a_ticket(client):
    """Nothing else is: a generated client asks for a ticket where it can be used."""
    document = client.get("/api/openapi.json").json
    stream = document["paths"]["/api/streams/{stream_id}"]

    assert stream["get"]["security"] == [{"key": []}, {"ticket": []}]
    assert stream["delete"]["security"] == [{"key": []}]
    assert "ticket" not in {each["name"] for each in stream["get"]["parameters"]}
    scheme = document["components"]["securitySchemes"]["ticket"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "query", "ticket")
