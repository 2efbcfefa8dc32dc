"""The errors that services raise. They know no HTTP status: the edge has one table for that.

LarderError
├── Unauthenticated      no key, a wrong one, or one that has run out
├── Forbidden            may see it, may not do it
├── NotFound             not there, or not the caller's to see: the two cannot be told apart
├── Invalid              a field is wrong; `errors` names each with the mend
├── Malformed            the request cannot be read at all
├── TooLarge             more bytes than there may be
├── Unsupported          the request's media type is not one that is read
├── Conflict             what stands there contradicts the change
├── PreconditionFailed   `If-Match` names another version
├── BudgetExceeded       a hard limit is reached
├── RateLimited          too many requests; `retry_after_s`
├── UpstreamFailed       the model's provider failed; `retryable` says whether again helps
└── Unavailable          a dependency that must be there is not
"""

from collections.abc import Mapping, Sequence

from services.standing import Standing

__all__ = [
    "BudgetExceeded",
    "Conflict",
    "Forbidden",
    "Invalid",
    "LarderError",
    "Malformed",
    "NotFound",
    "PreconditionFailed",
    "RateLimited",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "Unsupported",
    "UpstreamFailed",
]


class LarderError(Exception):
    """Something that Larder says no to, in a sentence that is safe to show."""

    code = "error"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class Unauthenticated(LarderError):
    """No key, a wrong one, or one that has run out."""

    code = "unauthenticated"


class Forbidden(LarderError):
    """The caller may see it but not do it."""

    code = "forbidden"


class NotFound(LarderError):
    """Not there, or not the caller's to see."""

    code = "not_found"

    @classmethod
    def of(cls, kind: str, subject_id: str) -> "NotFound":
        """The usual sentence: «There is no folder “x”.», with a long id cut."""
        return cls(f"There is no {kind} “{subject_id[:80]}”.")


class Invalid(LarderError):
    """One or more fields are wrong."""

    code = "invalid"

    def __init__(
        self,
        errors: Mapping[str, Sequence[str]],
        *,
        detail: str = "Some fields are not as they must be.",
        code: str | None = None,
    ) -> None:
        super().__init__(detail, code=code)
        self.errors = {field: list(messages) for field, messages in errors.items()}

    @classmethod
    def field(cls, name: str, message: str, *, code: str | None = None) -> "Invalid":
        """One field with one message."""
        return cls({name: [message]}, code=code)


class Malformed(LarderError):
    """The request cannot be read at all."""

    code = "malformed"


class TooLarge(LarderError):
    """More bytes than there may be."""

    code = "too_large"


class Unsupported(LarderError):
    """The request's media type is not one that is read."""

    code = "unsupported_media_type"


class Conflict(LarderError):
    """What stands there contradicts the change."""

    code = "conflict"


class PreconditionFailed(LarderError):
    """`If-Match` names another version than the one that stands."""

    code = "precondition_failed"


class BudgetExceeded(LarderError):
    """A hard limit is reached; nothing was spent."""

    code = "budget_exceeded"


class RateLimited(LarderError):
    """Too many requests. `retry_after_s` is when the next may come, `standing` by which limit."""

    code = "rate_limited"

    def __init__(
        self,
        detail: str,
        *,
        retry_after_s: float,
        standing: Standing | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s
        self.standing = standing


class UpstreamFailed(LarderError):
    """The model's provider failed before it answered.

    `code` is the provider error's (`provider_timeout`, `provider_rejected` …); `status` the
    upstream's own status where there was one, `upstream_code` its own word for a refused request.
    """

    def __init__(  # noqa: PLR0913 (what a provider may say, each named)
        self,
        detail: str,
        *,
        code: str,
        retryable: bool,
        status: int | None = None,
        retry_after_s: float | None = None,
        param: str | None = None,
        upstream_code: str | None = None,
    ) -> None:
        super().__init__(detail, code=code)
        self.retryable = retryable
        self.status = status
        self.retry_after_s = retry_after_s
        self.param = param
        self.upstream_code = upstream_code


class Unavailable(LarderError):
    """A dependency that must be there is not; trying again later helps."""

    code = "unavailable"
