"""Validation of ids in request paths, and length limits of ids and page tokens.

Owns the allow-list for organization names and task ids, and the keys by which two of them are the same. A
deny-list or percent-encoding would not do: ``..`` survives both.
"""

import re
from typing import Annotated

from pydantic import StringConstraints

from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hidden_text import echoed
from neo_mcp.hints import Hint, NextStep

MAX_ID = 256
"""Maximum characters of an id: ids are repeated in results and requests, so a longer one is refused."""

MAX_PAGE_TOKEN = 4096
"""Maximum characters of a continuation token, which travels in a URL."""

Id = Annotated[str, StringConstraints(max_length=MAX_ID)]
PageToken = Annotated[str, StringConstraints(max_length=MAX_PAGE_TOKEN)]

_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)

_AROUND = (
    " \t\r\n\u00a0\u200b\u200c\u200d\u2060\ufeff"
    "\"'`<>*\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a"
)

TaskId = Annotated[str, StringConstraints(pattern=rf"^{_SEGMENT.pattern}$")]
"""A task's id in an answer; with any other, nothing can be asked about the task."""


def bare_name(text: str) -> str:
    """``text`` without quotation marks, blanks and characters of no width around it."""
    return text.strip(_AROUND)


def check_organization(value: str) -> str:
    """Return ``value`` if it is a well-formed organization name.

    Raises:
        InvalidArgumentError: If it is not; nothing was requested.
    """
    return _check(value, "organization name", "Use the name in the console's URL, such as `acme`.")


def check_task_id(value: str) -> str:
    """Return ``value`` if it is a well-formed task id.

    Raises:
        InvalidArgumentError: If it is not; nothing was requested.
    """
    return _check(value, "task id", Hint.USE_KNOWN_ID)


def organization_key(name: str) -> str:
    """The key of an organization: its name in letters of any case is the same organization."""
    return name.casefold()


def task_key(organization: str, task_id: str) -> tuple[str, str]:
    """The key of a task."""
    return organization_key(organization), task_id


def _check(value: str, what: str, next_step: NextStep) -> str:
    if _SEGMENT.fullmatch(value):
        return value
    raise InvalidArgumentError(f"{echoed(value)} is not a valid {what}.", next_step=next_step)
