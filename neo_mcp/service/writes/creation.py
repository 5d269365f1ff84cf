"""Create tasks: each in a background task of the server's own, and each once.

Owns the records of creations, and the handling of failures. A caller that goes away ends nothing. A request
that provably was not sent is sent again. One that may have landed never is: it is searched for among the most
recent tasks, and if that does not resolve it, the result is reported as unknown.

The guarantee: as long as this server runs, an identical call (of the same tenant, for the same organization,
with the same arguments, whatever the defaults of those that it leaves out) returns the first task, from the
moment of the call until ten minutes after the task was created. So does a call with the same idempotency key,
for as long as the key is among the last thousand; a key that comes with another request is refused, as it
would be a guess which of the two is meant.

Its limits: the API neither takes nor stores a key, so keys end with this process, and no other knows them. A
server that started less than ten minutes ago, or that has replicas, checks once, before it creates a task,
whether an identical one was created shortly before, as by the process that it replaced or by another replica.
It does not see a task that is still being created, or that another server creates at the same time.
"""

import hashlib
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio
import anyio.abc

from neo_mcp.api import Creation, NeoClient
from neo_mcp.api.calls import to_json
from neo_mcp.core.reconcile import Match, Sent
from neo_mcp.core.sanitize import one_line
from neo_mcp.errors import AmbiguousWriteError, InvalidArgumentError, NeoError
from neo_mcp.hints import Hint
from neo_mcp.service.writes.task_search import TaskSearch
from neo_mcp.wire import CreateTask, Task
from neo_mcp.wire.ids import organization_key
from neo_mcp.wire.time import format_time

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 600.0
"""Seconds after its creation for which an identical call returns a task."""

GRACE_SECONDS = 1.0
"""Seconds that creations under way may take once the server stops: a host waits two seconds for all."""

MAX_RECORDS = 1000
"""Maximum number of creations that are remembered."""

_LOOKS = (0.0, 1.0, 2.0, 4.0, 8.0)
_MAX_CANDIDATES = 5
_MILLISECOND = timedelta(milliseconds=1)
_ANOTHER = "set duplicate to start another."
_RECOVERED = "The answer to the request was lost; the task was identified by its first message."


@dataclass(frozen=True, slots=True)
class Created:
    """A task, and notes for the caller on how it was created."""

    task_id: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """A request to start a task.

    Attributes:
        request: The request to send; its message gets its timestamp later.
        asked: The request as the call makes it. Identical calls are recognised by it; ``request`` may have
            more settings.
        is_agreed: Whether a person agreed to exactly this: no part of it is left out then.
    """

    request: CreateTask
    asked: CreateTask
    is_agreed: bool = False

    @property
    def has_assumed_mode(self) -> bool:
        """True if its approval mode was not chosen by anyone."""
        return self.asked.approval_mode is None and not self.is_agreed


@dataclass(slots=True, eq=False)
class _Record:
    """The record of one creation.

    Attributes:
        since: Time of the call, later of its completion; monotonic seconds.
        doubt: The reason why it is unknown whether the task exists.
    """

    organization: str
    fingerprint: str
    sent: Sent
    since: float
    done: anyio.Event = field(default_factory=anyio.Event)
    created: Created | None = None
    error: NeoError | None = None
    doubt: AmbiguousWriteError | None = None


