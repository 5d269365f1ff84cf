"""Tool calls under way, as a task's state holds them."""

from dataclasses import dataclass


@dataclass(slots=True)
class RunningTool:
    """A tool call under way, with the last word it gave on its progress."""

    name: str
    progress: str = ""


@dataclass(frozen=True, slots=True)
class Announcement:
    """Word that a local call is about to run; the API does not say whose it is.

    Attributes:
        event_id: The first event that said so since the call was asked for.
        at: Time of that event; empty if unknown.
        times: Events that have said so: more than one means more than one client.
    """

    event_id: str
    at: str
    times: int = 1
