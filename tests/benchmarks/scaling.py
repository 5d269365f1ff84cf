"""Costs by the number of tasks, events and waits: nothing may cost more as it grows.

A figure's ratio is the exponent of the total: 1 and the slope of the logarithm of one item's cost over that
of the number. Where it is 1, the last item costs what the first one does; below, they share something.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from statistics import linear_regression, median

import anyio

from neo_mcp.api import Generation, NeoClient
from neo_mcp.simulator import DEFAULT_ORGANIZATION, DEFAULT_TOKEN
from neo_mcp.watch import Hub, Watcher, until_true
from tests.benchmarks.latency import Follower, local_error
from tests.benchmarks.measure import Row, Spread, Target
from tests.benchmarks.process import Server, processor_seconds
from tests.benchmarks.reading import server_collector
from tests.benchmarks.setup import Setup

_GOAL = Target(1.1)
_MIN_EVENTS = 50
"""Events that are read at least, of as many short tasks as it takes."""

_Costs = Mapping[int, float]
"""What one item costs, by the number."""


def scaling(setup: Setup) -> list[Row]:
    """Processor time of an event and of an answer, or an answer's delay, by what grows."""
    effort = setup.effort
    kinds: dict[str, Callable[[], _Costs]] = {
        "event, by tasks followed: CPU": partial(_news, setup, effort.followed_tasks),
        "event of a history, by its length: CPU": partial(_histories, setup, effort.task_events),
        "get_task, by events: delay": partial(_get_tasks, setup, effort.task_events),
        "event to answer, by events before: delay": partial(_pushes, setup, effort.task_events),
        "answer, by waits held: CPU": partial(_answers, setup, effort.held_waits),
    }
    passes: dict[str, list[_Costs]] = {name: [] for name in kinds}
    for _ in range(effort.scaling_passes):
        for name, measure in kinds.items():
            passes[name].append(measure())
    return [row for name, costs in passes.items() for row in _rows(name, costs)]


def exponent(costs: _Costs) -> float:
    """The exponent of the total cost of so many items."""
    numbers = [math.log(number) for number in costs]
    return 1 + linear_regression(numbers, [math.log(cost) for cost in costs.values()]).slope


def _rows(name: str, passes: Sequence[_Costs]) -> list[Row]:
    exponents = [exponent(costs) for costs in passes]
    numbers = [*passes[0]]
    typical = {number: median(costs[number] for costs in passes) * 1e6 for number in numbers}
    ratio = Spread(median(exponents), min(exponents), max(exponents))
    first, last = numbers[0], numbers[-1]
    whole = Row(
        figure=f"{name}, {first:,} to {last:,}",
        unit="µs",
        ours=typical[last],
        reference=typical[first],
        ratio=ratio,
        target=_GOAL,
    )
    return [whole, *(Row(figure=f"  {number:,}", unit="µs", ours=typical[number]) for number in numbers)]


def _news(setup: Setup, numbers: Sequence[int]) -> _Costs:
    with server_collector():
        return anyio.run(_news_by_tasks, setup, numbers)


async def _news_by_tasks(setup: Setup, numbers: Sequence[int]) -> _Costs:
    """Of one event at a time, in one of the tasks in turn."""
    costs: dict[int, float] = {}
    count = setup.effort.scaling_items
    tasks: list[str] = []
    watchers: list[Watcher] = []
    async with _client(setup) as client, anyio.create_task_group() as group, AsyncExitStack() as stack:
        hub = Hub(client, group)
        for number in numbers:
            while len(tasks) < number:
                tasks.append(setup.api.add_task(1))
                watcher = await stack.enter_async_context(hub.follow(DEFAULT_ORGANIZATION, tasks[-1]))
                await until_true([watcher], partial(_has, watcher, 1))
                watchers.append(watcher)
            started = time.process_time()
            for turn in range(count):
                index = turn * number // count
                due = len(watchers[index].log) + 1
                setup.api.start_append([tasks[index]])
                setup.api.sent()
                await until_true([watchers[index]], partial(_has, watchers[index], due))
            costs[number] = (time.process_time() - started) / count
        group.cancel_scope.cancel()
    return costs


def _histories(setup: Setup, numbers: Sequence[int]) -> _Costs:
    with server_collector():
        return anyio.run(_events_by_history, setup, numbers)


async def _events_by_history(setup: Setup, numbers: Sequence[int]) -> _Costs:
    """Of one of the events that a task has when it is followed."""
    costs: dict[int, float] = {}
    async with _client(setup) as client:
        for number in numbers:
            tasks = [setup.api.add_task(number) for _ in range(math.ceil(_MIN_EVENTS / number))]
            started = time.process_time()
            for task in tasks:
                async with anyio.create_task_group() as group:
                    async with Hub(client, group).follow(DEFAULT_ORGANIZATION, task) as watcher:
                        await until_true([watcher], partial(_has, watcher, number))
                    group.cancel_scope.cancel()
            costs[number] = (time.process_time() - started) / number / len(tasks)
    return costs


def _has(watcher: Watcher, count: int) -> bool:
    return len(watcher.log) >= count


def _client(setup: Setup) -> NeoClient:
    return NeoClient(token=DEFAULT_TOKEN, api_url=setup.api.url, generation=Generation.SECOND)


def _get_tasks(setup: Setup, numbers: Sequence[int]) -> _Costs:
    costs: dict[int, float] = {}
    with setup.ours() as server:
        server.handshake()
        for number in numbers:
            arguments = {"task_id": setup.api.add_task(number)}
            server.call("get_task", arguments)
            calls = range(setup.effort.calls)
            costs[number] = median(server.time_call("get_task", arguments) for _ in calls) / 1000
    return costs


def _pushes(setup: Setup, numbers: Sequence[int]) -> _Costs:
    costs: dict[int, float] = {}
    with setup.ours() as server:
        server.handshake()
        for number in numbers:
            follower = Follower(setup, server, number)
            costs[number] = median(follower.push() for _ in range(setup.effort.pushes)) / 1000
    return costs


def _answers(setup: Setup, numbers: Sequence[int]) -> _Costs:
    """Of the answer to one of so many waits that an event ends at once, with its call."""
    costs: dict[int, float] = {}
    task = setup.api.add_task(1)
    with setup.ours() as server:
        server.handshake()
        cursor = server.call("wait_for_events", {"task_id": task, "until": "any"})["cursor"]
        for number in numbers:
            rounds = math.ceil(setup.effort.scaling_answers / number)
            cursor = _round(setup, server, task, cursor, number)
            started = processor_seconds(server.pid) or 0.0
            for _ in range(rounds):
                cursor = _round(setup, server, task, cursor, number)
            used = (processor_seconds(server.pid) or 0.0) - started
            # Ticks are too long for the few answers of a short run.
            costs[number] = max(used, 1e-6) / rounds / number
    return costs


def _round(setup: Setup, server: Server, task: str, cursor: str, number: int) -> str:
    """Hold the waits, end all of them by an event, and return the next cursor."""
    arguments = {"task_id": task, "until": "any", "cursor": cursor, "timeout_seconds": 60}
    for _ in range(number):
        server.start_call("wait_for_events", arguments)
    # It is answered once all before it are under way.
    local_error(server)
    setup.api.start_append([task])
    setup.api.sent()
    for _ in range(number):
        content = json.loads(server.read())["result"]["structuredContent"]
        if not content["matched"]:
            raise RuntimeError("a wait ended without its event")
        cursor = content["cursor"]
    return cursor
