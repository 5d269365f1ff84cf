"""What an approval would let Neo do, and where: from the request, the tool call behind it, and the task.

Pure. Owns what counts as sensitive, and which stacks an operation concerns; what a person is shown of it is
the server's business.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from neo_mcp.wire import Entity, Sensitivity, Stack, ToolCall, UserApprovalRequest

_SENSITIVE_WORDS = frozenset({"up", "destroy", "deploy", "delete", "remove", "refresh", "import"})
"""Words in a Pulumi tool's name that mean that it changes infrastructure or its state."""

_STACK_ARGUMENTS = ("stack", "stackName", "stack_name")
_PROJECT_ARGUMENTS = ("project", "projectName", "project_name")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


@dataclass(frozen=True, slots=True)
class Operation:
    """What would run.

    Attributes:
        tool: The tool's name as the API has it, such as ``pulumi__up``; empty if the request names none.
        call: The tool call that waits for the approval, if it is known.
        stacks: The stacks that it concerns, as ``project/name``: the one in the call's arguments, else the
            task's.
        names_stack: Whether the call's arguments name the stack.
        protected: Those among them that the operator protects.
        is_sensitive: Whether the API says so, the tool changes infrastructure, or a stack is protected.
    """

    tool: str
    call: ToolCall | None
    stacks: tuple[str, ...]
    names_stack: bool
    protected: tuple[str, ...]
    is_sensitive: bool

    @property
    def target(self) -> str | None:
        """The one stack that it is about; ``None`` if there is none, or more than one."""
        stacks = self.protected or self.stacks
        return stacks[0] if len(stacks) == 1 else None


def operation(
    request: UserApprovalRequest,
    call: ToolCall | None,
    entities: Iterable[Entity],
    protected_stacks: Sequence[str] = (),
) -> Operation:
    """The operation that ``request`` asks permission for.

    Args:
        request: The approval request.
        call: The tool call that its context names, if it is known.
        entities: The task's entities, whose stacks count where the call names none.
        protected_stacks: Patterns of ``project/name``, with ``*``.
    """
    tool = (request.context and request.context.tool_name) or (call.name if call else "")
    named = _named_in(call) if call else ()
    stacks = named or tuple(
        f"{entity.project}/{entity.name}" for entity in entities if isinstance(entity, Stack)
    )
    protected = tuple(stack for stack in stacks if is_protected(stack, protected_stacks))
    sensitive = request.sensitivity == Sensitivity.SENSITIVE or bool(protected) or _changes_something(tool)
    return Operation(tool, call, stacks, bool(named), protected, sensitive)


def is_protected(stack: str, patterns: Sequence[str]) -> bool:
    """Whether one of ``patterns`` matches, in upper or lower case; one without ``/`` means any project's."""
    whole = (pattern if "/" in pattern else f"*/{pattern}" for pattern in patterns)
    return any(fnmatchcase(stack.casefold(), pattern.casefold()) for pattern in whole)


def _named_in(call: ToolCall) -> tuple[str, ...]:
    """The stack that a call's arguments name."""
    name = _argument(call, _STACK_ARGUMENTS)
    if not name:
        return ()
    # A full name is organization/project/stack.
    *_, project, stack = [_argument(call, _PROJECT_ARGUMENTS), *name.split("/")]
    return (f"{project}/{stack}" if project else stack,)


def _argument(call: ToolCall, names: Iterable[str]) -> str:
    values = (call.args.get(name) for name in names)
    return next((value.strip() for value in values if isinstance(value, str) and value.strip()), "")


def _changes_something(tool: str) -> bool:
    server, _, method = tool.rpartition("__")
    words = {word.lower() for word in _WORD.findall(method)}
    return "pulumi" in f"{server}_{method}".lower() and bool(words & _SENSITIVE_WORDS)
