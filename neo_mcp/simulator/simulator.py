"""One simulated service: its state, and what tests may do to it from outside HTTP.

Owns: putting the parts together, seeding tasks and events, the register of open streams.
Not here: HTTP (`app`, `gate`) and the socket (`serve`).
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Unpack

from neo_mcp.simulator.config import SimulatorConfig
from neo_mcp.simulator.connections import OpenStreams
from neo_mcp.simulator.conversation import Conversation
from neo_mcp.simulator.faults import FaultBook
from neo_mcp.simulator.runner import Runner
from neo_mcp.simulator.store import Store
from neo_mcp.simulator.task import Body, Kind, Task, TaskOptions

if TYPE_CHECKING:
    from neo_mcp.simulator.gate import RecordedRequest


class Simulator:
    """A running simulator; made by `running_simulator`.

    Attributes:
        url: Where it listens, such as `http://127.0.0.1:40123`.
        store: Every task.
        faults: What goes wrong; add to it at any time.
        requests: Every request so far, control endpoints excepted.
    """

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self.url = ""
        self.store = Store(config.approval_modes)
        self.faults = FaultBook(config.faults)
        self.requests: list[RecordedRequest] = []
        self.runner = Runner(config.time_scale, config.resolve_after)
        self.conversation = Conversation(self.store, self.runner, first_generation=config.first_generation)
        self.streams = OpenStreams()

    @property
    def open_streams(self) -> int:
        """How many event streams are connected."""
        return len(self.streams)

    def add_task(
        self,
        organization: str,
        *,
        creator: str = "alice",
        name: str = "A task",
        events: Iterable[tuple[str, Body]] = (),
        status: str = "idle",
        **options: Unpack[TaskOptions],
    ) -> str:
        """Make a task without a script, with these events, and give back its id."""
        task = self.store.create(organization, creator, name, **options)
        for kind, body in events:
            task.append("userInput" if kind == "userInput" else "agentResponse", body)
        task.turn_is_running = status == "running"
        return task.id

    def append_event(
        self,
        organization: str,
        task_id: str,
        body: Body,
        *,
        kind: Kind,
        synthetic: bool = False,
        event_id: str | None = None,
    ) -> str:
        """Push an event now and give back the envelope's id. A missing timestamp is filled in."""
        return self.store.get(organization, task_id).append(
            kind, body, synthetic=synthetic, event_id=event_id
        )

    def append_raw(self, organization: str, task_id: str, envelope_json: bytes, event_id: str) -> None:
        """Push bytes as an event, verbatim, whatever they are: pages of events contain them too."""
        self.store.get(organization, task_id).append_raw(envelope_json, event_id)

    async def wait_idle(self, organization: str, task_id: str) -> Task:
        """Wait until the task's script is over or waits for input."""
        task = self.store.get(organization, task_id)
        await self.runner.wait_idle(task)
        return task

    async def drop_streams(self) -> None:
        """Cut every open stream, in the middle of whatever it is, and wait until they are gone."""
        await self.streams.drop()

    async def aclose(self) -> None:
        """Stop every script."""
        await self.runner.aclose()
