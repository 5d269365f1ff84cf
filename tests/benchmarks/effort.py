"""How much is measured: enough for steady figures, a quick look, or only a proof that everything runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """Counts.

    Attributes:
        blocks: Pairs of blocks, ours and the reference in turn.
        calls: Calls in a block.
        pushes: Events pushed in a block.
        starts: Pairs of cold starts.
        memory_calls: Calls between the two looks at resident memory.
        stream_events: Events of one stream that is read.
        waits: Waits held at the same time.
        waited_tasks: Tasks that those are spread over.
        wait_rounds: Pairs of fresh servers that hold them.
        history_events: Events of the task whose memory is measured.
        followed_tasks: Numbers of tasks that are followed.
        task_events: Numbers of a task's events.
        held_waits: Numbers of waits held at the same time.
        scaling_items: New events for each number.
        scaling_answers: Answers for each number.
        scaling_passes: How often all numbers are measured.
        settle_seconds: How long a server gets to take in all waits, or to come to rest.
    """

    blocks: int
    calls: int
    pushes: int
    starts: int
    memory_calls: int
    stream_events: int
    waits: int
    waited_tasks: int
    wait_rounds: int
    history_events: int
    followed_tasks: tuple[int, ...]
    task_events: tuple[int, ...]
    held_waits: tuple[int, ...]
    scaling_items: int
    scaling_answers: int
    scaling_passes: int
    settle_seconds: float


FULL = Effort(
    blocks=15,
    calls=60,
    pushes=40,
    starts=15,
    memory_calls=1000,
    stream_events=20_000,
    waits=500,
    waited_tasks=20,
    wait_rounds=7,
    history_events=100_000,
    followed_tasks=(1, 10, 100, 1000),
    task_events=(1, 100, 10_000),
    held_waits=(1, 10, 100, 500),
    scaling_items=300,
    scaling_answers=1000,
    scaling_passes=3,
    settle_seconds=2.0,
)
QUICK = Effort(
    blocks=5,
    calls=40,
    pushes=20,
    starts=5,
    memory_calls=300,
    stream_events=5_000,
    waits=500,
    waited_tasks=20,
    wait_rounds=2,
    history_events=20_000,
    followed_tasks=(1, 10, 100, 1000),
    task_events=(1, 100, 10_000),
    held_waits=(1, 10, 100, 500),
    scaling_items=100,
    scaling_answers=500,
    scaling_passes=1,
    settle_seconds=1.0,
)
TINY = Effort(
    blocks=1,
    calls=2,
    pushes=2,
    starts=1,
    memory_calls=2,
    stream_events=20,
    waits=4,
    waited_tasks=2,
    wait_rounds=1,
    history_events=20,
    followed_tasks=(1, 2),
    task_events=(1, 20),
    held_waits=(1, 2),
    scaling_items=2,
    scaling_answers=2,
    scaling_passes=1,
    settle_seconds=0.1,
)
