"""A part of an organization's tasks, and the cursor after any of them.

A reader gets as many as fit its budget and continues after these, whatever the API's page size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from neo_mcp.api import NeoClient
from neo_mcp.core.cursor import PagePlace, decode_page, encode_page
from neo_mcp.wire import SortBy, SortDirection, Task, TaskType


@dataclass(frozen=True, slots=True)
class Listed:
    """Tasks in their order.

    Attributes:
        position: Position of the first.
        is_cut: Whether the API's page has more of them.
        next_token: The API's token of the next page; empty if there is none.
    """

    organization: str
    tasks: Sequence[Task]
    position: PagePlace
    is_cut: bool
    next_token: str

    def cursor_after(self, count: int) -> str | None:
        """The cursor after the first ``count`` tasks; ``None`` if there are no more."""
        if count < len(self.tasks) or self.is_cut:
            return encode_page(self.organization, PagePlace(self.position.token, self.position.skip + count))
        return encode_page(self.organization, PagePlace(self.next_token)) if self.next_token else None


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
    return Listed(organization, page.tasks, position, page.is_cut, page.continuation_token or "")
