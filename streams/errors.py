"""What can go wrong with a stream itself, apart from its provider.

ProviderError
├── InternalFailure   Larder's own code failed; no detail leaves the log files
├── AnswerTooLarge    the answer outgrew the memory that one stream may take
├── ServerShutdown    the worker had to go before the answer was finished
└── ProducerLost      the worker that produced the answer died, or was taken for dead

Exception
└── StreamGone        there is nothing (more) to read here
"""

from typing import Literal

from providers.protocol import ProviderError

__all__ = ["AnswerTooLarge", "InternalFailure", "ProducerLost", "ServerShutdown", "StreamGone"]

GoneReason = Literal["ended", "expired", "unreachable"]


class InternalFailure(ProviderError):
    """Larder's own code failed while it produced an answer."""

    code = "internal_error"
    retryable = True
    is_unanswered = True

    def __init__(self) -> None:
        super().__init__("The answer could not be finished because of an internal error.")


class AnswerTooLarge(ProviderError):
    """The answer outgrew what one stream may take."""

    code = "answer_too_large"

    def __init__(self) -> None:
        super().__init__("The answer is larger than one stream may be.")


class ServerShutdown(ProviderError):
    """The worker had to stop before the answer was finished."""

    code = "server_shutdown"
    retryable = True
    is_unanswered = True

    def __init__(self) -> None:
        super().__init__("The server is restarting.")


class ProducerLost(ProviderError):
    """The worker that produced the answer is gone."""

    code = "producer_lost"
    retryable = True
    is_unanswered = True

    def __init__(self) -> None:
        super().__init__("The process that produced this answer was lost.")


class StreamGone(Exception):
    """There is nothing to read.

    `reason` is `ended` (the reader has already had the last event), `expired` (no log knows the
    stream: it ended long ago, or never was) or `unreachable` (another worker may have it, and Redis
    cannot be asked: the database knows how it stands).
    """

    def __init__(self, stream_id: str, reason: GoneReason) -> None:
        super().__init__(f"Stream {stream_id} cannot be read: {reason}.")
        self.stream_id = stream_id
        self.reason: GoneReason = reason
