"""`POST /v1/embeddings`: texts as vectors."""

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, returns
from blueprints.http.cache_controls import cache_controlled
from blueprints.http.idempotency import idempotent
from blueprints.http.replies import replied
from schemas.openai import ChatCall
from schemas.openai_embeddings import EmbeddingsSchema
from services import completions
from services.completions import Reply
from services.principal import Principal
from services.relays import EMBEDDINGS

__all__ = ["routes"]

routes = Routes("openai_embeddings", "/v1", "OpenAI-compatible embeddings.")


@routes.post("/embeddings")
@require("chat:write")
@idempotent()
@body(EmbeddingsSchema)
@returns(description="The embeddings, as the provider gives them.")
@replied(lambda _: ())
@cache_controlled
def create_embeddings(principal: Principal, asked: ChatCall) -> Reply:
    """Embed texts."""
    return completions.answer(principal, asked, EMBEDDINGS)
