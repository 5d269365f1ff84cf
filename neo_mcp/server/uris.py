"""Resource addresses: ``neo://{organization}/tasks/{task_id}/…``."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from neo_mcp.errors import InvalidArgumentError
from neo_mcp.wire import check_organization, check_task_id


class View(StrEnum):
    """What a resource shows."""

    TASKS = "tasks"
    TASK = "task"
    TRANSCRIPT = "transcript"
    EVENTS = "events"


_PATTERN = re.compile(r"neo://([^/?#]+)/tasks(?:/([^/?#]+)(?:/(transcript|events))?)?")


@dataclass(frozen=True, slots=True)
class ResourceAddress:
    """Which resource; ``task_id`` is empty for the list of tasks."""

    view: View
    organization: str
    task_id: str = ""

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read an address.

        Raises:
            InvalidArgumentError: If it is none of ours.
        """
        match = _PATTERN.fullmatch(uri)
        if match is None:
            raise InvalidArgumentError(
                f"There is no resource {uri[:120]!a}.",
                next_step="Addresses look like neo://acme/tasks/TASK_ID/transcript.",
            )
        organization, task_id, part = match.groups()
        check_organization(organization)
        if task_id is None:
            return cls(View.TASKS, organization)
        check_task_id(task_id)
        return cls(View(part) if part else View.TASK, organization, task_id)

    def __str__(self) -> str:
        match self.view:
            case View.TASKS:
                return f"neo://{self.organization}/tasks"
            case View.TASK:
                return f"neo://{self.organization}/tasks/{self.task_id}"
            case View.TRANSCRIPT | View.EVENTS:
                return f"neo://{self.organization}/tasks/{self.task_id}/{self.view}"


def transcript_uri(organization: str, task_id: str) -> str:
    """Where the whole conversation is."""
    return str(ResourceAddress(View.TRANSCRIPT, organization, task_id))


def events_uri(organization: str, task_id: str) -> str:
    """Where every event is, uncut."""
    return str(ResourceAddress(View.EVENTS, organization, task_id))
