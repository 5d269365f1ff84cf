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
        history_events: Events of the task whose memory is measured.
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
    history_events: int
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
    history_events=100_000,
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
    history_events=20_000,
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
    history_events=20,
    settle_seconds=0.1,
)
