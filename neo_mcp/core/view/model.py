"""What the task view shows: the shapes of its data, and nothing else.

The page gets these as JSON and turns them into elements. Every text in them is cleaned of what nobody can see
and of secrets; formatted text is a tree of nodes with tags of an allow-list, so that the page never has to
parse anything. How events become these is the business of :mod:`neo_mcp.core.view.fold`.
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
        c: What is in it, in order; empty for ``hr`` and ``br``.
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
        k: What it is: context, added, removed, or the header of a hunk.
        s: The line, without the sign that ``k`` stands for.
    """

    k: Literal[" ", "+", "-", "@"]
    s: str


class File(TypedDict):
    """What a diff changes about one file.

    Attributes:
        path: Its name.
        added: How many lines come, in all of the diff.
        removed: How many go.
        cut: How many lines of the diff were left out at its end.
    """

    path: str
    kind: Literal["changed", "added", "removed"]
    added: int
    removed: int
    lines: list[DiffLine]
    cut: int


ToolState = Literal["called", "running", "waiting", "done", "failed", "stopped"]
"""``waiting``: for an approval, or for whoever is to run it; ``stopped``: its turn ended without a result."""

RequestState = Literal["pending", "approved", "denied", "answered", "withdrawn"]
"""``denied`` of a question also means that it was dismissed; ``withdrawn``: it ended with its turn."""

ItemKind = Literal[
    "user", "assistant", "tool", "approval", "decision", "entities", "warning", "error", "cancelled",
    "compression", "note", "unknown",
]  # fmt: skip


class Item(TypedDict):
    """One thing that happened, in the order of the conversation.

    An item may change later, as when a tool call gets its result: it keeps ``index`` and ``id``.

    Attributes:
        index: Its number in the task, from 0, without gaps.
        id: Unique in the task, and stable.
        at: RFC 3339 time of its beginning; empty if unknown.
        estimated: Whether the time is the one of the event before, as this had none; absent if not.
        who: Whose doing it is: ``Neo``, ``You`` (any person) or ``Pulumi Cloud`` (the service by itself).
        text: What was said, formatted; of an approval the plan comes after the message.
        cut: How many characters of the text were left out.
        title: One line of plain text: of an approval what is asked, of a note all it says, of what is unknown
            its type.
        final: Of Neo's words: whether they ended the turn.
        name: Of a tool call: the tool, as the API has it, such as ``pulumi__preview``.
        seconds: How long it took, or has been running so far; ``None`` if it does not run, or nobody knows.
        arguments: Its arguments as JSON text, indented; empty if there are none.
        progress: The last word on its progress.
        output: Its result as text; empty until then.
        output_cut: Whether the result is longer than what is shown.
        state: Of a tool call, an approval, a decision (``approved``, ``denied``, ``answered`` or
            ``answered automatically``), or a compression (the API's own word).
        request: Of an approval: whether it is an approval, a plan or a question. Of a decision: the id of the
            request that it answers.
        request_id: Of an approval: the id that ``respond`` takes.
        tool: Of an approval: the tool that would run; empty if none.
        diff: Of an approval: the files that would change.
        files_cut: How many files of the diff were left out.
        added: Of entities: names of those that came.
        removed: Of entities: names of those that went.
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
    """One of the answers that Neo offers to a question; ``value`` is the text to send."""

    label: str
    value: str


class OperationView(TypedDict):
    """What an approval would let run.

    Attributes:
        tool: The tool's name; empty if none is named.
        stack: The stacks that it concerns, ``project/name``, by commas; empty if none is known.
        sensitive: Whether it changes infrastructure, or is said to be sensitive.
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
    """One thing that needs somebody, most pressing first.

    Attributes:
        kind: ``approval``, ``plan``, ``question`` and ``local_tools`` are pending; ``turn_ended``, ``error``,
            ``cancelled`` and ``stalled`` say how the turn ended.
        id: The request's id, for ``respond``'s ``request_id``; empty if there is none.
        title: One line of plain text.
        text: What is asked, formatted; the plan of a plan.
        operation: Of an approval: what would run, or ``None``.
        diff: Of an approval: the files that would change.
        files_cut: How many files of the diff were left out.
        options: Of a question: the answers offered; any other may be given as well.
        answers: The actions of ``respond`` that are possible here; empty if nobody can reply through this
            server.
        note: Why not, or what else to know; else empty.
        removed: Says that invisible characters were taken out of it; else empty.
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
    """Model tokens so far, and the context at this moment (``None`` if the API does not say)."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    window: Window | None


class EntityView(TypedDict):
    """What the task is about; ``kind`` is the API's type, ``url`` its page or ``None``."""

    kind: str
    label: str
    url: str | None


class SettingsView(TypedDict):
    """How the task works; empty where the API does not say."""

    approval_mode: str
    permission_mode: str
    plan_mode: bool


class Connection(TypedDict):
    """What is between the server and Neo.

    Attributes:
        state: ``open`` (news come at once), ``connecting``, ``retrying`` (the stream was lost), or ``paging``
            (no stream to be had: news come every few seconds).
        error: Why it is retried; else empty.
    """

    state: Literal["open", "connecting", "retrying", "paging"]
    error: str


class TaskView(TypedDict):
    """``structuredContent`` of ``view_task``: the head as it is now, and some of the items.

    Attributes:
        status: The API's own word: ``running`` or ``idle``.
        phase: The API's own word on the runtime, such as ``booting``; empty if it says nothing.
        turn: ``not started``, ``running``, ``ended``, ``failed`` or ``cancelled``.
        activity: What Neo is doing, in one line.
        writable: Whether ``respond`` is there: not on a server that only looks.
        items: Oldest first. Without a cursor the newest, with one those that are new or have changed since,
            with ``before`` those before it. Whichever: a page keeps them by ``index``, later ones replace
            earlier ones, and indexes that it lacks can be had with ``before``.
        first: Index of the first item that can be had; always 0 where there is any.
        total: How many items there are; the last one's index is one less.
        omitted: How many items belong here but were left out as there were too many: all of them older than
            those given.
        cursor: Take it along in the next call. Absent in an answer to ``before``.
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
        attention: Whether it needs somebody; ``None`` if that is not known, as for tasks that nobody follows.
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
