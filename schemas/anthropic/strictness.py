"""Whether OpenAI's strict mode takes a schema: only there an answer is sure to be of its schema.

https://platform.openai.com/docs/guides/structured-outputs

Anthropic's is less strict (a property may be left out); what does not fit is asked for without.
"""

from collections.abc import Mapping

__all__ = ["takes_strictly"]

KEYWORDS = frozenset(
    {
        "type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "const",
        "$ref", "$defs", "title", "description", "format", "pattern", "minimum", "maximum",
        "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems",
    }
)  # fmt: skip
FORMATS = (
    "date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid",
)  # fmt: skip
MAX_LEVELS = 10


def takes_strictly(schema: object) -> bool:
    """Whether the schema, of an object, can be asked for strictly."""
    return isinstance(schema, Mapping) and schema.get("type") == "object" and _fits(schema, 0)


def _fits(schema: object, level: int) -> bool:
    if not isinstance(schema, Mapping) or not schema.keys() <= KEYWORDS or level > MAX_LEVELS:
        return False
    if "format" in schema and schema["format"] not in FORMATS:
        return False
    if _is_of_objects(schema) and not _is_closed(schema):
        return False
    named = [schema.get(name, {}) for name in ("properties", "$defs")]
    choices = schema.get("anyOf", [])
    if not all(isinstance(each, Mapping) for each in named) or not isinstance(choices, list):
        return False
    parts = [part for each in named for part in each.values()] + choices
    if "items" in schema:
        parts.append(schema["items"])
    return all(_fits(part, level + 1) for part in parts)


def _is_of_objects(schema: Mapping[str, object]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind)


def _is_closed(schema: Mapping[str, object]) -> bool:
    """Whether an object has all its properties and no others."""
    properties, required = schema.get("properties"), schema.get("required", [])
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        return False
    return schema.get("additionalProperties") is False and all(
        name in required for name in properties
    )
