"""The facts of a task in short: what a list, a result or a view of it is made of."""

from typing import NamedTuple

from neo_mcp.core.sanitize import one_line
from neo_mcp.wire import Task

_MAX_WORD = 60
_MAX_COUNT = 10**15
"""A larger number of tokens is not valid."""


class TaskSummary(NamedTuple):
    """A task's metadata, cleaned, each fact on one line; ``None`` for what there is nothing to report of.

    Attributes:
        created_by: Login of its creator.
        plan_mode: True until the plan is accepted.
        context_tokens: Tokens in the model's context.
        window_tokens: Tokens that fit into it.
    """

    task_id: str
    name: str
    status: str
    created_at: str
    created_by: str | None
    approval_mode: str | None
    permission_mode: str | None
    plan_mode: bool | None
    shared: bool | None
    runtime_phase: str | None
    tool_execution_mode: str | None
    tokens_used: int | None
    context_tokens: int | None
    window_tokens: int | None

    @classmethod
    def of(cls, task: Task, *, plan_accepted: bool = False) -> "TaskSummary":
        """The facts of ``task``; plan mode ends with the accepted plan, which only events show."""
        return cls(
            task_id=one_line(task.id),
            name=one_line(task.name),
            status=one_line(task.status, _MAX_WORD),
            created_at=one_line(task.created_at, _MAX_WORD),
            created_by=_word(task.created_by.github_login if task.created_by else None),
            approval_mode=_word(task.approval_mode),
            permission_mode=_word(task.permission_mode),
            plan_mode=(task.plan_mode and not plan_accepted) or None,
            shared=task.is_shared or None,
            runtime_phase=_word(task.runtime_phase),
            tool_execution_mode=_word(task.tool_execution_mode),
            tokens_used=_count(task.tokens_used),
            context_tokens=_count(task.context_used_tokens),
            window_tokens=_count(task.context_window_tokens),
        )


def _word(text: str | None) -> str | None:
    return None if text is None else one_line(text, _MAX_WORD)


def _count(tokens: int | None) -> int | None:
    return tokens if tokens is not None and abs(tokens) < _MAX_COUNT else None