class Creations:
    """The creations of one tenant; their background tasks belong to ``task_group``."""

    def __init__(
        self,
        client: NeoClient,
        task_group: anyio.abc.TaskGroup,
        *,
        has_replicas: bool = False,
        started: float | None = None,
    ) -> None:
        """Start without records.

        Args:
            client: The tenant's client.
            task_group: Lives as long as the server.
            has_replicas: Whether other processes may get the same request.
            started: When this process began to take requests, if that was earlier.
        """
        self._client = client
        self._task_group = task_group
        self._clock = client.clock
        self._has_replicas = has_replicas
        self._started = client.clock.monotonic() if started is None else started
        self._last_stamp = datetime.min.replace(tzinfo=UTC)
        self._by_request: dict[str, _Record] = {}
        self._by_key: dict[str, _Record] = {}
        self._scopes: set[anyio.CancelScope] = set()
        self._deadline = math.inf

    async def create(
        self, organization: str, order: Order, *, key: str | None = None, duplicate: bool = False
    ) -> Created:
        """Start a task, or return the one that this call started before.

        Args:
            organization: Where.
            order: What to start.
            key: Calls with the same key mean the same task.
            duplicate: Start another one, even if there is an identical one.

        Raises:
            InvalidArgumentError: If ``key`` came with another request before.
            AmbiguousWriteError: If it is unknown whether the task exists. An identical call searches again,
                and sends nothing.
            NeoError: If it does not exist, for any other reason.
        """
        fingerprint = _fingerprint(organization, order.asked)
        record = None if duplicate else self._known(organization, fingerprint, key)
        if record is not None:
            return await self._again(record, key)
        record = self._start(organization, fingerprint, order, check_first=not duplicate)
        return await self._result(record, key)

    async def find(self, organization: str, asked: CreateTask, *, key: str | None = None) -> Created | None:
        """The task that this call started before, or is starting; ``None`` if there is none.

        Raises:
            NeoError: As :meth:`create`.
        """
        record = self._known(organization, _fingerprint(organization, asked), key)
        return await self._again(record, key) if record else None

    def stop(self) -> None:
        """Give the creations under way some last seconds; for a shutdown."""
        self._deadline = self._clock.deadline(GRACE_SECONDS)
        for scope in self._scopes:
            scope.deadline = self._deadline

    async def _again(self, record: _Record, key: str | None) -> Created:
        """The result of an earlier call; an unconfirmed task is searched for again."""
        if record.doubt is not None and record.done.is_set():
            record.done = anyio.Event()
            self._task_group.start_soon(self._run, record, partial(self._reconcile, record, record.doubt))
        age = self._clock.monotonic() - record.since
        created = await self._result(record, key)
        return Created(created.task_id, (*created.warnings, _earlier(age)))

    async def _result(self, record: _Record, key: str | None) -> Created:
        if key is not None:
            _put(self._by_key, _name(record.organization, key), record)
        await record.done.wait()
        if record.created is None:
            raise record.error.copy() if record.error else NeoError("The task was not created.")
        return record.created

    def _known(self, organization: str, fingerprint: str, key: str | None) -> _Record | None:
        """The record of the same key, else of the same request."""
        record = self._by_key.get(_name(organization, key)) if key is not None else None
        if record is not None:
            if record.fingerprint == fingerprint:
                return record
            made = f"task {record.created.task_id}" if record.created else "a task"
            raise InvalidArgumentError(
                f"This idempotency_key was used for another request, which started {made}; nothing was sent.",
                next_step="Continue that task, or use another key for other work.",
            )
        record = self._by_request.get(fingerprint)
        if record is None or not record.done.is_set():
            return record
        return record if self._clock.monotonic() - record.since < WINDOW_SECONDS else None

    def _start(self, organization: str, fingerprint: str, order: Order, *, check_first: bool) -> _Record:
        message = order.request.message.model_copy(update={"timestamp": self._stamp()})
        order = replace(order, request=order.request.model_copy(update={"message": message}))
        now = self._clock.monotonic()
        record = _Record(organization, fingerprint, Sent.of(message), now)
        _put(self._by_request, fingerprint, record)
        check_first = check_first and (self._has_replicas or now - self._started < WINDOW_SECONDS)
        work = partial(self._make, record, order, check_first=check_first)
        self._task_group.start_soon(self._run, record, work, name=f"create {message.timestamp}")
        return record

    async def _run(self, record: _Record, work: Callable[[], Awaitable[Created]]) -> None:
        record.created = record.error = record.doubt = None
        with anyio.CancelScope(shield=True, deadline=self._deadline) as scope:
            self._scopes.add(scope)
            try:
                record.created = await work()
            except NeoError as error:
                # A copy: the traceback holds the caller's whole request.
                record.error = error.copy()
            except Exception:
                logger.exception("creating a task failed")
            finally:
                self._scopes.discard(scope)
        if record.created is None and record.error is None:
            record.error = record.doubt = AmbiguousWriteError(
                "The task may or may not have been created: this server was stopped, or failed; see its log.",
                next_step=Hint.FIND_TASK,
            )
        if record.error is not None and record.doubt is None:
            self._forget(record)
        record.since = self._clock.monotonic()
        record.done.set()

    async def _make(self, record: _Record, order: Order, *, check_first: bool) -> Created:
        """Create the task; retry patiently while the API refuses it for now."""
        if check_first and (task := await self._repeated(record, order.request)):
            made = one_line(task.created_at)
            return Created(
                task.id, (f"This task of the same words was there already, since {made}; {_ANOTHER}",)
            )
        search = TaskSearch(self._client, record.organization)

        async def landed() -> Creation | None:
            result = await search.find(record.sent, others=self._others(record))
            return Creation(result.task.id, order.request.message, (_RECOVERED,)) if result.task else None

        try:
            created = await self._client.create_task(
                order.request,
                organization=record.organization,
                exact=order.is_agreed,
                assumed_mode=order.has_assumed_mode,
                landed=landed,
            )
        except AmbiguousWriteError as error:
            return await self._reconcile(record, error)
        return Created(created.task_id, created.warnings)

    async def _repeated(self, record: _Record, request: CreateTask) -> Task | None:
        since = self._clock.now() - timedelta(seconds=WINDOW_SECONDS)
        search = TaskSearch(self._client, record.organization)
        try:
            return await search.find_repeated(request, since=since, others=self._others(record))
        except NeoError as error:
            # This only checks for duplicates by others: creating does not depend on it.
            logger.info("could not search for an earlier task: %s", error)
            return None

    async def _reconcile(self, record: _Record, doubt: AmbiguousWriteError) -> Created:
        """Search for the task for a while: a request that was cut off may be carried out a little later."""
        record.doubt = doubt.copy()
        search = TaskSearch(self._client, record.organization)
        result = Match(None)
        problem: NeoError | None = None
        for delay in _LOOKS:
            await self._clock.sleep(delay)
            try:
                result, problem = await search.find(record.sent, others=self._others(record)), None
            except NeoError as error:
                problem = error
            if result.task is not None:
                record.doubt = None
                return Created(result.task.id, (_RECOVERED,))
        raise self._unknown(record, doubt, result, problem)

    def _unknown(
        self, record: _Record, doubt: AmbiguousWriteError, result: Match, problem: NeoError | None
    ) -> AmbiguousWriteError:
        shown = "; ".join(self._described(record, task) for task in result.candidates[:_MAX_CANDIDATES])
        text = f"It may be one of these: {shown}." if shown else "No task of yours is like it so far."
        looked = f"The search for it failed: {problem.message}" if problem and not shown else text
        return AmbiguousWriteError(
            f"It is unknown whether the task was created. {doubt.message} {looked}",
            next_step=Hint.FIND_OR_REPEAT,
        )

    def _described(self, record: _Record, task: Task) -> str:
        url = self._client.task_url(record.organization, task.id)
        return f"{task.id} ({one_line(task.name)!r}, created {one_line(task.created_at)}, {url})"

    def _others(self, record: _Record) -> set[str]:
        """Ids of tasks that are known to come from other creations."""
        records = {*self._by_request.values(), *self._by_key.values()} - {record}
        return {each.created.task_id for each in records if each.created}

    def _stamp(self) -> str:
        """The current time, never the same twice: messages are distinguished by it."""
        self._last_stamp = max(self._clock.now(), self._last_stamp + _MILLISECOND)
        return format_time(self._last_stamp)

    def _forget(self, record: _Record) -> None:
        """Drop the record, as nothing was created: the next call starts afresh."""
        if self._by_request.get(record.fingerprint) is record:
            del self._by_request[record.fingerprint]
        for key in [key for key, known in self._by_key.items() if known is record]:
            del self._by_key[key]


def _put(records: dict[str, _Record], key: str, record: _Record) -> None:
    """Store ``record``, and drop the oldest completed ones if there are too many."""
    records.pop(key, None)
    records[key] = record
    over = [old for old, known in records.items() if known.done.is_set()]
    for old in over[: max(0, len(records) - MAX_RECORDS)]:
        del records[old]


def _fingerprint(organization: str, request: CreateTask) -> str:
    """A digest of a call's request without its time."""
    message = request.message.model_copy(update={"timestamp": ""})
    asked = to_json(request.model_copy(update={"message": message}))
    return _name(organization, asked.decode())


def _name(organization: str, text: str) -> str:
    """A short digest of ``text``."""
    return hashlib.sha256(
        f"{organization_key(organization)}\0{text}".encode("utf-8", "surrogatepass")
    ).hexdigest()


def _earlier(seconds: float) -> str:
    minutes = round(seconds / 60)
    ago = f"{minutes} minutes ago" if minutes > 1 else "a minute ago" if minutes else "just now"
    return f"This is the task that an identical call started {ago}; {_ANOTHER}"
