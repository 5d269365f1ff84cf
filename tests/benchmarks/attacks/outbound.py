"""Attacks by what the API answers, and by tasks that hold too much."""

import json
from collections.abc import Iterator
from functools import partial

from tests.benchmarks.attacks import upstream
from tests.benchmarks.attacks.client import Answer, Json
from tests.benchmarks.attacks.histories import MIB, TASK_ID
from tests.benchmarks.attacks.play import Attack, Scene

BUDGET_BYTES = 6000 * 3
"""Bytes of a result, both of its forms together: the default budget in tokens, three bytes each."""

_PATIENCE = 60.0
_MAX_WAIT = 100.0
_HELD = {
    "pending approvals": "approvals",
    "withdrawn approvals": "withdrawn",
    "calls without results": "calls",
}
_SHORT = {"NEO_MCP_CALL_TIMEOUT": "5", "NEO_MCP_CREATE_TIMEOUT": "5"}


def attacks() -> Iterator[Attack]:
    """All of them."""
    read = partial(Attack, seconds=180)
    yield read(
        "the API answers 1 MB of gzip, 1 GiB of JSON",
        partial(_read_all, organization=upstream.BOMB),
        prepare=lambda scene: scene.api.load_bomb(),
    )
    yield read("the API's answer has no end", partial(_read_all, organization=upstream.ENDLESS))
    yield read("an event of 200 MB", partial(_read_all, organization="large-event"), prepare=_large_event)
    yield read(
        "texts that take long to search",
        partial(_read_all, organization="hostile-texts"),
        prepare=lambda scene: scene.api.serve_history(
            "hostile-texts", "hostile", 24, scene.size.text_characters
        ),
    )
    yield read(
        "100,000 tasks on a page",
        partial(_read_all, organization=upstream.MANY_TASKS),
        prepare=lambda scene: scene.api.serve_tasks(upstream.MANY_TASKS, scene.size.listed_tasks),
    )
    for name, kind in _HELD.items():
        yield Attack(
            f"a task with {name}, 1 MiB each",
            partial(_hold, kind=kind),
            prepare=partial(_hold_ready, kind=kind),
            seconds=240,
        )
    yield Attack("results of too much", _results)
    yield Attack("Retry-After with an absurd zone", _retry_after, environment=_SHORT, seconds=180)


async def _read_all(scene: Scene, organization: str) -> None:
    """Everything that a user can ask about a task of that organization."""
    user = scene.attacker.within(_PATIENCE)
    task = {"organization": organization, "task_id": TASK_ID}
    scene.count(await user.call("list_tasks", {"organization": organization}))
    scene.count(await user.call("get_task", task))
    scene.count(await user.call("wait_for_events", {**task, "until": "any", "timeout_seconds": 10}))
    for view in ("transcript", "events"):
        uri = f"neo://{organization}/tasks/{TASK_ID}/{view}"
        scene.count(await user.ask("resources/read", {"uri": uri}))
    good = {"organization": "acme", "task_id": scene.task_id}
    answer = await user.call("get_task", good)
    scene.goal("the attacker's other tasks lost", "tasks", float(not answer.is_good), 0)


def _large_event(scene: Scene) -> None:
    scene.api.serve_history("large-event", "messages", 1, scene.size.event_bytes)


def _hold_ready(scene: Scene, kind: str) -> None:
    scene.api.serve_history(kind, kind, scene.size.approvals, MIB)


async def _hold(scene: Scene, kind: str) -> None:
    """Follow the task to its end; whatever is read of it must fit into memory, and into the results."""
    user = scene.attacker.within(_PATIENCE)
    task = {"organization": kind, "task_id": TASK_ID}
    largest = 0
    for arguments in ({"timeout_seconds": 20}, {"timeout_seconds": 20, "until": "turn_end"}):
        answer = scene.count(await user.call("wait_for_events", {**task, **arguments}))
        largest = max(largest, _bytes(answer))
    largest = max(largest, _bytes(scene.count(await user.call("get_task", task))))
    scene.goal("largest result", "bytes", largest, BUDGET_BYTES)


async def _results(scene: Scene) -> None:
    """What has to be said of too many approvals, too many tasks, and too long ids."""
    scene.api.serve_history("many-approvals", "approvals", 300, 400)
    scene.api.serve_tasks(upstream.UNPAGED, upstream.UNPAGED_TASKS)
    user = scene.attacker.within(_PATIENCE)
    approvals: Json = {"organization": "many-approvals", "task_id": TASK_ID}
    calls: dict[str, tuple[str, Json]] = {
        "300 approvals, waited for": ("wait_for_events", {**approvals, "timeout_seconds": 5}),
        "300 approvals, looked at": ("get_task", approvals),
        "a list that ignores the page's size": ("list_tasks", {"organization": upstream.UNPAGED}),
        "ids and page tokens of 1 MB": ("list_tasks", {"organization": upstream.LONG_IDS}),
    }
    for name, (tool, arguments) in calls.items():
        answer = scene.count(await user.call(tool, arguments))
        scene.goal(f"result of {name}", "bytes", _bytes(answer), BUDGET_BYTES)


def _bytes(answer: Answer) -> int:
    """Bytes of both forms of a result, or of the answer if there is none."""
    if not answer.result:
        return len(answer.body)
    structured = answer.result.get("structuredContent")
    form = json.dumps(structured, ensure_ascii=False) if structured is not None else ""
    return len(answer.text.encode()) + len(form.encode())


async def _retry_after(scene: Scene) -> None:
    """A refusal that names an impossible time: nothing was written, and a wait goes on."""
    user = scene.attacker.within(_MAX_WAIT + _PATIENCE)
    place = {"organization": upstream.LATER}
    created = scene.count(await user.call("create_task", {"prompt": "Hello", **place}))
    wait = {**place, "task_id": TASK_ID, "until": "turn_end", "timeout_seconds": _MAX_WAIT}
    waited = scene.count(await user.call("wait_for_events", wait))
    in_doubt = "may or may not" in created.text or "internal error" in created.text.lower()
    scene.goal("creations in doubt", "tasks", float(in_doubt), 0)
    scene.goal("waits that ended without their event", "waits", float("Done." not in waited.text), 0)
