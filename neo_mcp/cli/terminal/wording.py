"""Hints in the words of the command line; those that it has no command for, in the library's."""

from neo_mcp.hints import LIBRARY, Hint, Wording

TERMINAL: Wording = {
    **LIBRARY,
    Hint.CHECK_ID: "Check the id and the organization; `pulumi-neo-mcp list` shows the tasks you can see.",
    Hint.USE_KNOWN_ID: "`pulumi-neo-mcp list` shows the ids.",
    Hint.RESUME: "Nothing is lost: `pulumi-neo-mcp watch TASK` goes on once the API is reachable.",
    Hint.WAIT: "`pulumi-neo-mcp watch TASK` shows how things stand.",
    Hint.WAIT_UNTIL_IDLE: "Neo is still working on the task: follow it with `pulumi-neo-mcp watch TASK`, "
    "then try again.",
    Hint.SEE: "`pulumi-neo-mcp watch TASK` shows {what}.",
    Hint.CHECK: "Look with `pulumi-neo-mcp watch TASK`",
    Hint.CHECK_ARRIVAL: "Look with `pulumi-neo-mcp watch TASK` whether it arrived before you send it again.",
    Hint.FIND_TASK: "Look for it with `pulumi-neo-mcp list` before you create it again.",
    Hint.FIND_OR_REPEAT: "Look for it with `pulumi-neo-mcp list` before you create it again.",
    Hint.DECIDE_AT: "Decide at {url}",
    Hint.USE_ANSWER: "Use `pulumi-neo-mcp respond TASK answer TEXT`.",
    Hint.USE_DECISION: "Use `pulumi-neo-mcp respond TASK approve`, or `deny`.",
    Hint.REDIRECT_BY_ANSWER: "To redirect it, answer it: `pulumi-neo-mcp respond TASK answer TEXT`.",
    Hint.REDIRECT_BY_DENIAL: "To redirect it, deny it with your guidance: "
    "`pulumi-neo-mcp respond TASK deny TEXT`.",
    Hint.LEAVE_CALLS: "Leave them to that client; `pulumi-neo-mcp watch TASK` shows how things stand.",
}
