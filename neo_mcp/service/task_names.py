"""The ways in which a task is named: by its id, its page's address, its resource, or ``organization/id``."""

import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit

from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hidden_text import echoed
from neo_mcp.hints import Hint
from neo_mcp.service.schema import Arguments
from neo_mcp.wire import check_organization, check_task_id
from neo_mcp.wire.ids import bare_name, organization_key

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""An id as the API makes them; any other text is looked at more closely."""

_PAGE = re.compile(r"/(?P<organization>[^/]+)/neo/tasks/(?P<task>[^/]+)/?")
_PATH = re.compile(r"/?(?P<organization>[^/\s]+)/neo/tasks/(?P<task>[^/?#\s]+)/?(?:[?#]\S*)?")
_NO_SCHEME = re.compile(r"[\w.-]+(?::\d{1,5})?/[^/\s]+/neo/tasks/\S+", re.ASCII)
_RESOURCE = re.compile(
    r"neo://(?P<organization>[^/?#]+)/tasks/(?P<task>[^/?#]+)(?:[/?#].*)?", re.DOTALL | re.IGNORECASE
)
_IN_ORGANIZATION = re.compile(r"(?P<organization>[^/\s]+) {0,9}/ {0,9}(?P<task>[^/\s]+)/?")
_LINK = re.compile(r"!?\[[^\[\]]*\]\(\s*+(?P<address>[^\s()]++)[^()]*\)")
_MAX_LAYERS = 4
_BRACES = (("{", "}"), ("[", "]"), ("(", ")"))
_KIND = re.compile(r"task(?:\s*+:\s*+|\s++)", re.IGNORECASE)
_END = re.compile(r"(?<=[\w/\"'`>})\]])[.,;:!?]+\Z")
"""A sentence's end behind a name."""

_A = TypeVar("_A", bound=Arguments)


class TaskName(NamedTuple):
    """The parts of a task's name.

    Attributes:
        task_id: Its id, or the beginning of it.
        organization: Where it is, if that is said.
    """

    task_id: str
    organization: str | None = None


def parse_task_name(text: str, page_of: Callable[[str, str], str]) -> TaskName:
    """Parse the name of a task; what text and Markdown have around a name is ignored.

    Args:
        text: The name.
        page_of: Gives the address of a task's page, by its organization and id.

    Raises:
        InvalidArgumentError: If it names no task, or one of another Pulumi Cloud.
    """
    if _ID.fullmatch(text):
        return TaskName(text)
    bare = _bare(text)
    match = _RESOURCE.fullmatch(bare) or _PATH.fullmatch(bare) or _IN_ORGANIZATION.fullmatch(bare)
    if match is None and _NO_SCHEME.fullmatch(bare):
        bare = f"https://{bare}"
    parts = _address(bare) if bare.lower().startswith(("http://", "https://")) else None
    if parts is not None:
        match = _PAGE.fullmatch(parts.path)
        if match is None:
            raise InvalidArgumentError(
                f"{echoed(bare)} is not the address of a task.", next_step=Hint.USE_KNOWN_ID
            )
    if match is None:
        return TaskName(check_task_id(bare))
    name = TaskName(check_task_id(match["task"]), check_organization(match["organization"]))
    if parts is not None and name.organization is not None:
        own = urlsplit(page_of(name.organization, name.task_id))
        if own.netloc.lower() != parts.netloc.lower():
            raise InvalidArgumentError(
                f"That task is of another Pulumi Cloud ({echoed(parts.netloc)}) than the one in use.",
                next_step=Hint.OTHER_CLOUD,
            )
    return name


def _bare(text: str) -> str:
    bare = text
    for _ in range(_MAX_LAYERS):
        bare = _END.sub("", bare_name(bare))
        bare = bare[match.end() :] if (match := _KIND.match(bare)) else bare
        if link := _LINK.fullmatch(bare):
            bare = link["address"]
        elif (bare[:1], bare[-1:]) in _BRACES:
            bare = bare[1:-1]
        else:
            break
    return bare_name(bare)


def _address(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:
        raise InvalidArgumentError(
            f"{echoed(text)} is not the address of a task.", next_step=Hint.USE_KNOWN_ID
        ) from None


def console_of(page_of: Callable[[str, str], str]) -> str:
    """The host of the console in which tasks have their pages."""
    return urlsplit(page_of("organization", "task")).netloc.lower()


def with_ids(arguments: _A, page_of: Callable[[str, str], str]) -> _A:
    """Return ``arguments`` with the ids of the tasks that they name, and their organization.

    Raises:
        InvalidArgumentError: If a name is wrong, or the organizations differ.
    """
    task_id, task_ids, organization = (
        getattr(arguments, field, None) for field in ("task_id", "task_ids", "organization")
    )
    names = [
        parse_task_name(text, page_of) for text in ([task_id] if task_id is not None else task_ids or ())
    ]
    organizations = {name.organization: None for name in names if name.organization is not None}
    if organization is not None:
        organizations = {organization: None, **organizations}
    if len({*map(organization_key, organizations)}) > 1:
        names_of = ", ".join(map(echoed, organizations))
        raise InvalidArgumentError(f"These are several organizations: {names_of}. Name one.")
    changes: dict[str, object] = {}
    if organizations:
        changes["organization"] = next(iter(organizations))
    if task_id is not None:
        changes["task_id"] = names[0].task_id
    elif task_ids is not None:
        changes["task_ids"] = [name.task_id for name in names]
    is_changed = any(getattr(arguments, field) != value for field, value in changes.items())
    return arguments.model_copy(update=changes) if is_changed else arguments
