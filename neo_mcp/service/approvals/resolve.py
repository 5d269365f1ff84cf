"""Send a person's answer to a request if the request is unchanged since they were asked.

Owns the last check before an answer is sent. The texts of forms are :mod:`neo_mcp.service.approvals.forms`;
asking is :mod:`neo_mcp.service.approvals.asker`.
"""

from dataclasses import dataclass

from neo_mcp.core.held import Body
from neo_mcp.core.sanitize import named, quoted
from neo_mcp.errors import NeoError
from neo_mcp.hints import Hint
from neo_mcp.service.approvals.forms import NOTHING_ALONG, Along, question_about
from neo_mcp.service.approvals.questions import Answer, Choice, OpenQuestion, Question, RefusedError
from neo_mcp.service.tasks import TaskService
from neo_mcp.watch import Watcher, until_true
from neo_mcp.wire import Event, UserApprovalRequest, UserConfirmation

_WORDS = 1000
_SEE_NOW = Hint.SEE.of(what="what is asked now")


async def send_answer(
    tasks: TaskService,
    watcher: Watcher,
    request_id: str,
    question: Question,
    answer: Answer,
    along: Along = NOTHING_ALONG,
) -> str:
    """Send a person's answer to ``question`` if Neo still asks it; return a description of what was sent.

    The task is read again from the API first: the state of the live stream may be old.

    Raises:
        RefusedError: If the request was resolved, withdrawn or changed in the meantime; nothing was sent.
        NeoError: If that cannot be checked, or the answer cannot be sent.
    """
    await PendingRequest(watcher, request_id).check()
    now = await whole(watcher, request_id)
    if question_about(tasks, watcher, now, along).digest != question.digest:
        raise RefusedError(
            f"{named(request_id)} changed in the meantime; nothing was sent.", next_step=_SEE_NOW
        )
    if isinstance(question, OpenQuestion):
        # On the wire an answer is a refusal with instructions: that is how the API transmits text.
        await tasks.deliveries.confirm(
            watcher, request_id, ok=False, instructions=answer.words, entity_diff=along.entity_diff
        )
        return f"{named(request_id)} was answered: {quoted(answer.words)}"
    ok = answer.choice is Choice.YES
    words = answer.words or (along.text if ok else None)
    await tasks.deliveries.confirm(
        watcher, request_id, ok=ok, instructions=words or None, entity_diff=along.entity_diff
    )
    if ok:
        return f"{named(request_id)} was approved."
    reply = f" Their words: {quoted(answer.words, _WORDS)}" if answer.words else ""
    return f"The person DENIED {named(request_id)}; the denial was sent.{reply}"


async def whole(watcher: Watcher, request_id: str) -> Body:
    """A pending request whole, read again if only a preview is stored.

    Raises:
        RefusedError: If it no longer exists, or was replaced.
        NeoError: If it cannot be read.
    """
    body = await watcher.body(request_id)
    if body is None:
        raise RefusedError(
            f"{named(request_id)} is not pending any more, or its content cannot be read; nothing was sent.",
            next_step=_SEE_NOW,
        )
    return body


class AlreadyResolvedError(RefusedError):
    """A request is no longer pending; nothing was sent."""

    default_next_step = _SEE_NOW


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A request of Neo's that is being decided here, and may be resolved elsewhere meanwhile."""

    watcher: Watcher
    request_id: str

    async def gone(self) -> None:
        """Return once the request is no longer pending."""
        await until_true([self.watcher], lambda: not self._is_pending)

    async def check(self) -> None:
        """Look the request up at the API.

        Raises:
            AlreadyResolvedError: If it is no longer pending.
            RefusedError: If that cannot be checked.
        """
        try:
            await self.watcher.read_again()
        except NeoError as error:
            why = error.problem.removesuffix(".")
            raise RefusedError(
                f"It could not be checked whether Neo still asks this ({why}); nothing was sent.",
                next_step="Ask again in a moment.",
            ) from error
        if not self._is_pending:
            raise AlreadyResolvedError(f"{self.resolution}; nothing was sent.")

    @property
    def resolution(self) -> str:
        """How the request was resolved, and by whom, as far as the task's events show."""
        name, result = named(self.request_id), ""
        for event in reversed(self.watcher.log.since("").events):
            match event.body:
                case UserConfirmation(approval_request_id=self.request_id) as body if not result:
                    result = f"{_result_of(body)} by {_author(event)}"
                case UserApprovalRequest(id=self.request_id) as body if result:
                    return f"{name} was already {_result_of_question(body, result)}"
                case _:
                    pass
        if result:
            return f"{name} was already {result}"
        if self.request_id in self.watcher.log.state.withdrawn:
            return f"{name} was withdrawn: its turn has ended"
        return f"{name} is not pending: it is unknown, or was resolved already"

    @property
    def _is_pending(self) -> bool:
        return any(request.id == self.request_id for request in self.watcher.log.state.pending_approvals)


def _author(event: Event) -> str:
    if event.is_synthetic:
        return "the service itself"
    login = event.actor.github_login if event.actor else ""
    return quoted(login) if login else "someone else"


def _result_of(body: UserConfirmation) -> str:
    return "approved" if body.ok else "denied"


def _result_of_question(request: UserApprovalRequest, result: str) -> str:
    return result.replace("denied", "answered", 1) if request.is_question else result
