"""Whatever the OpenAPI document allows, and much that it does not, gets a declared answer.

schemathesis makes the requests: valid ones, wrong types, missing and unknown fields, odd texts.
"""

from typing import Any, cast

import hypothesis
import jsonschema_rs
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import ADMIN_KEY

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
EXAMPLES = 10
HEADERS = {"Authorization": f"Bearer {ADMIN_KEY}"}
GROUPS = (
    "/api/audit-logs",
    "/api/cache",
    "/api/conversations",
    "/api/costs",
    "/api/files",
    "/api/folders",
    "/api/keys",
    "/api/me",
    "/api/models",
    "/api/openapi.json",
    "/api/providers",
    "/api/streams",
    "/api/users",
    "/api/workspaces",
    "/healthz",
    "/metrics",
    "/readyz",
    "/v1",
)


def _operations(app, group: str) -> list[Any]:
    document = schemathesis.openapi.from_wsgi("/api/openapi.json", app)
    document.config.generation.update(modes=list(GenerationMode))
    found: list[Any] = [cast("Any", each).ok() for each in document.get_all_operations()]
    return [each for each in found if each.path.startswith(group)]


def _has_input(operation: Any) -> bool:
    """Without one there is nothing a client could get wrong."""
    parts = (operation.path_parameters, operation.query, operation.headers, operation.body)
    return any(len(list(each)) for each in parts)


def _try(operation: Any, mode: GenerationMode) -> None:
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: Any) -> None:
        case.call_and_validate(headers=HEADERS, checks=CHECKS)

    attempt()


@pytest.mark.filterwarnings(  # schemathesis picks some of its values with `random`
    "ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning"
)
@pytest.mark.parametrize("group", GROUPS)
def test_no_request_finds_a_server_error(app, group):
    """A client's mistake is answered with what was wrong, in the declared form."""
    for operation in _operations(app, group):
        _try(operation, GenerationMode.POSITIVE)
        if _has_input(operation):
            _try(operation, GenerationMode.NEGATIVE)


def test_every_path_is_tried(app):
    """A new part of the API joins the list above."""
    left = [each.path for each in _operations(app, "/") if not each.path.startswith(GROUPS)]

    assert left == []


def _schemas_with_defaults(part: Any) -> list[dict[str, Any]]:
    if isinstance(part, list):
        return [each for inner in part for each in _schemas_with_defaults(inner)]
    if not isinstance(part, dict):
        return []
    found = [part] if "type" in part and "default" in part else []
    return found + [each for inner in part.values() for each in _schemas_with_defaults(inner)]


def test_a_default_is_what_its_field_takes(app):
    """Generated clients send defaults along."""
    document = app.test_client().get("/api/openapi.json", headers=HEADERS).json

    found = _schemas_with_defaults(document)

    assert len(found) > 10
    assert [each for each in found if not jsonschema_rs.is_valid(each, each["default"])] == []
