"""Hints worded for the command line; those without a command use the library's wording."""

from neo_mcp.constants import PROGRAM
from neo_mcp.hints import LIBRARY, Hint, Wording

TERMINAL: Wording = {
    **LIBRARY,
    Hint.CHECK_ID: f"Check the id and the organization; `{PROGRAM} tasks` shows the tasks you can see.",
    Hint.USE_KNOWN_ID: f"`{PROGRAM} tasks` shows the ids.",
    Hint.OTHER_CLOUD: "Log in there, or give its API with --api-url.",
    Hint.RESUME: f"Nothing is lost: `{PROGRAM} watch TASK` continues once the API is reachable.",
    Hint.WAIT: f"`{PROGRAM} watch TASK` shows its state.",
    Hint.WAIT_UNTIL_IDLE: f"Neo is still working on the task: follow it with `{PROGRAM} watch TASK`, "
    "then try again.",
    Hint.SEE: f"`{PROGRAM} watch TASK` shows {{what}}.",
    Hint.CHECK: f"Check with `{PROGRAM} watch TASK`",
    Hint.CHECK_ARRIVAL: f"Check with `{PROGRAM} watch TASK` whether it arrived before you send it again.",
    Hint.FIND_TASK: f"Check `{PROGRAM} tasks` for it before you create it again.",
    Hint.FIND_OR_REPEAT: f"Check `{PROGRAM} tasks` for it before you create it again.",
    Hint.DECIDE_AT: "Decide at {url}",
    Hint.USE_ANSWER: f"Use `{PROGRAM} respond TASK answer TEXT`.",
    Hint.USE_DECISION: f"Use `{PROGRAM} respond TASK approve`, or `deny`.",
    Hint.REDIRECT_BY_ANSWER: f"To redirect it, answer it: `{PROGRAM} respond TASK answer TEXT`.",
    Hint.REDIRECT_BY_DENIAL: "To redirect it, deny it with your guidance: "
    f"`{PROGRAM} respond TASK deny TEXT`.",
    Hint.LEAVE_CALLS: f"Leave them to that client; `{PROGRAM} watch TASK` shows its state.",
}
