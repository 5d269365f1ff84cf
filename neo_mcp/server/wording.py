"""Hints in the words of the MCP tools."""

from neo_mcp.advice import worded
from neo_mcp.config import Settings
from neo_mcp.hints import LIBRARY, Hint, Wording

_RESTART = ", then restart this server"

TOOLS: Wording = {
    Hint.SET_TOKEN: f"{LIBRARY[Hint.SET_TOKEN][:-1]}{_RESTART}.",
    Hint.REPLACE_TOKEN: f"{LIBRARY[Hint.REPLACE_TOKEN][:-1]}{_RESTART}.",
    Hint.CHECK_ACCESS: LIBRARY[Hint.CHECK_ACCESS],
    Hint.TRUST_CERTIFICATE: f"{LIBRARY[Hint.TRUST_CERTIFICATE][:-1]}{_RESTART}.",
    Hint.CHECK_ID: "Check the id and the organization; list_tasks shows the tasks you can see.",
    Hint.USE_KNOWN_ID: "Use the id that create_task or list_tasks returned.",
    Hint.OTHER_CLOUD: "Only a server that is set up for that one can reach it: see PULUMI_BACKEND_URL.",
    Hint.RESUME: "Nothing is lost: wait again with the same cursor once the API is reachable.",
    Hint.WAIT: "Call wait_for_events with the cursor you have.",
    Hint.WAIT_UNTIL_IDLE: "Neo is still working on the task: call wait_for_events with the cursor you have, "
    "then try again.",
    Hint.SEE: "Call get_task to see {what}.",
    Hint.CHECK: "Check with get_task",
    Hint.CHECK_ARRIVAL: "Check with get_task and the task's events whether it arrived before you send it "
    "again.",
    Hint.FIND_TASK: "Check list_tasks for it before you create it again.",
    Hint.FIND_OR_REPEAT: "Check with list_tasks and get_task. The same call searches for it again and "
    "sends nothing; if the task is not there, set duplicate to send it once more.",
    Hint.DECIDE_AT: "Ask the person to decide at {url}, then call wait_for_events with the cursor you have: "
    "it waits until they did.",
    Hint.USE_ANSWER: 'Use action "answer" with text.',
    Hint.USE_DECISION: 'Use action "approve" or "deny".',
    Hint.REDIRECT_BY_ANSWER: 'To redirect it, answer it (action "answer").',
    Hint.REDIRECT_BY_DENIAL: 'To redirect it, deny it with your guidance in text (action "deny").',
    Hint.REPLY_TO_REQUEST: 'respond "approve", or "deny" with guidance in text',
    Hint.REPLY_TO_QUESTION: 'respond "answer" with the answer in text',
    Hint.SEND_MESSAGE: 'respond "message" to go on',
    Hint.CLAIM_CALLS: 'respond "claim"',
    Hint.RETURN_RESULTS: 'respond "tool_results"',
    Hint.LEAVE_CALLS: "Leave them to that client and call wait_for_events.",
    Hint.LEAVE_RESULT: "If that is another client, leave it, then call wait_for_events.",
    Hint.SEND_OTHER_RESULTS: 'If that is another client, respond "tool_results" with an empty list to send '
    "the others, then call wait_for_events.",
    Hint.SEND_STORED_RESULTS: "All results are stored. To try again, respond with action tool_results and "
    "an empty list: what has arrived is not sent twice.",
    Hint.CHECK_STORED_RESULTS: "All results are stored. Check with get_task; if it still asks for them in "
    "two minutes, respond with action tool_results and an empty list.",
    Hint.RUN_CLAIMED: 'Run what was claimed, then respond "tool_results" with this claim and a result for '
    "each call.",
    Hint.GIVE_MISSING: 'Respond "tool_results" with what is missing, failures too; Neo waits until then.',
    Hint.STARTED: "Neo is working: call wait_for_events with this task_id and cursor.",
    Hint.WATCH_ONLY: "This server is read-only: a person replies at the task's page; wait_for_events with "
    "this cursor waits for that.",
    Hint.STILL_WORKING: "Neo is still working: call wait_for_events again with this cursor.",
    Hint.RESOLVED: "What was open is resolved (see the events): call wait_for_events again with this cursor.",
    Hint.STILL_UNDECIDED: "A person still has to decide: wait_for_events again with this cursor waits for "
    "that.",
    Hint.STILL_UNANSWERED: "Neo still waits for a response: respond, or wait on with wait_for_events and "
    "this cursor.",
    Hint.GO_ON: 'Neo is idle and asks for nothing; respond with action "message" to go on.',
    Hint.HAVE_DECIDED: "A person decides: show them what is asked, respond, then wait_for_events with this "
    "cursor.",
    Hint.RESPOND: "Respond, then call wait_for_events with this cursor.",
    Hint.WAIT_FOR_OTHERS: "To wait for the others, call again with this cursor, without the tasks that have "
    "stopped.",
}


def wording_of(settings: Settings) -> Wording:
    """The words of a server with these settings: what to change depends on where it came from."""
    words = worded(TOOLS, settings, then=_RESTART)
    if not settings.is_shared:
        return words
    if settings.pulumi_token_header:
        advice = "Send a valid Pulumi access token in X-Pulumi-Access-Token."
    else:
        advice = "Your Pulumi access token on this server is not valid any more: ask its operator."
    return {**words, Hint.REPLACE_TOKEN: advice}
