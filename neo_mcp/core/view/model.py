"""The data of the task view: its shapes, and nothing else.

The page gets these as JSON and turns them into elements. Every text in them is cleaned of invisible
characters and secrets; formatted text is a tree of nodes with tags of an allow-list, so that the page never
has to parse anything. They are made from events by :mod:`neo_mcp.core.view.fold`.
"""

from typing import Literal, NotRequired, TypedDict

Tag = Literal[
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "table", "thead",
    "tbody", "tr", "th", "td", "hr", "strong", "em", "s", "a", "br",
]  # fmt: skip
"""All elements that formatted text can consist of."""


class Element(TypedDict):
    """One element of formatted text.

    Attributes:
        t: The element's tag.
        c: Its content, in order; empty for ``hr`` and ``br``.
        href: Of ``a``, always there: an absolute address, http or https.
        lang: Of the ``code`` in a ``pre``: the language that its author named, such as ``diff``.
        start: Of ``ol``: the first number, where that is not 1.
    """

    t: Tag
    c: "list[Node]"
    href: NotRequired[str]
    lang: NotRequired[str]
    start: NotRequired[int]


Node = str | Element
"""Text, or an element. Text may hold line feeds, which mean something in ``pre`` alone."""


class DiffLine(TypedDict):
    """One line of a diff.

    Attributes:
        k: Its kind: context, added, removed, or the header of a hunk.
        s: The line, without the sign that ``k`` stands for.
    """

    k: Literal[" ", "+", "-", "@"]
    s: str


class File(TypedDict):
    """The changes of a diff to one file.

    Attributes:
        path: Its name.
        added: Number of added lines, in all of the diff.
        removed: Number of removed lines.
        cut: How many lines of the diff were left out at its end.
    """

    path: str
    kind: Literal["changed", "added", "removed"]
    added: int
    removed: int
    lines: list[DiffLine]
    cut: int


ToolState = Literal["called", "running", "waiting", "done", "failed", "stopped"]
"""``waiting``: for an approval, or for the client to run it; ``stopped``: its turn ended without a result."""

RequestState = Literal["pending", "approved", "denied", "answered", "withdrawn"]
"""``denied`` of a question also means that it was dismissed; ``withdrawn``: it ended with its turn."""

ItemKind = Literal[
    "user", "assistant", "tool", "approval", "decision", "entities", "warning", "error", "cancelled",
    "compression", "note", "unknown",
]  # fmt: skip


class Item(TypedDict):
    """One entry of the conversation.

    An item may change later, as when a tool call gets its result: it keeps ``index`` and ``id``.

    Attributes:
        index: Its number in the task, from 0, without gaps.
        id: Unique in the task, and stable.
        at: RFC 3339 time of its beginning; empty if unknown.
        estimated: Whether the time is the one of the event before, as this had none; absent if not.
        who: Its author: ``Neo``, ``You`` (any person) or ``Pulumi Cloud`` (the service by itself).
        text: The text, formatted; of an approval the plan comes after the message.
        cut: How many characters of the text were left out.
        title: One line of plain text: of an approval the question, of a note its whole text, of an unknown
            event its type.
        final: Of Neo's messages: whether they ended the turn.
        name: Of a tool call: the tool, as the API has it, such as ``pulumi__preview``.
        seconds: How long it took, or has been running so far; ``None`` if it does not run or is unknown.
        arguments: Its arguments as JSON text, indented; empty if there are none.
        progress: Its last progress message.
        output: Its result as text; empty until then.
        output_cut: Whether the result is longer than what is shown.
        state: Of a tool call, an approval, a decision (``approved``, ``denied``, ``answered`` or ``answered
            automatically``), or a compression (the API's own value).
        request: Of an approval: whether it is an approval, a plan or a question. Of a decision: the id of the
            request that it answers.
        request_id: Of an approval: the id that ``respond`` takes.
        tool: Of an approval: the tool that would run; empty if none.
        diff: Of an approval: the files that would change.
        files_cut: How many files of the diff were left out.
        added: Of entities: names of the added ones.
        removed: Of entities: names of the removed ones.
    """

    index: int
    id: str
    kind: ItemKind
    at: str
    estimated: NotRequired[bool]
    who: str
    text: NotRequired[list[Node]]
    cut: NotRequired[int]
    title: NotRequired[str]
    final: NotRequired[bool]
    name: NotRequired[str]
    seconds: NotRequired[float | None]
    arguments: NotRequired[str]
    progress: NotRequired[str]
    output: NotRequired[str]
    output_cut: NotRequired[bool]
    state: NotRequired[str]
    request: NotRequired[str]
    request_id: NotRequired[str]
    tool: NotRequired[str]
    diff: NotRequired[list[File]]
    files_cut: NotRequired[int]
    added: NotRequired[list[str]]
    removed: NotRequired[list[str]]


