"""The one error of the simulated API: a status and a message, answered as JSON.

Not here: who raises it, and how it becomes a response (`app`).
"""


class ApiError(Exception):
    """The request is answered with `status` and `{"code": status, "message": message}`."""

    def __init__(self, status: int, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


def bad_request(message: str) -> ApiError:
    """The request itself is wrong."""
    return ApiError(400, message)


def not_found(what: str = "task not found") -> ApiError:
    """Nothing there, or nothing this person may know of."""
    return ApiError(404, what)


def ongoing() -> ApiError:
    """The agent is busy with the previous request."""
    return ApiError(409, "cannot respond while a request is still ongoing")
