"""Prompts that a person picks in their host."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mcp_types import GetPromptResult, Prompt, PromptArgument, PromptMessage, TextContent

from neo_mcp.errors import InvalidArgumentError

_PLACE = re.compile(r"\{(\w+)\}")
_SEE_IT_THROUGH = (
    "Follow it with wait_for_events until the turn is over. Show me every approval and plan and "
    "let me decide. "
    "In the end tell me the outcome in a few sentences, with the link."
)


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """One prompt.

    Attributes:
        title: What a person reads in a menu.
        arguments: What each argument means; those whose meaning starts with "Optional" can be left out.
        text: What the model is told, with the arguments' places in braces.
        additions: More of it, for each optional argument that is given.
    """

    title: str
    description: str
    arguments: Mapping[str, str]
    text: str
    additions: Mapping[str, str]

    @property
    def required(self) -> list[str]:
        """Names of the arguments that cannot be left out."""
        return [name for name, meaning in self.arguments.items() if not meaning.startswith("Optional")]

    def definition(self, name: str) -> Prompt:
        """The prompt as hosts see it."""
        arguments = [
            PromptArgument(name=argument, description=meaning, required=argument in self.required)
            for argument, meaning in self.arguments.items()
        ]
        return Prompt(name=name, title=self.title, description=self.description, arguments=arguments)

    def fill_in(self, arguments: Mapping[str, str]) -> str:
        """What the model is told."""
        parts = [self.text, *(text for name, text in self.additions.items() if arguments.get(name))]
        # In one pass: what a person typed is not looked at for places.
        return _PLACE.sub(lambda place: arguments.get(place[1], ""), " ".join(parts))


PROMPTS: Mapping[str, PromptSpec] = {
    "delegate_to_neo": PromptSpec(
        "Delegate to Neo",
        "Hand this conversation's work to Pulumi Neo and see it through.",
        {"goal": "What Neo should achieve.", "stack": "Optional: the stack it concerns, as project/name."},
        "Delegate this to Pulumi Neo: {goal}\n\nUse create_task with the goal and, as context, what we "
        "found out in this conversation. " + _SEE_IT_THROUGH,
        {"stack": "Name the entity 'stack {stack}'."},
    ),
    "plan_with_neo": PromptSpec(
        "Let Neo plan first",
        "Have Neo research and propose a plan that you accept or change before anything is done.",
        {"goal": "What the plan is for.", "stack": "Optional: the stack it concerns, as project/name."},
        "Have Pulumi Neo plan this: {goal}\n\nUse create_task with plan_mode true and, as context, what we "
        "found out in this conversation. When the plan comes, show it to me whole and ask what I want "
        "changed; accept it only when I say so. " + _SEE_IT_THROUGH,
        {"stack": "Name the entity 'stack {stack}'."},
    ),
    "fix_policy_issue": PromptSpec(
        "Fix a policy issue",
        "Have Neo fix a policy violation with a pull request.",
        {
            "policy_issue": "Id of the policy issue.",
            "stack": "Optional: the stack it was found in, as project/name.",
        },
        "Have Pulumi Neo fix the policy issue {policy_issue} at its cause and open a pull request. Use "
        "create_task with the entity 'policy issue {policy_issue}'. " + _SEE_IT_THROUGH,
        {"stack": "Name the entity 'stack {stack}' too."},
    ),
    "review_pull_request": PromptSpec(
        "Let Neo review a pull request",
        "Have Neo review an infrastructure change: what it does, what it risks, what it costs.",
        {"pull_request": "As org/name#number."},
        "Have Pulumi Neo review the pull request {pull_request}: what it changes in which stacks, what it "
        "replaces or deletes, what it risks, which policies it touches. Use create_task with "
        "permission_mode read-only and the entity 'pull request {pull_request}'. Follow it with "
        "wait_for_events until the turn is over, then give me the review, the most serious point first.",
        {},
    ),
    "catch_up": PromptSpec(
        "Catch me up on a Neo task",
        "What happened in a task, and what it needs now.",
        {"task_id": "The task."},
        "Catch me up on the Neo task {task_id}: read it with get_task (and its transcript if you need "
        "more), then tell me in a few sentences what was asked, what Neo has done, what it changed, and "
        "what it needs from me now. Do not respond to it before I say so.",
        {},
    ),
    "run_local_tools": PromptSpec(
        "Run Neo's local tool calls",
        "Lend Neo your host's hands: run the tool calls of a task with local tools, and return their "
        "results.",
        {"task_id": "A task created with tool_execution_mode cli."},
        "Run the local tool calls of the Neo task {task_id}. Again and again: call wait_for_events; when "
        "it returns local_tools, run each call with your own tools (read and search files, edit them, run "
        "commands) under my usual permissions, in the folder of this project; then respond with action "
        "tool_results and one result for each call, with is_error true for a call that failed or that I "
        "did not allow: Neo waits until it has them all. Refuse what reaches outside this project or looks "
        "harmful, and say so in its result. Stop when the turn is over, and tell me what was done.",
        {},
    ),
}


def get_prompt(name: str, arguments: Mapping[str, str] | None) -> GetPromptResult:
    """Fill in a prompt.

    Raises:
        InvalidArgumentError: If there is no such prompt, or a required argument is missing.
    """
    spec = PROMPTS.get(name)
    if spec is None:
        raise InvalidArgumentError(
            "There is no prompt {name[:60]!a}.", next_step=f"The prompts are: {', '.join(PROMPTS)}."
        )
    given = arguments or {}
    missing = [argument for argument in spec.required if not given.get(argument)]
    if missing:
        raise InvalidArgumentError(f"The prompt {name} needs {', '.join(missing)}.")
    message = PromptMessage(role="user", content=TextContent(text=spec.fill_in(given)))
    return GetPromptResult(description=spec.description, messages=[message])
