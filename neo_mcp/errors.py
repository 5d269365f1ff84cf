"""Every error this package raises, in one tree.

::

    NeoError
    ├── ConfigurationError              a setting is missing or makes no sense
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

An error says what happened and what to do next; ``str()`` of it is fit to show to a person or a model.
No error ever carries the access token.
"""

from typing import Self


class NeoError(Exception):
    """The base of all errors: a message and a next step.

    Attributes:
        message: What happened, one sentence.
        next_step: What the reader can do about it, or an empty string.
    """

    default_next_step = ""

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        self.message = message
        self.next_step = self.default_next_step if next_step is None else next_step
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()

    def copy(self) -> Self:
        """The same error without a traceback.

        What is stored is raised as copies: a traceback holds the frames of whoever it was raised to, and with
        them whole requests.
        """
        twin = type(self).__new__(type(self), *self.args)
        twin.__dict__.update(self.__dict__)
        return twin


class ConfigurationError(NeoError):
    """A setting is missing or makes no sense."""


class MissingTokenError(ConfigurationError):
    """There is no access token for the API URL in use."""

    default_next_step = (
        "Run `pulumi login`, or create a token in the Pulumi Cloud console under "
        "Settings > Access tokens and set PULUMI_ACCESS_TOKEN, then restart this server."
    )


class InvalidArgumentError(NeoError):
    """An argument was refused here; no request was made."""


class ConnectionFailedError(NeoError):
    """The API could not be reached, and nothing was sent."""

    default_next_step = "Check the network, the proxy settings and the API URL, then try again."


class AmbiguousWriteError(NeoError):
    """The connection failed after a write was sent: it may or may not have landed, and was not repeated."""


class StreamLostError(NeoError):
    """An event stream could not be kept or reopened within its time limit."""

    default_next_step = "Nothing is lost: wait again with the same cursor once the API is reachable."


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

    def __init__(self, message: str, *, next_step: str | None = None, items: int = 0) -> None:
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
        is_quoted: Whether the message is the API's own words, which are quoted to whoever reads them.
    """

    is_quoted = False

    def __init__(
        self, message: str, *, status: int, request_id: str | None = None, next_step: str | None = None
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.status = status
        self.request_id = request_id

    def __str__(self) -> str:
        where = f"HTTP {self.status}" + (f", request id {self.request_id}" if self.request_id else "")
        words = self.message.replace('"', "'")
        said = f'The API says "{words}"' if self.is_quoted else self.message
        return f"{said} ({where}) {self.next_step}".strip()


class BadRequestError(ApiError):
    """The API refused the request as invalid."""

    default_next_step = "Change the arguments as the message says."


class AuthenticationError(ApiError):
    """The API rejected the access token."""

    default_next_step = (
        "The token is wrong, expired or belongs to another Pulumi Cloud. Run `pulumi login` again, or set "
        "PULUMI_ACCESS_TOKEN to a valid token, then restart this server."
    )


class PermissionDeniedError(ApiError):
    """The token's user may not do this."""

    default_next_step = (
        "Check the organization name, that your user is a member with access to Neo, "
        "and that Neo is enabled for the organization."
    )


class NotFoundError(ApiError):
    """There is no such thing, or it is not visible to the token's user."""

    default_next_step = "Check the id and the organization; list_tasks shows the tasks you can see."


class ConflictError(ApiError):
    """The task is not in a state that allows this."""

    default_next_step = (
        "Neo is still working on the task: call wait_for_events with the cursor you have, then try again."
    )


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
        next_step: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, request_id=request_id, next_step=next_step)
        self.retry_after = retry_after


class ServerError(ApiError):
    """The API failed."""

    default_next_step = "Try again later; quote the request id to support if it lasts."
