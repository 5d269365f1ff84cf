"""Resource addresses: ``neo://{organization}/tasks/{task_id}/…``."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hidden_text import echoed
from neo_mcp.wire import check_organization, check_task_id
from neo_mcp.wire.ids import organization_key


class View(StrEnum):
    """The view of a task that a resource shows."""

    TASKS = "tasks"
    TASK = "task"
    TRANSCRIPT = "transcript"
    EVENTS = "events"


_PATTERN = re.compile(r"neo://([^/?#]+)/tasks(?:/([^/?#]+)(?:/(transcript|events)(?:\?([^#]*))?)?)?")
_RANGE = re.compile(r"(start|before|count(?!=0+$)|offset)=([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class ResourceAddress:
    """A parsed resource address.

    Attributes:
        task_id: Empty for the list of tasks.
        start: Number of the first event to return, from 0; ``None`` for the most recent.
        before: Number of the event before which to return the most recent; ``None`` for the last of all.
        count: Number of events to return; ``None`` for as many as one reading gives.
        offset: Index of the first character to return, of one event that is too large for a result.
    """

    view: View
    organization: str
    task_id: str = ""
    start: int | None = None
    before: int | None = None
    count: int | None = None
    offset: int = 0

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Parse an address.

        Raises:
            InvalidArgumentError: If it is not one of ours.
        """
        match = _PATTERN.fullmatch(uri)
        if match is None:
            raise InvalidArgumentError(
                f"There is no resource {echoed(uri)}.",
                next_step="Addresses look like neo://acme/tasks/TASK_ID/transcript.",
            )
        organization, task_id, part, query = match.groups()
        check_organization(organization)
        if task_id is None:
            return cls(View.TASKS, organization)
        check_task_id(task_id)
        return cls(View(part) if part else View.TASK, organization, task_id, **_read_range(query))

    @property
    def key(self) -> Self:
        """The same address for all spellings of its organization."""
        return replace(self, organization=organization_key(self.organization))

    def __str__(self) -> str:
        match self.view:
            case View.TASKS:
                return f"neo://{self.organization}/tasks"
            case View.TASK:
                return f"neo://{self.organization}/tasks/{self.task_id}"
            case View.TRANSCRIPT | View.EVENTS:
                given = {
                    "start": self.start,
                    "before": self.before,
                    "count": self.count,
                    "offset": self.offset or None,
                }
                query = "&".join(f"{key}={value}" for key, value in given.items() if value is not None)
                where = f"neo://{self.organization}/tasks/{self.task_id}/{self.view}"
                return f"{where}?{query}" if query else where


def _read_range(query: str | None) -> dict[str, int]:
    matches = [_RANGE.fullmatch(part) for part in query.split("&")] if query else []
    values = {match[1]: int(match[2]) for match in matches if match is not None}
    if len(values) < len(matches) or {"start", "before"} <= values.keys():
        raise InvalidArgumentError(
            f"{echoed(query or '')} is no range.", next_step="Write it as ?start=0&count=100."
        )
    return values


def transcript_uri(organization: str, task_id: str) -> str:
    """The address of the whole conversation."""
    return str(ResourceAddress(View.TRANSCRIPT, organization, task_id))


def events_uri(organization: str, task_id: str, index: int | None = None) -> str:
    """The address of all events, uncut; with ``index``, of that one."""
    one = None if index is None else 1
    return str(ResourceAddress(View.EVENTS, organization, task_id, index, count=one))
