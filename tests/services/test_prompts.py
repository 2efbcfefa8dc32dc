"""Conversations as any provider reads them."""

import pytest

from cache.scopes import UserId
from services.prompts import prompt_of
from tests.factories.files import make_file

OWNER = UserId("u")
CALL = {
    "id": "c",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
    "extra_content": {"google": {"thought_signature": "s"}},
}
CALLED = '(Called weather with {"city": "Oslo"}.)'


def _answer(content, *calls):
    return {"role": "assistant", "content": content, "tool_calls": list(calls) or None}


def test_messages_come_in_their_order_behind_the_conversations_own_words():
    """Without those where it has none."""
    path = [{"role": "user", "content": "a"}, _answer("b"), {"role": "user", "content": "c"}]
    said = [("user", "a"), ("assistant", "b"), ("user", "c")]

    prompts = [prompt_of(OWNER, words, path) for words in ("Be brief.", "", None)]

    spoken = [[(each["role"], each["content"]) for each in prompt] for prompt in prompts]
    assert spoken == [[("system", "Be brief."), *said], said, said]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (_answer("", CALL), CALLED),
        (_answer("Let me see.", CALL, CALL), f"Let me see.\n{CALLED}\n{CALLED}"),
        (_answer("", {"id": "c"}), "(Called None with None.)"),
    ],
)
def test_calls_are_told_in_words(answer, told):
    """Without its result, which a conversation has no place for, a call is refused everywhere."""
    assert prompt_of(OWNER, None, [answer]) == [{"role": "assistant", "content": told}]


@pytest.mark.parametrize("content", ["", " ", "\n\n"])
def test_an_answer_without_a_word_is_told_as_such(content):
    """Mistral refuses an empty one, and others two questions in a row."""
    assert prompt_of(OWNER, None, [_answer(content)])[0]["content"] == "(No answer.)"


@pytest.mark.parametrize("content", ["  indented\n    more ", "\tcode"])
def test_an_answer_keeps_its_blanks(content):
    """They may be code's."""
    assert prompt_of(OWNER, None, [_answer(content)])[0]["content"] == content


def test_files_follow_the_words_of_their_message(app, alice):
    """As parts."""
    file_id = make_file(alice, b"notes", "a.txt", "text/plain").json["id"]
    asked = {"role": "user", "content": "look", "file_ids": [file_id]}

    with app.app_context():
        (message,) = prompt_of(UserId(alice.user_id), None, [asked])

    assert message["content"] == [
        {"type": "text", "text": "look"},
        {"type": "text", "text": "File a.txt:\nnotes"},
    ]
