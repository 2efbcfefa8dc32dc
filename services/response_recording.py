"""An answer taken down as it comes, for the response cache, and for those who wait to share it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog

from providers.protocol import Chunk
from services.calls import Bill, ModelCall
from services.response_cache import KeptAnswer, KeptPiece, ResponseSlot
from services.runtime import runtime
from streams.outcome import Outcome

__all__ = ["Recording", "given_up_on_failure"]

log = structlog.get_logger(__name__)
NOT_WHOLE = (None, "cancelled", "content_filter", "error", "length")
"""Ends of answers that are not at theirs."""


class Recording:
    """Takes one answer down; belongs to its producer.

    Args:
        slot: where it is to be kept.
        form: in what form it can be followed meanwhile.
    """

    def __init__(self, slot: ResponseSlot, form: str) -> None:
        self._slot = slot
        self._form = form
        self._pieces: list[KeptPiece] = []
        self._is_readable = True

    def announce(self) -> None:
        """Say that from now on the answer can be followed."""
        self._slot.announce(self._form)

    def add(self, chunk: Chunk) -> None:
        """Take one more chunk."""
        try:
            raw = None if chunk.raw is None else chunk.raw.decode()
            event = None if chunk.event is None else (chunk.event[0], chunk.event[1].decode())
        except UnicodeDecodeError:
            self._is_readable = False
            return
        self._is_readable = self._is_readable and not chunk.is_unknown
        self._pieces.append(
            KeptPiece(
                text=chunk.text,
                reasoning=chunk.reasoning,
                tool_calls=[dict(each) for each in chunk.tool_calls],
                details=[dict(each) for each in chunk.details],
                finish_reason=chunk.finish_reason,
                stop_sequence=chunk.stop_sequence,
                blocks=[dict(each) for each in chunk.blocks],
                event=event,
                ending=None if chunk.ending is None else dict(chunk.ending),
                raw=raw,
                usage=chunk.usage is not None,
            )
        )

    def pieces(self, outcome: Outcome) -> list[KeptPiece] | None:
        """What was taken down, if it is a whole answer."""
        is_whole = outcome.error is None and outcome.finish_reason not in NOT_WHOLE
        is_whole = is_whole and not _goes_on(outcome.ending or {})
        return self._pieces if is_whole and self._is_readable and self._pieces else None

    def keep(self, call: ModelCall, outcome: Outcome, bill: Bill) -> None:
        """Keep the answer if it is whole; nothing that goes wrong here is the caller's."""
        try:
            pieces = self.pieces(outcome)
            if pieces is not None:
                self._slot.keep(_kept(call, bill, pieces))
        except Exception:
            log.exception("response_not_kept", call_id=call.call_id)
        finally:
            self.give_up(call.call_id)

    def give_up(self, call_id: str) -> None:
        """Let the next one who asks the same make a call of its own."""
        self._slot.release(self._form, call_id)


@contextmanager
def given_up_on_failure(recording: Recording | None, call_id: str) -> Iterator[None]:
    """Around the booking of a call: one that fails there is nothing to be shared any more."""
    try:
        yield
    except BaseException:
        if recording is not None:
            recording.give_up(call_id)
        raise


def _goes_on(ending: Mapping[str, object]) -> bool:
    """Whether the provider waits for the rest of a turn, or keeps files of it: both run out."""
    return "container" in ending or ending.get("stop_reason") == "pause_turn"


def _kept(call: ModelCall, bill: Bill, pieces: list[KeptPiece]) -> KeptAnswer:
    return KeptAnswer(
        call_id=call.call_id,
        created_s=int(call.called_at.timestamp()),
        kept_s=runtime().clock.now().timestamp(),
        model_id=call.model_id,
        provider_id=call.route.provider_id,
        is_streamed=call.request.stream,
        is_estimated=bill.is_estimated,
        usage=bill.usage,
        pieces=pieces,
    )
