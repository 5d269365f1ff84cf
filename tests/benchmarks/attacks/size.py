"""How much an attack does: as the goals have it, or only so much that a regression is noticed."""

from dataclasses import dataclass

from tests.benchmarks.attacks.histories import MIB


@dataclass(frozen=True, slots=True)
class Size:
    """Counts.

    Attributes:
        bodies: Sizes of nested JSON, in bytes.
        tools: How many of the tools get them.
        connections: Held at the same time.
        hold_seconds: How long they are held.
        initializes: Sessions that are opened and left.
        tokens: Invalid Pulumi tokens.
        reads: Readers who do not read.
        unread_seconds: How long they may be held, the time included that it takes to answer.
        transcript_events: Events of what they ask for; of 120 KiB each.
        approvals: Of 1 MiB each.
        event_bytes: One event's.
        text_characters: Of texts that take long to search.
        listed_tasks: On one page.
        refusals: Requests with foreign headers.
        open_bodies: Requests that do not end.
        end_seconds: How long what was revoked may go on.
    """

    bodies: tuple[int, ...] = (2 * MIB, 5 * MIB - 4096, 16 * MIB - 4096)
    tools: int = 6
    connections: int = 1000
    hold_seconds: float = 12.0
    initializes: int = 1600
    tokens: int = 500
    reads: int = 20
    unread_seconds: float = 300.0
    transcript_events: int = 500
    approvals: int = 600
    event_bytes: int = 200 * 10**6
    text_characters: int = 250_000
    listed_tasks: int = 100_000
    refusals: int = 2000
    open_bodies: int = 100
    end_seconds: float = 60.0


FULL = Size()
SHORT = Size(
    tools=1,
    connections=950,
    hold_seconds=3.0,
    initializes=300,
    tokens=60,
    reads=4,
    transcript_events=100,
    approvals=100,
    event_bytes=20 * 10**6,
    listed_tasks=20_000,
    refusals=200,
    open_bodies=20,
)
