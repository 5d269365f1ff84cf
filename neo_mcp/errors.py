"""Every error this package raises, in one tree.

::

    NeoError
    ├── ConfigurationError              a setting is missing or invalid
    │   └── MissingTokenError           no access token for the API URL in use
    ├── InvalidArgumentError            refused here, before any request was made
    ├── ConnectionFailedError           the API could not be reached; nothing was sent
    ├── AmbiguousWriteError             a write may or may not have landed; it was not repeated
    ├── StreamLostError                 an event stream made no progress for too long
    ├── UnexpectedResponseError         an answer that is not the API's (HTML, a redirect, broken JSON)
    │   └── AnswerTooLargeError         an answer above the size limit
    ├── UnsupportedByServerError        the server speaks a dialect without this operation
    └── ApiError                        the API answered with an error status
        ├── BadRequestError             400
        ├── AuthenticationError         401
        ├── PermissionDeniedError       403
        ├── NotFoundError               404
        ├── ConflictError               409
        ├── RateLimitedError            429
        └── ServerError                 5xx

An error says what happened and, as a :class:`~neo_mcp.hints.Hint` or text, what to do next. ``str()`` of it
is fit to show to a person; ``text()`` puts the next step into the words of a surface. An error is not changed
after it was raised, and never carries the access token.
"""

from typing import ClassVar, Self

from neo_mcp.hints import LIBRARY, Hint, NextStep, Wording, to_text


class NeoError(Exception):
    """The base of all errors: a message and a next step.

    Attributes:
        message: The problem, in one sentence.
        hint: The next step for the reader, as data; may be empty.
    """

    default_next_step: ClassVar[NextStep] = ""

    def __init__(self, message: str, *, next_step: NextStep | None = None) -> None:
        self.message = message
        self.hint = self.default_next_step if next_step is None else next_step
        super().__init__(message)

    def __str__(self) -> str:
        return self.text(LIBRARY)

    def text(self, wording: Wording) -> str:
        """Return the problem and the next step, in the words of a surface."""
        return f"{self.problem} {to_text(self.hint, wording)}".strip()

    @property
    def problem(self) -> str:
        """The problem, without the next step."""
        return self.message

    @property
    def next_step(self) -> str:
        """The next step in neutral words, or an empty string."""
        return to_text(self.hint, LIBRARY)

    def with_hint(self, hint: NextStep) -> Self:
        """A copy with another next step, to be raised in place of this one."""
        twin = self.copy()
        twin.hint = hint
        return twin

    def copy(self) -> Self:
        """The same error without a traceback.

        A stored error is raised as copies: a traceback holds its callers' frames, and with them whole
        requests.
        """
        twin = type(self).__new__(type(self), *self.args)
        twin.__dict__.update(self.__dict__)
        return twin


class ConfigurationError(NeoError):
    """A setting is missing or invalid."""


class MissingTokenError(ConfigurationError):
    """There is no access token for the API URL in use."""

    default_next_step = Hint.SET_TOKEN


class InvalidArgumentError(NeoError):
    """An argument was refused here; no request was made."""


class ConnectionFailedError(NeoError):
    """The API could not be reached, and nothing was sent."""

    default_next_step = "Check the network, the proxy settings and the API URL, then try again."


class AmbiguousWriteError(NeoError):
    """The connection failed after a write was sent: it may or may not have landed, and was not repeated."""


class StreamLostError(NeoError):
    """An event stream could not be reopened within its time limit."""

    default_next_step = Hint.RESUME


class UnexpectedResponseError(NeoError):
    """The answer is not one the API gives: a proxy's page, a redirect, or broken JSON."""

    default_next_step = "Check that the API URL names the Pulumi Cloud API and not its console or a proxy."


class AnswerTooLargeError(UnexpectedResponseError):
    """The answer is above the size limit and was not read.

    Attributes:
        items: How many items of a page came before the limit was reached.
    """

    default_next_step = (
        "Ask for fewer items at a time; if it is the API's and not a fault, raise NEO_MCP_MAX_ANSWER_MIB."
    )

    def __init__(self, message: str, *, next_step: NextStep | None = None, items: int = 0) -> None:
        super().__init__(message, next_step=next_step)
        self.items = items


class UnsupportedByServerError(NeoError):
    """The server speaks an earlier dialect that has no such operation."""

    default_next_step = "Ask the operator of this Pulumi Cloud installation to upgrade it."


class ApiError(NeoError):
    """The API answered with an error status.

    Attributes:
        status: HTTP status code.
        request_id: The API's ``X-Pulumi-Request-ID`` for this request, or ``None``.
        is_quoted: Whether the message is the API's own words, which are quoted when shown.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        request_id: str | None = None,
        next_step: NextStep | None = None,
        is_quoted: bool = False,
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.status = status
        self.request_id = request_id
        self.is_quoted = is_quoted

    @property
    def problem(self) -> str:
        """The problem, with the status and the request's id."""
        where = f"HTTP {self.status}" + (f", request id {self.request_id}" if self.request_id else "")
        words = self.message.replace('"', "'")
        sentence = f'The API says "{words}"' if self.is_quoted else self.message.removesuffix(".")
        return f"{sentence} ({where})."


class BadRequestError(ApiError):
    """The API refused the request as invalid."""

    default_next_step = "Change the arguments accordingly."


class AuthenticationError(ApiError):
    """The API rejected the access token."""

    default_next_step = Hint.REPLACE_TOKEN


class PermissionDeniedError(ApiError):
    """The token's user may not do this."""

    default_next_step = Hint.CHECK_ACCESS


class NotFoundError(ApiError):
    """There is no such thing, or it is not visible to the token's user."""

    default_next_step = Hint.CHECK_ID


class ConflictError(ApiError):
    """The task is not in a state that allows this."""

    default_next_step = Hint.WAIT_UNTIL_IDLE


class RateLimitedError(ApiError):
    """Too many requests.

    Attributes:
        retry_after: Seconds the API asked to wait, or ``None``.
    """

    default_next_step = "Wait a little, then try again."

    def __init__(
        self,
        message: str,
        *,
        status: int = 429,
        request_id: str | None = None,
        next_step: NextStep | None = None,
        is_quoted: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(
            message, status=status, request_id=request_id, next_step=next_step, is_quoted=is_quoted
        )
        self.retry_after = retry_after


class ServerError(ApiError):
    """The API failed."""

    default_next_step = "Try again later; quote the request id to support if it lasts."
