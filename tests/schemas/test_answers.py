"""What a question to a model may say."""

import pytest
from marshmallow import ValidationError

from schemas.answers import QuestionSchema, RegenerateSchema


def test_a_question_streams_unless_it_says_otherwise():
    """The content is all that has to be sent."""
    question = QuestionSchema().load({"content": "Hi"})

    assert (question.content, question.stream, question.model) == ("Hi", True, None)
    assert (question.params, question.file_ids, question.parent_id) == ({}, [], None)


def test_parameters_pass_as_they_are():
    """Larder need not know what a provider can be told."""
    params = {"temperature": 0.2, "stop": ["x"], "vendor": {"deep": [1, None]}}

    assert RegenerateSchema().load({"params": params}).params == params


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", ""),
        ("content", None),
        ("stream", "yes"),
        ("params", {"model": "x"}),
        ("params", {"messages": []}),
        ("params", {"cache": {"ttl": 60}}),
        ("params", dict.fromkeys(map(str, range(61)))),
        ("params", []),
        ("file_ids", ["f"] * 21),
        ("file_ids", "f"),
        ("colour", "red"),
    ],
)
def test_what_is_wrong_is_named(field, value):
    """The conversation, not its parameters, decides of model, messages and streaming."""
    with pytest.raises(ValidationError) as refused:
        QuestionSchema().load({"content": "Hi", field: value})

    assert set(refused.value.normalized_messages()) == {field}
