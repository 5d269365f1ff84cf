"""Next steps as data: a surface (MCP tools, a terminal, a program) puts them into its own words.

Layers below the surfaces say which step comes next with a :class:`Hint`; none of them knows the name of a
tool or a command. Owns the hints and the neutral wording that a library's user reads. The other wordings are
:mod:`neo_mcp.server.wording` and :mod:`neo_mcp.cli.terminal.wording`.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple, TypeAlias


class Hint(Enum):
    """A next step whose words depend on the surface."""

    # The access token.
    SET_TOKEN = auto()
    REPLACE_TOKEN = auto()
    # What the token may do, and the way to the API.
    CHECK_ACCESS = auto()
    TRUST_CERTIFICATE = auto()
    # Finding a task, and following it.
    CHECK_ID = auto()
    USE_KNOWN_ID = auto()
    OTHER_CLOUD = auto()
    RESUME = auto()
    WAIT = auto()
    WAIT_UNTIL_IDLE = auto()
    SEE = auto()
    # Writes whose result is unknown.
    CHECK = auto()
    CHECK_ARRIVAL = auto()
    FIND_TASK = auto()
    FIND_OR_REPEAT = auto()
    # Decisions and answers.
    DECIDE_AT = auto()
    USE_ANSWER = auto()
    USE_DECISION = auto()
    REDIRECT_BY_ANSWER = auto()
    REDIRECT_BY_DENIAL = auto()
    REPLY_TO_REQUEST = auto()
    REPLY_TO_QUESTION = auto()
    SEND_MESSAGE = auto()
    # Local tool calls.
    CLAIM_CALLS = auto()
    RETURN_RESULTS = auto()
    LEAVE_CALLS = auto()
    LEAVE_RESULT = auto()
    SEND_OTHER_RESULTS = auto()
    SEND_STORED_RESULTS = auto()
    CHECK_STORED_RESULTS = auto()
    RUN_CLAIMED = auto()
    GIVE_MISSING = auto()
    # What follows a result.
    STARTED = auto()
    WATCH_ONLY = auto()
    STILL_WORKING = auto()
    RESOLVED = auto()
    STILL_UNDECIDED = auto()
    STILL_UNANSWERED = auto()
    GO_ON = auto()
    HAVE_DECIDED = auto()
    RESPOND = auto()
    WAIT_FOR_OTHERS = auto()

    def of(self, **values: "NextStep") -> "Advice":
        """The hint with the data that its wording needs."""
        return Advice(self, values)


class Advice(NamedTuple):
    """A hint with data.

    Attributes:
        values: By the names in the wordings; a value may be a next step itself.
    """

    hint: Hint
    values: Mapping[str, "NextStep"]


NextStep: TypeAlias = str | Hint | Advice | tuple["NextStep", ...]
"""A next step: text that is the same on every surface, a hint, or several of these, one after the other."""

Wording: TypeAlias = Mapping[Hint, str]
"""A surface's words for every hint; ``{name}`` stands for a value."""


def to_text(step: NextStep, wording: Wording) -> str:
    """``step`` in the words of a surface."""
    match step:
        case str():
            return step
        case Hint():
            return wording[step]
        case Advice(hint, values):
            texts = {name: to_text(value, wording) for name, value in values.items()}
            return wording[hint].format_map(texts)
        case parts:
            return "".join(to_text(part, wording) for part in parts)


LIBRARY: Wording = {
    Hint.SET_TOKEN: "Run `pulumi login`, or create a token in the Pulumi Cloud console under "
    "Settings > Access tokens and set PULUMI_ACCESS_TOKEN.",
    Hint.REPLACE_TOKEN: "The token is wrong, expired or belongs to another Pulumi Cloud. Run `pulumi login` "
    "again, or set PULUMI_ACCESS_TOKEN to a valid token.",
    Hint.CHECK_ACCESS: "Check the organization name, that your user is a member with access to Neo, and that "
    "Neo is enabled for the organization.",
    Hint.TRUST_CERTIFICATE: "Set SSL_CERT_FILE to a file that holds the certificate of the authority that "
    "signed it: your own, or that of a proxy that inspects TLS.",
    Hint.CHECK_ID: "Check the id and the organization, and that you have access to the task.",
    Hint.USE_KNOWN_ID: "Use the id of a task that was created or listed.",
    Hint.OTHER_CLOUD: "Use a client with that one's API and a token for it.",
    Hint.RESUME: "Nothing is lost: follow the task again once the API is reachable.",
    Hint.WAIT: "Wait for the task's next events.",
    Hint.WAIT_UNTIL_IDLE: "Neo is still working on the task: wait for its next events, then try again.",
    Hint.SEE: "Read the task to see {what}.",
    Hint.CHECK: "Check the task",
    Hint.CHECK_ARRIVAL: "Check in the task's events whether it arrived before you send it again.",
    Hint.FIND_TASK: "Search the list of tasks for it before you create it again.",
    Hint.FIND_OR_REPEAT: "Search the list of tasks for it. The same request searches again and sends "
    "nothing; if the task is not there, ask for a duplicate.",
    Hint.DECIDE_AT: "A person can decide at {url}",
    Hint.USE_ANSWER: "Answer it in words.",
    Hint.USE_DECISION: "Approve or deny it.",
    Hint.REDIRECT_BY_ANSWER: "To redirect it, answer it.",
    Hint.REDIRECT_BY_DENIAL: "To redirect it, deny it with your guidance in text.",
    Hint.REPLY_TO_REQUEST: "approve it, or deny it with guidance in text",
    Hint.REPLY_TO_QUESTION: "answer it in text",
    Hint.SEND_MESSAGE: "send a message to go on",
    Hint.CLAIM_CALLS: "claim the calls",
    Hint.RETURN_RESULTS: "return results",
    Hint.LEAVE_CALLS: "Leave them to that client and wait for the task's next events.",
    Hint.LEAVE_RESULT: "If that is another client, leave it and wait for the task's next events.",
    Hint.SEND_OTHER_RESULTS: "If that is another client, send the other results with an empty list.",
    Hint.SEND_STORED_RESULTS: "All results are stored. To try again, return an empty list of results: what "
    "has arrived is not sent twice.",
    Hint.CHECK_STORED_RESULTS: "All results are stored. Check the task; if it still asks for them in two "
    "minutes, return an empty list of results.",
    Hint.RUN_CLAIMED: "Run what was claimed, then return a result for each call with this claim.",
    Hint.GIVE_MISSING: "Return what is missing, failures too; Neo waits until then.",
    Hint.STARTED: "Neo is working: wait for the task's events with this cursor.",
    Hint.WATCH_ONLY: "Nothing can be sent from here: a person replies at the task's page.",
    Hint.STILL_WORKING: "Neo is still working: wait again with this cursor.",
    Hint.RESOLVED: "What was open is resolved (see the events): wait again with this cursor.",
    Hint.STILL_UNDECIDED: "A person still has to decide: wait again with this cursor.",
    Hint.STILL_UNANSWERED: "Neo still waits for a response: respond, or wait again with this cursor.",
    Hint.GO_ON: "Neo is idle and asks for nothing; send a message to go on.",
    Hint.HAVE_DECIDED: "A person decides: show them what is asked, respond, then wait with this cursor.",
    Hint.RESPOND: "Respond, then wait with this cursor.",
    Hint.WAIT_FOR_OTHERS: "To wait for the others, wait with this cursor, without the tasks that have "
    "stopped.",
}
"""The neutral wording, for users of the library."""
