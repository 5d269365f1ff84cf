"""``subscriptions/listen``: one stream per request, with the notifications that the client asked for.

Owns the streams. Each is acknowledged first with what was agreed to, every frame carries the subscription's
id, and nothing but what was agreed to is sent on it. Of a thing that changes faster than its client reads,
only the latest is sent. Notifications come from :mod:`neo_mcp.server.resources.subscriptions` (resources) and
:mod:`neo_mcp.server.mcp_tasks.methods` (task handles). The SDK's own handler knows no notifications of
extensions.

Source: the protocol of 2026-07-28, subscriptions; the text of `io.modelcontextprotocol/tasks`, section "Task
Status Notifications".
"""

import logging
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    Notification,
    ResourceUpdatedNotification,
    ResourceUpdatedNotificationParams,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)

from neo_mcp.server.call import App
from neo_mcp.server.mcp_tasks.handle import Handle, open_handle, require_tasks
from neo_mcp.server.resources.subscriptions import notify_changes_or_log
from neo_mcp.server.tenants.permits import Permit

logger = logging.getLogger(__name__)

_TASK_IDS = "taskIds"
"""The field that the extension adds to a client's filter, and to its acknowledgement."""

_Json = dict[str, Any]
Context = ServerRequestContext[Any, Any]


class _Stream:
    """The unsent notifications of one stream: the latest of each subject."""

    def __init__(self, ctx: Context) -> None:
        self.meta: _Json = {SUBSCRIPTION_ID_META_KEY: ctx.request_id}
        self._ctx = ctx
        self._news: dict[str, Notification[Any, Any]] = {}
        self._changed = anyio.Event()
        self._closed = False

    def put(self, key: str, notification: Notification[Any, Any]) -> None:
        """Queue a notification, in place of a queued one about the same thing."""
        self._news.pop(key, None)
        self._news[key] = notification
        self._changed.set()

    def close(self) -> None:
        """Send what is queued, then end."""
        self._closed = True
        self._changed.set()

    async def send(self, notification: Notification[Any, Any]) -> None:
        """Write one frame."""
        await self._ctx.session.send_notification(
            notification,  # type: ignore[arg-type]  # the SDK's union has no notifications of extensions
            related_request_id=self._ctx.request_id,
        )

    async def run(self) -> None:
        """Write frames until closed."""
        while True:
            self._changed = anyio.Event()
            while self._news:
                await self.send(self._news.pop(next(iter(self._news))))
            if self._closed:
                return
            await self._changed.wait()


class Listeners:
    """Open streams."""

    def __init__(self) -> None:
        self._open: set[_Stream] = set()

    async def serve(
        self, app: App, ctx: Context, params: SubscriptionsListenRequestParams, permit: Permit
    ) -> SubscriptionsListenResult:
        """One stream, until the client goes away, ``permit`` ends, or :meth:`close`.

        Notifications are for the caller that opened the stream: once its permit has ended, none is sent, and
        the stream ends as one that is closed.

        Raises:
            MCPError: If the client asks for the status of tasks without declaring the extension.
            QuotaError: If the identity has too many streams.
        """
        if ctx.request_id is None:
            raise MCPError(INVALID_REQUEST, "subscriptions/listen needs a request id")
        handles = _handles(app, ctx, params.notifications)
        agreed = _agreed(params.notifications, handles)
        stream = _Stream(ctx)
        uris = set(agreed.resource_subscriptions or ())
        app.tasks.quotas.streams.take(places := max(len(uris) + len(handles), 1))
        self._open.add(stream)
        try:
            with permit.held():
                await self._run(app, ctx, stream, agreed, handles)
        finally:
            self._open.discard(stream)
            app.tasks.quotas.streams.give_back(places)
        return SubscriptionsListenResult(_meta=stream.meta)

    async def _run(
        self, app: App, ctx: Context, stream: _Stream, agreed: SubscriptionFilter, handles: list[Handle]
    ) -> None:
        acknowledged = SubscriptionsAcknowledgedNotificationParams(notifications=agreed, _meta=stream.meta)
        await stream.send(SubscriptionsAcknowledgedNotification(params=acknowledged))
        async with anyio.create_task_group() as followers:
            for uri in set(agreed.resource_subscriptions or ()):
                followers.start_soon(_follow_resource, app, stream, uri)
            for handle in handles:
                followers.start_soon(_follow_task, app, ctx, stream, handle)
            await stream.run()
            followers.cancel_scope.cancel()

    def close(self) -> None:
        """End every stream gracefully."""
        for stream in list(self._open):
            stream.close()


def _handles(app: App, ctx: Context, requested: SubscriptionFilter) -> list[Handle]:
    """The tasks that the client may follow; others are left out without a reason."""
    task_ids = (requested.model_extra or {}).get(_TASK_IDS)
    if task_ids is None:
        return []
    require_tasks(ctx)
    if not isinstance(task_ids, list) or not all(isinstance(task_id, str) for task_id in task_ids):
        raise MCPError(INVALID_PARAMS, f"{_TASK_IDS} is not a list of task ids")
    handles: list[Handle] = []
    for task_id in dict.fromkeys(task_ids):
        try:
            handles.append(open_handle(app, task_id))
        except MCPError:
            logger.info("a client asked for the status of a task that is none of its own")
    return handles


def _agreed(requested: SubscriptionFilter, handles: list[Handle]) -> SubscriptionFilter:
    """The acknowledged filter: every kind, even one that never comes, but no other tenant's task."""
    tasks = {_TASK_IDS: [handle.id for handle in handles]} if handles else {}
    return SubscriptionFilter(
        tools_list_changed=requested.tools_list_changed or None,
        prompts_list_changed=requested.prompts_list_changed or None,
        resources_list_changed=requested.resources_list_changed or None,
        resource_subscriptions=requested.resource_subscriptions or None,
        **tasks,
    )


async def _follow_resource(app: App, stream: _Stream, uri: str) -> None:
    async def notify() -> None:
        params = ResourceUpdatedNotificationParams(uri=uri, _meta=stream.meta)
        stream.put(uri, ResourceUpdatedNotification(params=params))

    await notify_changes_or_log(app.tasks, uri, notify)


async def _follow_task(app: App, ctx: Context, stream: _Stream, handle: Handle) -> None:
    from neo_mcp.server.elicitation import can_ask  # noqa: PLC0415 - few streams follow tasks
    from neo_mcp.server.mcp_tasks.methods import (  # noqa: PLC0415 - likewise
        TaskStatusNotification,
        report_status,
    )

    def report(task: _Json) -> None:
        # Who cannot ask a person is not asked to: tasks/get refuses them likewise.
        if task["status"] != "input_required" or can_ask(ctx):
            stream.put(handle.id, TaskStatusNotification(params={**task, "_meta": stream.meta}))

    await report_status(app, handle, report)
