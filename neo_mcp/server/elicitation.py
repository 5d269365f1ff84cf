"""Asking a person through their host, by elicitation.

Each protocol revision has its own way: a request to the client in the handshake eras, an input-required
result since 2026-07-28. An answer is bound to a digest of what was shown, so that it can never resolve
something else, and counts once.
"""

import secrets
from dataclasses import dataclass
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from neo_mcp.core.sanitize import quoted
from neo_mcp.server.tool_results import OtherResult
from neo_mcp.service.approvals.asker import AskAgain, OpenRequest
from neo_mcp.service.approvals.questions import (
    Answer,
    Choice,
    Decision,
    FormAnswer,
    OpenQuestion,
    Question,
    RefusedError,
)
from neo_mcp.service.approvals.used_answers import Ledger

ANSWER_SECONDS = 600.0
"""Seconds that a person has to answer while a handshake-era call is held open."""

MALFORMED = ElicitResult(action="cancel", _meta={"neo_mcp/malformed": True})
"""Replaces an answer of the host that is none by the protocol."""

_KEY = "decision"
_PING_SECONDS = 8.0

Context = ServerRequestContext[Any, Any]


class InputRequired(OtherResult, AskAgain):
    """The call has to come again with a person's answer."""

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__("a person has to answer", result)


@dataclass(frozen=True, slots=True)
class HostAsker:
    """Asks the person at the host that sent a call; see :class:`~neo_mcp.service.approvals.asker.Asker`.

    Attributes:
        ctx: The request of the client.
        params: Its call, which may bring the answer.
        used_answers: Answers that were used already.
    """

    ctx: Context
    params: CallToolRequestParams
    used_answers: Ledger

    @property
    def can_ask(self) -> bool:
        """True if the host shows forms to a person."""
        return can_ask(self.ctx)

    @property
    def answered_request(self) -> str | None:
        """Id of the request whose form this call brings an answer to; ``None`` if it brings none."""
        state = self.params.request_state
        return None if state is None else state.partition(".")[2].partition(".")[2]

    async def decide(self, question: Decision, request: OpenRequest | None) -> Answer:
        """The decision of the person at the host."""
        return question.read(await self._ask(question, request))

    async def answer(self, question: OpenQuestion, _: str, request: OpenRequest | None) -> str:
        """The answer of the person at the host."""
        return question.read(await self._ask(question, request)).words

    async def confirm(self, _: Decision) -> Answer:
        """Yes: the host confirmed the call by itself."""
        return Answer(Choice.YES)

    async def _ask(self, question: Question, request: OpenRequest | None) -> FormAnswer:
        state = self.params.request_state
        if state is not None:
            if request is not None:
                await request.check()
            return self._answer_on_retry(state, question)
        if self.ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            state = f"{question.digest}.{secrets.token_hex(16)}.{question.request_id}"
            requests = {_KEY: elicit_request(question)}
            raise InputRequired(InputRequiredResult(input_requests=requests, request_state=state))
        result = await _ask_now(self.ctx, question, request)
        if request is not None:
            await request.check()
        return form_answer(result)

    def _answer_on_retry(self, state: str, question: Question) -> FormAnswer:
        if state.partition(".")[0] != question.digest:
            raise RefusedError(
                "The request changed while the form was open; nothing was sent.",
                next_step="Call get_task to see what is asked now, then ask again.",
            )
        answer = (self.params.input_responses or {}).get(_KEY)
        if not isinstance(answer, ElicitResult):
            raise question.undecided("the call came back without an answer to the form")
        if not self.used_answers.claim(state):
            raise RefusedError(
                "This answer was used already; nothing was sent.",
                next_step="Call get_task or list_tasks before you ask again.",
            )
        return form_answer(answer)


def elicit_request(question: Question) -> ElicitRequest:
    """The question as the protocol has it."""
    return ElicitRequest(
        params=ElicitRequestFormParams(message=question.message, requested_schema=question.schema)
    )


def form_answer(result: ElicitResult) -> FormAnswer:
    """The answer that a host sent."""
    is_malformed = bool(result.meta and "neo_mcp/malformed" in result.meta)
    return FormAnswer(result.action, result.content or {}, is_malformed=is_malformed)


def read_answer(value: object) -> ElicitResult:
    """One answer; :data:`MALFORMED` for what is none by the protocol."""
    try:
        return ElicitResult.model_validate(value, by_name=False)
    except ValidationError:
        return MALFORMED


def can_ask(ctx: Context) -> bool:
    """True if the client of this request shows forms to a person."""
    capabilities = ctx.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    # An empty declaration means forms: the revisions before 2025-11-25 knew nothing else.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


async def _ask_now(ctx: Context, question: Question, request: OpenRequest | None) -> ElicitResult:
    """Hold the call open until the person has answered, with signs of life for the host.

    A form whose request is resolved elsewhere is withdrawn: its request to the host is cancelled.
    """
    result: ElicitResult | None = None
    problem = "no one answered in time"

    async def withdraw(waiting: anyio.CancelScope, request: OpenRequest) -> None:
        await request.gone()
        waiting.cancel()

    with anyio.move_on_after(ANSWER_SECONDS):
        async with anyio.create_task_group() as alive:
            alive.start_soon(_ping, ctx)
            if request is not None:
                alive.start_soon(withdraw, alive.cancel_scope, request)
            try:
                result = await ctx.session.elicit_form(question.message, question.schema, ctx.request_id)
            except MCPError as error:
                problem = f"the host could not ask ({quoted(error.message)})"
            except ValidationError:
                result = MALFORMED
            alive.cancel_scope.cancel()
    if result is None:
        if request is not None:
            await request.check()
        raise question.undecided(problem)
    return result


async def _ping(ctx: Context) -> None:
    seconds = 0.0
    while True:
        seconds += _PING_SECONDS
        await anyio.sleep(_PING_SECONDS)
        await ctx.session.report_progress(seconds, None, "waiting for a person's decision")
