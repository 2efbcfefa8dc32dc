"""The response cache: an answer to the very same request, kept for those who ask for that.

What decides is all that goes to the provider, in a canonical form (`docs/clients.md` has the list).
An answer belongs to its tenant: the key's workspace, else its user; tenants share one only under a
name that the operator has declared. What failed, broke or was stopped is never kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from operator import itemgetter
from typing import Any

import msgspec
import structlog

from cache.extension import cache
from cache.namespaces import RESPONSES
from cache.results import ReadPolicy, reading
from cache.scopes import SharedName, UserId, WorkspaceId, shared_name
from cache.slots import Slot, Slots
from providers.protocol import Chunk, Usage
from schemas.response_cache import CacheControls
from services.costs import ledger
from services.costs.ledger import SavedCall
from services.model_routes import FoundRoutes, ModelRoute, body_for
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from streams.outcome import Outcome, Tally
from telemetry.ids import new_id

__all__ = ["CHAT", "VECTORS", "KeptAnswer", "KeptPiece", "ResponseSlot", "slot_for"]

log = structlog.get_logger(__name__)

CHAT = RESPONSES.slots("chat")
VECTORS = RESPONSES.slots("embeddings")
UNHEARD = frozenset({"user", "metadata", "safety_identifier", "prompt_cache_key"})
"""Who asks, and labels: they make no difference to the answer."""
UNORDERED = "messages"
"""Where the order of an object's fields makes no difference. In a schema it does: models write the
fields of an object in the order in which they were declared."""
DIGEST_BYTES = 32
PATIENCE_S = 5.0
"""How long a call that was claimed may take to begin."""
_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


class KeptPiece(msgspec.Struct, frozen=True, omit_defaults=True):
    """A chunk as it is kept; `raw` is the provider's own JSON."""

    text: str = ""
    reasoning: str = ""
    tool_calls: list[dict[str, Any]] = []
    details: list[dict[str, Any]] = []
    finish_reason: str | None = None
    stop_sequence: str | None = None
    blocks: list[dict[str, Any]] = []
    event: tuple[str, str] | None = None
    ending: dict[str, Any] | None = None
    raw: str | None = None
    usage: bool = False

    def chunk(self, usage: Usage) -> Chunk:
        """The chunk again."""
        return Chunk(
            text=self.text,
            reasoning=self.reasoning,
            tool_calls=tuple(self.tool_calls),
            details=tuple(self.details),
            finish_reason=self.finish_reason,
            stop_sequence=self.stop_sequence,
            blocks=tuple(self.blocks),
            event=None if self.event is None else (self.event[0], self.event[1].encode()),
            ending=self.ending,
            usage=usage if self.usage else None,
            raw=None if self.raw is None else self.raw.encode(),
        )


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it is kept: its chunks as they came, and what they came to."""

    call_id: str
    created_s: int
    kept_s: float
    model_id: str
    provider_id: str
    is_streamed: bool
    is_estimated: bool
    usage: Usage
    pieces: list[KeptPiece]

    def chunks(self) -> list[Chunk]:
        """The chunks, with their bounds."""
        return [piece.chunk(self.usage) for piece in self.pieces]

    def outcome(self) -> Outcome:
        """The answer put together."""
        tally = Tally()
        for chunk in self.chunks():
            tally.add(chunk)
        told = tally.outcome(error=None, cancelled=False, first_token_s=0.0, duration_s=0.0)
        return replace(told, events=tuple(self._events()))

    def _events(self) -> list[bytes]:
        """The provider's own of Anthropic's blocks, where they say all."""
        beside = [each for each in self.pieces if each.event is None]
        if any(each.text or each.reasoning or each.tool_calls for each in beside):
            return []
        return [each.event[1].encode() for each in self.pieces if each.event is not None]

    def raws(self) -> list[bytes]:
        """The provider's own chunks, of an answer that was streamed in OpenAI's format."""
        raws = [piece.raw.encode() for piece in self.pieces if piece.raw is not None]
        return raws if self.is_streamed and len(raws) == len(self.pieces) else []


@dataclass(frozen=True, slots=True)
class ResponseSlot:
    """The place of one request's answer. Times are seconds.

    `alias_id` is what was asked for, where that is an alias. `flight` names the request to others
    who make the same one at the same time; empty where each is to be made anew.
    """

    principal: Principal
    slot: Slot
    flight: str
    ttl_s: int | None
    max_age_s: int | None
    alias_id: str | None = None

    def find(self) -> KeptAnswer | None:
        """The answer that is kept, if it is as young as it must be."""
        found = self.slot.lookup()
        if found is None:
            return None
        kept = msgspec.convert(found.value, KeptAnswer)
        age_s = runtime().clock.now().timestamp() - kept.kept_s
        return None if self.max_age_s is not None and age_s >= self.max_age_s else kept

    def keep(self, kept: KeptAnswer) -> None:
        """Keep an answer; one that is too large is not kept, which is counted."""
        self.slot.keep(kept, ttl_s=self.ttl_s)

    def claim(self, form: str, call_id: str) -> str | None:
        """Say that this worker makes the call, or learn which call makes it already.

        Args:
            form: calls of another form cannot be followed.
            call_id: the call's id.
        """
        if not self.flight:
            return None
        ttl_s = runtime().settings.provider_total_timeout_s
        return cache.claims.claim(f"{self.flight}:{form}", call_id, ttl_s)

    def announce(self, form: str) -> None:
        """Say that the call can be followed."""
        if self.flight:
            cache.claims.announce(f"{self.flight}:{form}")

    def wait(self, form: str) -> None:
        """Wait until another's call can be followed."""
        cache.claims.wait(f"{self.flight}:{form}", PATIENCE_S)

    def release(self, form: str, call_id: str) -> None:
        """Say that the call is over."""
        if self.flight:
            cache.claims.release(f"{self.flight}:{form}", call_id)

    def book(self, saved: SavedCall, endpoint: str, *, is_streamed: bool) -> None:
        """Note in the ledger what this answer would have cost."""
        principal = self.principal
        saving = ledger.saving(
            saved,
            call_id=new_id(),
            user_id=principal.user_id,
            key_id=principal.key_id,
            workspace_id=principal.workspace_id,
            alias_id=self.alias_id,
            endpoint=endpoint,
            is_streamed=is_streamed,
            called_at=runtime().clock.now(),
        )
        owed = ledger.priced(saving)  # before the transaction: it reads through the cache
        with unit_of_work() as work:
            record = ledger.book(work, owed)
        runtime().requests.count_saving(float(record["saved_usd"] or 0))


