"""Full text over titles and messages: the same results whichever database keeps them.

The database finds documents by its index; what a word is, what ranks before what, and the snippets
are decided here. A match in the title comes first, then the number of messages that match, then
the last activity.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    Subquery,
    case,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import Session

from cache.namespaces import CONVERSATIONS
from cache.scopes import UserId
from database.search.documents import SearchDocument, having
from database.search.words import MAX_TEXT_CHARS, Term, parse_terms
from database.session import read_session
from database.tables.conversations import Conversation, Message
from schemas.search import FoundSchema, SearchQuery
from services.conversations.snippets import highlight, snippet
from services.errors import Invalid
from services.paging import decode_cursor, encode_cursor, page_of
from services.runtime import runtime

__all__ = ["search_conversations"]

LISTING = "search"
MAX_WORDS = 32
SHOWN_MESSAGES = 3
_ONE = FoundSchema()


@CONVERSATIONS.read("search")
def search_conversations(owner: UserId, query: SearchQuery) -> dict[str, Any]:
    """One page of `owner`'s conversations in which all words of the query stand together.

    Raises:
        Invalid: there are too many words, or the cursor is not of this list.
    """
    terms = parse_terms(query.q)
    if sum(len(term.words) for term in terms) > MAX_WORDS:
        raise Invalid.field("q", f"Search for {MAX_WORDS} words at most.")
    before = None
    if query.cursor is not None:
        before = decode_cursor(LISTING, query.cursor, [int, int, datetime, str])
    if not terms:
        return {"items": [], "next_cursor": None}
    with read_session() as session:
        documents = _documents(session, owner, terms, query)
        rows = session.execute(_ranked(documents, query, before)).all()
        shown = [row.Conversation.id for row in rows[: query.limit]]
        found = _messages(session, documents, shown, terms)
    return page_of(
        rows,
        query.limit,
        lambda row: _dump(row, terms, found[row.Conversation.id]),
        lambda row: encode_cursor(
            LISTING, [row.in_title, row.said, row.Conversation.active_at, row.Conversation.id]
        ),
    )


def _documents(
    session: Session, owner: UserId, terms: Sequence[Term], query: SearchQuery
) -> Subquery:
    """The titles and messages that have what is looked for."""
    wanted = select(SearchDocument.conversation_id, SearchDocument.message_id).where(
        SearchDocument.user_id == owner, *having(session, owner, terms)
    )
    if query.from_at is not None:
        wanted = wanted.where(SearchDocument.said_at >= query.from_at)
    if query.to_at is not None:
        wanted = wanted.where(SearchDocument.said_at < query.to_at)
    return wanted.subquery()


def _ranked(documents: Subquery, query: SearchQuery, before: tuple[Any, ...] | None) -> Select[Any]:
    is_title = case((documents.c.message_id.is_(None), 1), else_=0)
    counted = (
        select(
            documents.c.conversation_id,
            # As wide as the numbers that a cursor may hold.
            func.max(is_title, type_=BigInteger()).label("in_title"),
            func.count(documents.c.message_id, type_=BigInteger()).label("said"),
        )
        .group_by(documents.c.conversation_id)
        .subquery()
    )
    rank = (counted.c.in_title, counted.c.said, Conversation.active_at, Conversation.id)
    ranked = (
        select(Conversation, counted.c.in_title, counted.c.said)
        .join(counted, counted.c.conversation_id == Conversation.id)
        .where(*_filters(query))
        .order_by(*(each.desc() for each in rank))
        .limit(query.limit + 1)
    )
    if before is None:
        return ranked
    return ranked.where(tuple_(*rank) < tuple_(*before, types=[each.type for each in rank]))


def _filters(query: SearchQuery) -> list[ColumnElement[bool]]:
    filters: list[ColumnElement[bool]] = []
    if query.folder_id is not None:
        filters.append(Conversation.folder_id == query.folder_id)
    if query.model is not None:
        answered = select(Message.conversation_id).where(
            Message.conversation_id == Conversation.id, Message.model_id == query.model
        )
        filters.append(or_(Conversation.model_id == query.model, answered.exists()))
    return filters


def _messages(
    session: Session, documents: Subquery, shown: Sequence[str], terms: Sequence[Term]
) -> defaultdict[str, list[dict[str, Any]]]:
    """The newest matching messages of the conversations on the page, with their snippets."""
    place = func.row_number().over(
        partition_by=documents.c.conversation_id, order_by=documents.c.message_id.desc()
    )
    numbered = (
        select(documents.c.message_id, place.label("place"))
        .where(documents.c.message_id.is_not(None), documents.c.conversation_id.in_(shown))
        .subquery()
    )
    rows = session.execute(
        select(
            Message.id,
            Message.conversation_id,
            Message.role,
            Message.created_at,
            func.substr(Message.content, 1, MAX_TEXT_CHARS).label("text"),
        )
        .join(numbered, numbered.c.message_id == Message.id)
        .where(numbered.c.place <= SHOWN_MESSAGES)
        .order_by(Message.id.desc())
    )
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        runtime().clock.sleep(0)  # a page may have hundreds of long texts: others come between
        found[row.conversation_id].append(
            {
                "message_id": row.id,
                "role": row.role,
                "snippet": snippet(row.text, terms),
                "created_at": row.created_at,
            }
        )
    return found


def _dump(row: Row[Any], terms: Sequence[Term], found: list[dict[str, Any]]) -> dict[str, Any]:
    thread: Conversation = row.Conversation
    dumped: dict[str, Any] = _ONE.dump(
        {
            "id": thread.id,
            "title": thread.title,
            "title_snippet": highlight(thread.title, terms),
            "folder_id": thread.folder_id,
            "model_id": thread.model_id,
            "is_pinned": thread.is_pinned,
            "is_archived": thread.is_archived,
            "active_at": thread.active_at,
            "match_count": row.said,
            "messages": found,
        }
    )
    return dumped
