"""The operation that an approval would permit, and its stacks: from the request, its tool call and the task.

Pure. Owns what counts as sensitive, and which tools change something; where stacks are named is
:mod:`neo_mcp.core.stacks`; the layers above show it to a person.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from neo_mcp.core.stacks import MAX_STACKS, Names, protected_stacks
from neo_mcp.stack_patterns import StackPattern
from neo_mcp.wire import Entity, Sensitivity, Stack, ToolCall, UserApprovalRequest


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CHANGING_WORDS = _words(
    """
    up update upsert upgrade destroy deploy redeploy delete del remove rm drop purge nuke wipe clear clean
    prune refresh import export cancel state create new add insert append put post patch set unset write edit
    modify change replace rename move mv copy cp push merge commit apply run rerun invoke call eval start
    restart stop kill terminate abort reset revert rollback restore retry approve deny grant revoke rotate
    install uninstall enable disable attach detach scale migrate sync publish release send submit trigger
    schedule login logout transfer protect unprotect taint untaint init select tag untag and then or
    """
)
"""Words in a tool's name that mean that it may change something, whatever the rest of the name is."""

_SHELL_WORDS = _words("shell bash sh zsh cmd powershell pwsh terminal console command exec execute")
_READING_FIRST = _words("get list read search describe show view find grep glob preview lookup count explain")
_READING_LAST = _READING_FIRST | {"tree", "status", "history", "logs"}
_READING_NAMES = frozenset({"ask user", "askuser", "exit plan mode", "exit plan", "plan exit"})
_KNOWN_CHARACTERS = re.compile(r"[A-Za-z0-9_.:/ -]+")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_ONE_CASE = re.compile(r"[A-Z]+|[a-z]+")


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that waits for permission.

    Attributes:
        tool: The name of the tool that runs, such as ``pulumi__up``: the call's, else the request's; empty if
            neither names one.
        claimed: The tool that the request names, if it differs from the call's.
        call: The tool call that waits for the approval, if it is known.
        stacks: The stacks that it concerns, as ``project/name``: those in the call's arguments, else the
            task's, and any others that are protected.
        protected: Those among them that the operator protects.
        is_protected: Whether there are any, or the operation may concern one because its stack is unknown or
            there is too much text to search.
        is_sensitive: Whether the API says so, the tool may change something, or the operation is protected.
    """

    tool: str
    claimed: str
    call: ToolCall | None
    stacks: tuple[str, ...]
    protected: tuple[str, ...]
    is_protected: bool
    is_sensitive: bool

    @property
    def target(self) -> str | None:
        """The one stack that it is about; ``None`` if there is none, or more than one."""
        if self.is_protected and not self.protected:
            return None
        stacks = self.protected or self.stacks
        return stacks[0] if len(stacks) == 1 else None


def operation(
    request: UserApprovalRequest,
    call: ToolCall | None,
    entities: Iterable[Entity],
    patterns: Sequence[str] = (),
    organization: str = "",
    *,
    lacks_entities: bool = False,
) -> Operation:
    """The operation that ``request`` asks permission for.

    Args:
        request: The approval request.
        call: The tool call that its context names, if it is known.
        entities: The task's entities, whose stacks count where the call names none.
        patterns: Protected stacks, as :class:`neo_mcp.stack_patterns.StackPattern` reads them.
        organization: The task's organization.
        lacks_entities: Whether the task has more entities than these, so that any stack may be among them.
    """
    tools, is_unknown_call = _tools(request, call)
    changes = is_unknown_call or any(map(may_change, tools))
    entities = tuple(entities)
    names = Names()
    names.add(call.args if call else None)
    of_task = tuple(f"{entity.project}/{entity.name}" for entity in entities if isinstance(entity, Stack))
    named = _with_project(tuple(names.stacks)[:MAX_STACKS], of_task)
    # A shell has a selected stack that no event shows: the task's stacks prove nothing.
    has_selected = is_unknown_call or any(map(_is_shell, tools))
    is_identified = not names.is_open and bool(named or (of_task and not has_selected))
    protected: tuple[str, ...] = ()
    if patterns:
        parsed = [StackPattern.parse(pattern) for pattern in patterns]
        _add_surroundings(names, request, entities)
        protected = protected_stacks(names, (*named, *of_task), parsed, organization)
    is_vague = not is_identified and (changes or not tools)
    may_be_any = any((names.is_cut, lacks_entities, is_vague))
    is_protected = bool(protected) or (bool(patterns) and may_be_any)
    tool, claimed = (*tools, "", "")[:2]
    return Operation(
        tool=tool,
        claimed=claimed,
        call=call,
        stacks=tuple(dict.fromkeys((*(named or of_task), *protected))),
        protected=protected,
        is_protected=is_protected,
        is_sensitive=_is_stated(request) or changes or is_protected,
    )


def _tools(request: UserApprovalRequest, call: ToolCall | None) -> tuple[list[str], bool]:
    """The tools that the call and its request name, and whether the call is one that is not known."""
    context = request.context
    names = (call.name if call else "", (context and context.tool_name) or "")
    is_unknown_call = call is None and context is not None and bool(context.tool_call_id)
    return list(dict.fromkeys(filter(None, map(str.strip, names)))), is_unknown_call


def may_change(tool: str) -> bool:
    """True if a tool may change something: any that is not known to be read-only."""
    words = [word.lower() for word in _WORD.findall(tool)]
    # Letters are also split where only the case changes, as in STACKup.
    parts = {*words, *(part.lower() for part in _ONE_CASE.findall(tool))}
    method = [word.lower() for word in _WORD.findall(tool.rpartition("__")[2])]
    method = [word for word in method if word != "pulumi"] or method
    if not method or not _KNOWN_CHARACTERS.fullmatch(tool) or parts & (_CHANGING_WORDS | _SHELL_WORDS):
        return True
    reads = method[0] in _READING_FIRST or method[-1] in _READING_LAST
    return not reads and " ".join(method) not in _READING_NAMES


def _is_stated(request: UserApprovalRequest) -> bool:
    """True if the API calls the request sensitive, or uses an unknown value."""
    return request.sensitivity is not None and request.sensitivity != Sensitivity.REGULAR


def _is_shell(tool: str) -> bool:
    return not _SHELL_WORDS.isdisjoint(word.lower() for word in _WORD.findall(tool))


def _with_project(named: Iterable[str], of_task: Sequence[str]) -> tuple[str, ...]:
    """The named stacks; a bare name with the project of the task's stack of that name."""
    full = {stack.rpartition("/")[2]: stack for stack in reversed(of_task)}
    return tuple(full.get(name, name) for name in named)


def _add_surroundings(names: Names, request: UserApprovalRequest, entities: Iterable[Entity]) -> None:
    if request.context is not None:
        names.add(request.context.model_dump())
    for entity in entities:
        if isinstance(entity, Stack):
            names.add_stack(entity.project, entity.name)
            names.add(entity.model_extra)
        else:
            # A value of another shape still names a stack.
            names.add({entity.type: entity.model_dump()})