def slot_for(
    principal: Principal,
    body: Mapping[str, Any],
    controls: CacheControls | None,
    ways: FoundRoutes,
    *,
    plain: Mapping[str, Any] | None = None,
    slots: Slots[Any] = CHAT,
) -> ResponseSlot | None:
    """Where the answer to a request is kept; `None` if it is not to be.

    Args:
        principal: who asks; the key may turn the cache on.
        body: the request, in OpenAI's format.
        controls: what the request says of the cache itself.
        ways: the models that may answer, which may turn it on as well.
        plain: the request for providers of another format than Anthropic's, where it differs.
        slots: where answers of this kind are kept.
    """
    said = controls or CacheControls(is_wanted=False)
    kept_s = principal.response_cache_ttl_s or _ttl_of(ways.routes)
    if said.no_store or not (said.is_wanted or kept_s):
        return None
    ttl_s = said.ttl_s or kept_s
    owner = _owner(principal, said.namespace)
    models, digest = _models(ways), _asked_of(ways, body, plain)
    with reading(ReadPolicy.REFRESH if said.no_cache else ReadPolicy.NORMAL):
        slot = slots.of(owner, said.namespace, models, digest)
    flight = f"responses:{owner}:flight:{said.namespace}:{_digest({'models': models})}:{digest}"
    return ResponseSlot(
        principal,
        slot,
        flight="" if said.no_cache else flight,
        ttl_s=ttl_s,
        max_age_s=ttl_s,
        alias_id=ways.alias_id,
    )


def _ttl_of(routes: Sequence[ModelRoute]) -> int | None:
    """How long the models' answers are kept, if all of them say so."""
    said = [each.response_cache_ttl_s for each in routes]
    known = [each for each in said if each is not None]
    return min(known) if known and len(known) == len(said) else None


def _owner(principal: Principal, namespace: str) -> UserId | WorkspaceId | SharedName:
    """Whose answers count: the tenant's, or those of all who use a declared name."""
    if namespace in runtime().settings.response_cache_shared:
        return shared_name(namespace)
    return principal.workspace_id or principal.user_id


def _models(ways: FoundRoutes) -> tuple[tuple[Any, ...], ...]:
    """The models that may answer, how they are asked, and in what order or by what weight."""
    weights = ways.weights
    models = [
        (
            each.model_id,
            weights.get(each.model_id),
            each.wire_format,
            each.base_url,
            each.api_version,
            each.max_output_tokens,
            each.capabilities,
        )
        for each in ways.routes
    ]
    return tuple(sorted(models, key=itemgetter(0)) if weights else models)


def _asked_of(ways: FoundRoutes, body: Mapping[str, Any], plain: Mapping[str, Any] | None) -> str:
    """A digest of what is asked, however many ways there are to say it to these models."""
    said = {id(each): each for each in (body_for(route, body, plain) for route in ways.routes)}
    return ":".join(sorted({_digest(each) for each in said.values()}))


def _digest(body: Mapping[str, Any]) -> str:
    """A digest of a request: all its fields by name, but for those that nobody hears of."""
    digest = blake2b(digest_size=DIGEST_BYTES)
    for name in sorted(body.keys() - UNHEARD):
        encode = _encode_sorted if name == UNORDERED else _encode
        raw = encode(_plain_number(body[name]))
        digest.update(b"%d:%b%d:%b" % (len(name.encode()), name.encode(), len(raw), raw))
    return digest.hexdigest()


def _plain_number(value: Any) -> Any:
    """One form for a number that JSON can write in two: `1.0` is `1`."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
