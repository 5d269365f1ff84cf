"""The simulator's memory: every task of every organisation, and how lists of them are ordered and paged.

Not here: permissions and parameters of requests (`app`), and what a task is (`task`).
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar, Unpack

from neo_mcp.simulator.config import DEFAULT_APPROVAL_MODE
from neo_mcp.simulator.errors import bad_request, not_found
from neo_mcp.simulator.task import Task, TaskOptions

Key = str | int
Item = TypeVar("Item")

SORT_KEYS: Final[dict[str, Callable[[Task], Key]]] = {
    "lastEvent": lambda task: task.last_event_at,
    "created": lambda task: task.created_at,
    "status": lambda task: task.status,
    "name": lambda task: task.name.casefold(),
    "tokensUsed": lambda task: task.tokens_used,
}
ASYNC_SOURCES: Final = frozenset({"schedule", "github", "code-review"})


class Store:
    """All tasks, in memory.

    Attributes:
        approval_modes: Each organisation's default; change it at any time.
    """

    def __init__(self, approval_modes: Mapping[str, str] = DEFAULT_APPROVAL_MODE) -> None:
        self.approval_modes = {**DEFAULT_APPROVAL_MODE, **approval_modes}
        self._tasks: dict[str, Task] = {}

    def create(self, organization: str, creator: str, name: str, **options: Unpack[TaskOptions]) -> Task:
        """Make a task. What is not chosen comes from the organisation's defaults."""
        options.setdefault("approval_mode", self.approval_modes[organization])
        options.setdefault("task_type", "async" if options.get("source") in ASYNC_SOURCES else "sync")
        serial = len(self._tasks)
        task = Task(organization=organization, creator=creator, name=name, serial=serial, **options)
        if task.is_shared:
            task.share()
        self._tasks[task.id] = task
        return task

    def get(self, organization: str, task_id: str) -> Task:
        """The task of this organisation with this id.

        Raises:
            ApiError: 404 where there is none.
        """
        task = self._tasks.get(task_id)
        if task is None or task.organization != organization:
            raise not_found()
        return task

    def visible(self, organization: str, login: str) -> list[Task]:
        """The organisation's tasks that this member may see: their own and the shared ones."""
        return [
            task
            for task in self._tasks.values()
            if task.organization == organization and (task.creator == login or task.is_shared)
        ]


def page_of_tasks(
    tasks: Iterable[Task], sort_by: str, direction: str, size: int, token: str | None
) -> tuple[list[Task], str | None]:
    """One page in the wanted order, and the token of the next one.

    The token names the last task seen, so tasks that come or go in between shift nothing.

    Raises:
        ApiError: 400 for a token that did not come from a list in the same order.
    """
    key = SORT_KEYS[sort_by]
    order = f"{sort_by} {direction}"
    descending = direction == "desc"
    ranked = sorted(((key(task), task.serial, task) for task in tasks), key=_rank, reverse=descending)
    if token:
        last = _read_token(token, order)
        try:
            ranked = [
                entry for entry in ranked if (_rank(entry) < last if descending else _rank(entry) > last)
            ]
        except TypeError:
            raise bad_request("invalid continuationToken") from None
    page = ranked[:size]
    following = _write_token(order, *_rank(page[-1])) if len(ranked) > size else None
    return [task for *_, task in page], following


def page_of_log(items: Sequence[Item], size: int, token: str | None) -> tuple[Sequence[Item], str | None]:
    """One page of a list that only grows, and the token of the next one.

    Raises:
        ApiError: 400 for a token that did not come from such a list.
    """
    start = _read_token(token, "log")[1] if token else 0
    end = start + size
    return items[start:end], _write_token("log", "", end) if end < len(items) else None


def _rank(entry: tuple[Key, int, Task]) -> tuple[Any, int]:
    return entry[0], entry[1]


def _write_token(order: str, value: Key, serial: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([order, value, serial]).encode()).decode()


def _read_token(token: str, order: str) -> tuple[Any, int]:
    try:
        known_order, value, serial = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, TypeError):
        raise bad_request("invalid continuationToken") from None
    if known_order != order or not isinstance(serial, int) or serial < 0:
        raise bad_request("invalid continuationToken")
    return value, serial
