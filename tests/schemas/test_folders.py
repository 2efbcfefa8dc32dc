"""What a folder may be called, and what a change of it says."""

import pytest
from marshmallow import ValidationError

from schemas.folders import FolderDeleteQuerySchema, FolderPatchSchema, FolderWriteSchema


def test_a_new_folder_stands_at_the_top():
    """Unless a parent is named."""
    new = FolderWriteSchema().load({"name": "Trips"})

    assert (new.name, new.parent_id) == ("Trips", None)


def test_a_change_holds_what_was_named_only():
    """A parent of null moves to the top; one that is left out stays."""
    assert FolderPatchSchema().load({"name": "x"}).changes == {"name": "x"}
    assert FolderPatchSchema().load({"parent_id": None}).changes == {"parent_id": None}


@pytest.mark.parametrize("schema", [FolderWriteSchema, FolderPatchSchema])
@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "x" * 201), ("name", None), ("parent_id", 7), ("colour", "red")],
)
def test_what_is_wrong_is_named(schema, field, value):
    """Of a new folder as of a changed one."""
    with pytest.raises(ValidationError) as refused:
        schema().load({"name": "Trips", field: value})

    assert set(refused.value.normalized_messages()) == {field}


def test_contents_are_kept_unless_their_end_is_asked_for():
    """The harmless way is the default."""
    assert FolderDeleteQuerySchema().load({}) == {"contents": "unfile"}
    with pytest.raises(ValidationError):
        FolderDeleteQuerySchema().load({"contents": "burn"})
