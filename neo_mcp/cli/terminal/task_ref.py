"""Which task a person means: by its id, by the beginning of it, or by the address of its page."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from neo_mcp.api import NeoClient
from neo_mcp.config import Settings
from neo_mcp.constants import PROGRAM
from neo_mcp.core.sanitize import one_line
from neo_mcp.errors import InvalidArgumentError, NotFoundError
from neo_mcp.service.task_names import parse_task_name
from neo_mcp.wire import Task

_RECENT = 100
_SHOWN = 5
_LIST = f"`{PROGRAM} tasks` lists the tasks that you can see."


@dataclass(frozen=True, slots=True)
class TaskAddress:
    """A task of an organization.

    Attributes:
        is_elsewhere: Whether it was named with its organization.
    """

    organization: str
    task_id: str
    is_elsewhere: bool = False

    def name(self, settings: Settings) -> str:
        """The task as an argument of a command that is given nothing else."""
        is_chosen = settings.sources.get("organization", "").startswith("command line")
        return f"{self.organization}/{self.task_id}" if self.is_elsewhere or is_chosen else self.task_id


async def find_task(client: NeoClient, given: str) -> TaskAddress:
    """The task that ``given`` names.

    Raises:
        InvalidArgumentError: If it names none, more than one, or a task of another Pulumi Cloud.
        NeoError: If the recent tasks cannot be listed.
    """
    named = parse_task_name(given, client.task_url)
    if named.organization is not None:
        return TaskAddress(named.organization, named.task_id, is_elsewhere=True)
    organization, task_id = await client.resolve_organization(), named.task_id
    if _is_whole(task_id):
        return TaskAddress(organization, task_id)
    page = await _recent(client, organization)
    matches = [task for task in page if task.id.startswith(task_id)]
    exact = [task for task in matches if task.id == task_id]
    if len(exact or matches) == 1:
        return TaskAddress(organization, (exact or matches)[0].id)
    if matches:
        names = ", ".join(f"{task.id} ({one_line(task.name, 40)})" for task in matches[:_SHOWN])
        raise InvalidArgumentError(f"{task_id} is the beginning of several tasks: {names}.")
    # It may be the whole id of an old task.
    try:
        await client.get_task(task_id, organization=organization)
    except NotFoundError:
        raise InvalidArgumentError(f"No task of {organization} is {task_id}.", next_step=_LIST) from None
    return TaskAddress(organization, task_id)


async def _recent(client: NeoClient, organization: str) -> Sequence[Task]:
    page = await client.list_tasks(organization=organization, page_size=_RECENT)
    return page.tasks


def _is_whole(task_id: str) -> bool:
    try:
        return str(uuid.UUID(task_id)) == task_id.lower()
    except ValueError:
        return False
