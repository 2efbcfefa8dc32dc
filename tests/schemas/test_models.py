"""The shapes of models and aliases."""

import pytest
from marshmallow import ValidationError

from schemas.models import ModelWriteSchema

SMART = {"id": "smart", "kind": "alias", "targets": [{"model": "acme/big"}]}


def test_an_alias_has_plain_defaults():
    """In order, and each with the same share."""
    new = ModelWriteSchema().load(SMART)

    assert (new.kind, new.strategy, new.status) == ("alias", "ordered", "active")
    assert new.targets == [{"model": "acme/big", "weight": 1}]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"id": "a/b"}, ["id"]),
        ({"id": "a b"}, ["id"]),
        ({"id": "x" * 65}, ["id"]),
        ({"id": "smart\n"}, ["id"]),
        ({"targets": []}, ["targets"]),
        ({"targets": [{"model": "acme/big"}] * 2}, ["targets"]),
        ({"targets": [{"model": "acme/big", "weight": 0}]}, ["targets"]),
        ({"targets": [{"model": f"acme/m{number}"} for number in range(21)]}, ["targets"]),
        ({"targets": [{"model": "acme/big", "weight": -1}]}, ["targets", 0, "weight"]),
        ({"targets": [{"model": "acme/big", "weight": 1.5}]}, ["targets", 0, "weight"]),
        ({"targets": [{"model": "smart"}]}, ["targets", 0, "model"]),
        ({"targets": [{}]}, ["targets", 0, "model"]),
        ({"strategy": "fastest"}, ["strategy"]),
        ({"context_window": 5}, ["context_window"]),
        ({"kind": "group"}, ["kind"]),
        ({"kind": "model", "id": "acme/new"}, ["targets"]),
        ({"kind": "model", "id": "acme/new", "strategy": "ordered"}, ["strategy"]),
        ({"kind": "model"}, ["id"]),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(fields, place):
    """An alias of nothing, of another alias, or with a model's fields; and the other way round."""
    with pytest.raises(ValidationError) as refused:
        ModelWriteSchema().load({**SMART, **fields})

    found = refused.value.normalized_messages()
    for step in place:
        assert list(found) == [step]
        found = found[step]


def test_an_alias_is_its_targets():
    """Without them there is none."""
    with pytest.raises(ValidationError) as refused:
        ModelWriteSchema().load({"id": "smart", "kind": "alias"})

    assert list(refused.value.normalized_messages()) == ["targets"]
