"""Prompts that a person picks in their host."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mcp_types import GetPromptResult, Prompt, PromptArgument, PromptMessage, TextContent

from neo_mcp.errors import InvalidArgumentError


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """One prompt: its definition, and the text it turns its arguments into."""

    definition: Prompt
    text: Callable[[Mapping[str, str]], str]


def _delegate(arguments: Mapping[str, str]) -> str:
    stack = f" It concerns the stack {arguments['stack']}." if arguments.get("stack") else ""
    return (
        f"Delegate this to Pulumi Neo: {arguments['goal']}.{stack}\n\n"
        "Use create_task with the goal and, as context, what we found out in this conversation. "
        "Then follow it with wait_for_events until the turn is over. Show me every approval and plan and let "
        "me decide. In the end tell me the outcome in a few sentences, with the link."
    )


def _catch_up(arguments: Mapping[str, str]) -> str:
    return (
        f"Catch me up on the Neo task {arguments['task_id']}: read it with get_task (and its transcript if "
        "you need more), then tell me in a few sentences what was asked, what Neo has done, what it changed, "
        "and what it needs from me now. Do not respond to it before I say so."
    )


PROMPTS: Mapping[str, PromptSpec] = {
    spec.definition.name: spec
    for spec in (
        PromptSpec(
            Prompt(
                name="delegate_to_neo",
                title="Delegate to Neo",
                description="Hand this conversation's work to Pulumi Neo and see it through.",
                arguments=[
                    PromptArgument(name="goal", description="What Neo should achieve.", required=True),
                    PromptArgument(name="stack", description="As project/stack.", required=False),
                ],
            ),
            _delegate,
        ),
        PromptSpec(
            Prompt(
                name="catch_up",
                title="Catch me up on a Neo task",
                description="What happened in a task, and what it needs now.",
                arguments=[PromptArgument(name="task_id", description="The task.", required=True)],
            ),
            _catch_up,
        ),
    )
}


def get_prompt(name: str, arguments: Mapping[str, str] | None) -> GetPromptResult:
    """Fill in a prompt.

    Raises:
        InvalidArgumentError: If there is no such prompt, or a required argument is missing.
    """
    spec = PROMPTS.get(name)
    if spec is None:
        raise InvalidArgumentError(
            f"There is no prompt {name[:60]!a}.", next_step=f"The prompts are: {', '.join(PROMPTS)}."
        )
    given = arguments or {}
    required = [a.name for a in spec.definition.arguments or [] if a.required]
    missing = [argument for argument in required if not given.get(argument)]
    if missing:
        raise InvalidArgumentError(f"The prompt {name} needs {', '.join(missing)}.")
    message = PromptMessage(role="user", content=TextContent(text=spec.text(given)))
    return GetPromptResult(description=spec.definition.description, messages=[message])
