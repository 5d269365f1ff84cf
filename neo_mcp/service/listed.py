"""A part of an organization's tasks, and the cursor after any of them.

A reader gets as many as fit its budget and continues after these, whatever the API's page size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from neo_mcp.api import NeoClient
from neo_mcp.core.cursor import PagePlace, decode_page, encode_page
from neo_mcp.wire import SortBy, SortDirection, Task, TaskPage, TaskType


@dataclass(frozen=True, slots=True)
class Listed:
    """Tasks in their order.

    Attributes:
        page: The API's page, or the part of it that was asked for.
        position: Position of the first.
    """

    organization: str
    page: TaskPage
    position: PagePlace

    @property
    def tasks(self) -> Sequence[Task]:
        """The tasks that could be read."""
        return self.page.tasks

    def cursor_after(self, count: int) -> str | None:
        """The cursor after the first ``count`` tasks; ``None`` if there are no more."""
        if count < len(self.tasks) or self.page.is_cut:
            skip = self.position.skip + self.page.position(count)
            return encode_page(self.organization, PagePlace(self.position.token, skip))
        token = self.page.continuation_token
        return encode_page(self.organization, PagePlace(token)) if token else None

    def left_out(self, count: int) -> str | None:
        """A note on the tasks before the cursor after ``count`` that could not be read."""
        return left_out(self.page.position(count) - count)


async def listed(
    client: NeoClient,
    organization: str,
    cursor: str | None,
    size: int,
    *,
    sort_by: SortBy | None = None,
    sort_direction: SortDirection | None = None,
    task_type: TaskType | None = None,
) -> Listed:
    """List at most ``size`` tasks from the position of ``cursor``.

    Raises:
        InvalidArgumentError: If it is not a cursor of this list.
        NeoError: If they cannot be listed.
    """
    position = decode_page(cursor, organization)
    page = await client.list_tasks(
        organization=organization,
        continuation_token=position.token or None,
        page_size=size,
        skip=position.skip,
        sort_by=sort_by,
        sort_direction=sort_direction,
        task_type=task_type,
    )
    return Listed(organization, page, position)


def left_out(count: int) -> str | None:
    """A note on tasks that could not be read; ``None`` for no task."""
    if not count:
        return None
    if count == 1:
        return "1 task is left out: the API's answer about it cannot be read."
    return f"{count} tasks are left out: the API's answer about them cannot be read."