class Option(TypedDict):
    """One of the answers that Neo suggests for a question; ``value`` is the text to send."""

    label: str
    value: str


class OperationView(TypedDict):
    """The operation that an approval would permit.

    Attributes:
        tool: The tool's name; empty if none is named.
        stack: The stacks that it concerns, ``project/name``, comma-separated; empty if none is known.
        sensitive: Whether it changes infrastructure, or is marked as sensitive.
        protected: Whether one of the stacks is protected by the operator.
        arguments: The call's arguments as JSON text, indented; empty if unknown.
    """

    tool: str
    stack: str
    sensitive: bool
    protected: bool
    arguments: str


Answers = Literal["approve", "deny", "answer", "message"]


class AttentionView(TypedDict):
    """One thing that needs attention, most pressing first.

    Attributes:
        kind: ``approval``, ``plan``, ``question`` and ``local_tools`` are pending; ``turn_ended``, ``error``,
            ``cancelled`` and ``stalled`` say how the turn ended.
        id: The request's id, for ``respond``'s ``request_id``; empty if there is none.
        title: One line of plain text.
        text: The question, formatted; for a plan, the plan.
        operation: Of an approval: what would run, or ``None``.
        diff: Of an approval: the files that would change.
        files_cut: How many files of the diff were left out.
        options: Of a question: the suggested answers; any other is possible as well.
        answers: The actions of ``respond`` that are possible here; empty if no reply is possible through this
            server.
        note: The reason for that, or another note; else empty.
        removed: A note that invisible characters were removed from it; else empty.
    """

    kind: str
    id: str
    title: str
    text: list[Node]
    operation: OperationView | None
    diff: list[File]
    files_cut: int
    options: list[Option]
    answers: list[Answers]
    note: str
    removed: str


class TodoView(TypedDict):
    """One item of Neo's to-do list; ``status`` is ``pending``, ``in_progress`` or ``completed``."""

    content: str
    status: str


class Window(TypedDict):
    """The model's context: tokens in use, and tokens that fit."""

    used: int
    size: int


class Usage(TypedDict):
    """Model tokens so far, and the current context (``None`` if the API does not report it)."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    window: Window | None


class EntityView(TypedDict):
    """An entity that the task is about; ``kind`` is the API's type, ``url`` its page or ``None``."""

    kind: str
    label: str
    url: str | None


class SettingsView(TypedDict):
    """The task's settings; empty if the API does not report them."""

    approval_mode: str
    permission_mode: str
    plan_mode: bool


class Connection(TypedDict):
    """The connection between the server and Neo.

    Attributes:
        state: ``open`` (events come live), ``connecting``, ``retrying`` (the stream was lost), or ``paging``
            (the server has no stream: events come every few seconds).
        error: The reason for retrying; else empty.
    """

    state: Literal["open", "connecting", "retrying", "paging"]
    error: str


class TaskView(TypedDict):
    """``structuredContent`` of ``view_task``: the head as it is now, and some of the items.

    Attributes:
        status: The API's own value: ``running`` or ``idle``.
        phase: The API's own value for the runtime, such as ``booting``; empty if it has none.
        turn: ``not started``, ``running``, ``ended``, ``failed`` or ``cancelled``.
        activity: What Neo is doing, in one line.
        writable: Whether ``respond`` is available: not on a read-only server.
        items: Oldest first. Without a cursor the most recent, with one those that are new or have changed
            since, with ``before`` those before it. In each case a page stores them by ``index``, later ones
            replace earlier ones, and missing indexes can be requested with ``before``.
        first: Index of the first item that can be requested; always 0 where there is any.
        total: Number of items; the last one's index is one less.
        omitted: Number of items that belong here but did not fit: all of them older than those given.
        cursor: Pass it to the next call. Absent in an answer to ``before``.
    """

    organization: str
    task_id: str
    url: str
    title: str
    status: str
    phase: str
    turn: str
    activity: str
    created_at: str
    settings: SettingsView
    connection: Connection
    writable: bool
    attention: list[AttentionView]
    todos: list[TodoView]
    usage: Usage
    entities: list[EntityView]
    items: list[Item]
    first: int
    total: int
    omitted: int
    cursor: NotRequired[str]


class TaskRowView(TypedDict):
    """One task of the list.

    Attributes:
        attention: Whether it needs attention; ``None`` if unknown, as for tasks that are not followed.
        created_by: Login of its creator; empty if unknown.
    """

    task_id: str
    title: str
    status: str
    attention: bool | None
    created_at: str
    created_by: str
    url: str


class TasksView(TypedDict):
    """``structuredContent`` of ``view_tasks``; ``next`` is the next page's cursor, or ``None``."""

    organization: str
    tasks: list[TaskRowView]
    next: str | None
