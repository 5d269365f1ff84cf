"""Neo in a terminal: real processes against a simulated Neo, at a terminal and in a pipe."""

import fcntl
import io
import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from neo_mcp.cli.main import build_parser
from neo_mcp.cli.settings import settings_of
from neo_mcp.cli.tasks.create import create
from neo_mcp.cli.tasks.export import export
from neo_mcp.cli.tasks.list import age, tasks
from neo_mcp.cli.tasks.respond import chosen, respond
from neo_mcp.cli.tasks.watch import bar, watch
from neo_mcp.cli.terminal.asker import tightened
from neo_mcp.cli.terminal.console import attempt
from neo_mcp.config import Answerer, ApprovalPolicy, Settings, load_settings
from neo_mcp.core.todos import Todo
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.simulator import Simulator
from tests.support.command_line import COMMAND, Done, Terminal, environment, put_environment, run, terminal
from tests.support.host import PATIENCE, until
from tests.support.processes import CANARY

ORG = "acme"
UP = {"id": "call-1", "name": "pulumi__up", "args": {"project": "shop", "stack": "prod"}}
DIFF = "--- a/index.ts\n+++ b/index.ts\n@@ -1,2 +1,2 @@\n-const size = 1;\n+const size = 2;\n done"
Json = dict[str, Any]
COMMANDS = {"tasks": tasks, "watch": watch, "respond": respond, "create": create, "export": export}


def message(content: str, *, final: bool = False, calls: list[Json] | None = None) -> tuple[str, Json]:
    body = {"type": "assistant_message", "content": content, "is_final": final, "tool_calls": calls or []}
    return "agentResponse", body


def approval(request_id: str = "a1", **more: Any) -> tuple[str, Json]:  # noqa: ANN401 - any JSON
    return "agentResponse", {"type": "user_approval_request", "id": request_id, "message": "Go?", **more}


QUESTION = approval("q1", context={"tool_name": "ask_user"})
OFFERS = approval("q1", context={"tool_name": "ask_user"}, buttons=["blue", "green"])
SENSITIVE = [
    message("I update.", calls=[UP]),
    approval(
        sensitivity="sensitive",
        context={"tool_name": "pulumi__up", "tool_call_id": "call-1", "git_diff": {"index.ts": DIFF}},
    ),
]
HELLO = ("userInput", {"type": "user_message", "content": "hi"})


class Neo:
    """A simulated Neo, and people who talk to it from a terminal."""

    def __init__(
        self,
        simulator: Simulator,
        home: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.simulator = simulator
        self.home = home
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def env(self, **more: str) -> dict[str, str]:
        return environment(self.home, self.simulator.url, **more)

    async def process(self, *arguments: str, text: str = "", **env: str) -> Done:
        """Run a command as a process of its own."""
        return await run(*arguments, env=self.env(**env), cwd=self.home, text=text)

    async def run(self, *arguments: str, text: str = "", **env: str) -> Done:
        """Run it here, which is quicker."""
        put_environment(self._monkeypatch, self.env(**env))
        self._monkeypatch.chdir(self.home)
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8"))
        options = build_parser().parse_args(arguments)
        with anyio.fail_after(PATIENCE):
            status = await attempt(COMMANDS[arguments[0]], settings_of(options), options)
        out, err = self._capsys.readouterr()
        assert CANARY not in out + err
        return Done(status, out, err)

    @asynccontextmanager
    async def terminal(self, *arguments: str, **env: str) -> AsyncIterator[Terminal]:
        async with terminal(*arguments, env=self.env(**env)) as screen:
            yield screen

    def task(self, *events: tuple[str, Json], name: str = "A task", **options: Any) -> str:  # noqa: ANN401 - the simulator's
        return self.simulator.add_task(ORG, name=name, events=events, **options)

    def sent(self, task_id: str) -> list[Json]:
        """What people have said in the task, but for its first message."""
        events = self.simulator.store.get(ORG, task_id).events
        return [event.body for event in events if event.kind == "userInput"][1:]


@pytest.fixture
def neo(
    simulator: Simulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Neo:
    return Neo(simulator, tmp_path, monkeypatch, capsys)


class TestTasks:
    async def test_a_table_tells_tasks_apart(self, neo: Neo) -> None:
        task_id = neo.task(name="Tidy up")
        neo.task(name="Änderung \x1b[31m日本", status="running")
        done = await neo.run("tasks")
        assert (await neo.process("tasks")).out == done.out
        head, *rows = done.out.splitlines()
        assert head.split() == ["task", "status", "age", "who", "name"]
        assert sorted(row.split()[1:] for row in rows) == [
            ["idle", "now", "alice", '"Tidy', 'up"'],
            ["running", "now", "alice", '"Änderung', '日本"'],
        ]
        assert task_id[:8] in done.out
        assert "\x1b" not in done.out

    async def test_scripts_get_json(self, neo: Neo) -> None:
        task_id = neo.task()
        (row,) = json.loads((await neo.run("tasks", "--json")).out)
        assert row["id"] == task_id
        assert row["url"].endswith(f"/acme/neo/tasks/{task_id}")

    async def test_there_are_as_many_as_one_wants(self, neo: Neo) -> None:
        for _ in range(22):
            neo.task()
        for arguments, count in (([], 20), (["--limit", "3"], 3), (["--all"], 22)):
            rows = json.loads((await neo.run("tasks", "--json", *arguments)).out)
            assert len(rows) == count

    async def test_none_is_said_too(self, neo: Neo) -> None:
        assert "acme has no tasks" in (await neo.run("tasks")).out

    async def test_what_the_api_refuses_is_told(self, neo: Neo) -> None:
        done = await neo.process("tasks", PULUMI_ACCESS_TOKEN="pul-wrong")
        assert done.status == 1
        assert "HTTP 401" in done.err
        assert (await neo.process("tasks", "--organization", "../x")).status == 2

    @pytest.mark.parametrize(
        ("timestamp", "shown"),
        [
            ("2026-11-01T11:59:30Z", "now"),
            ("2026-11-01T11:15:00", "45 min"),
            ("2026-11-01T10:00:00+01:00", "3 h"),
            ("2026-10-29T12:00:00Z", "3 d"),
            ("soon", ""),
            ("", ""),
        ],
    )
    def test_ages_are_short(self, timestamp: str, shown: str) -> None:
        assert age(timestamp, datetime(2026, 11, 1, 12, tzinfo=UTC)) == shown


class TestNaming:
    async def test_a_task_goes_by_id_its_beginning_or_its_address(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, message("Hello.", final=True))
        for name in (task_id, task_id[:6], f"{neo.simulator.url}/acme/neo/tasks/{task_id}"):
            assert (await neo.run("watch", name)).status == 0

    async def test_what_names_none_or_several_is_told(self, neo: Neo) -> None:
        ids = [neo.task(name="One of many") for _ in range(17)]
        done = await neo.run("watch", "nothing-like-it")
        assert done.status == 2
        assert "No task of acme is nothing-like-it. `pulumi-neo-mcp tasks`" in done.err
        shared = next(task[0] for task in ids if sum(other[0] == task[0] for other in ids) > 1)
        done = await neo.run("watch", shared)
        assert done.status == 2
        assert f"{shared} is the beginning of several tasks: " in done.err
        assert "(One of many)" in done.err

    @pytest.mark.parametrize("url", ["https://app.pulumi.com/acme/neo/tasks/x", "http://127.0.0.1:1/other"])
    async def test_the_address_of_something_else_is_refused(self, neo: Neo, url: str) -> None:
        assert (await neo.run("watch", url)).status == 2


class TestWatch:
    @pytest.mark.parametrize(
        ("events", "status"),
        [
            ([HELLO, message("Hello.", final=True)], 0),
            ([HELLO, approval()], 3),
            ([HELLO, QUESTION], 3),
            ([HELLO, ("agentResponse", {"type": "error", "message": "It broke."})], 1),
            ([HELLO, ("agentResponse", {"type": "cancelled", "operation_was_running": False})], 1),
        ],
    )
    async def test_the_status_says_how_it_ended(
        self, neo: Neo, events: list[tuple[str, Json]], status: int
    ) -> None:
        done = await neo.run("watch", neo.task(*events))
        assert done.status == status
        assert "\x1b" not in done.out

    async def test_what_is_needed_is_said_with_what_to_type(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, QUESTION)
        done = await neo.process("watch", task_id)
        assert done.status == 3
        assert " neo asks > Go?" in done.out
        assert f"pulumi-neo-mcp respond {task_id} answer TEXT  (request q1)" in done.out

    async def test_the_answers_that_neo_offers_are_numbered(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, OFFERS)
        done = await neo.process("watch", task_id)
        assert '1) "blue"\n' in done.out
        assert '2) "green"\n' in done.out

    async def test_only_the_latest_of_the_past_is_shown(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, *(message(f"step {n}.") for n in range(30)), message("Done.", final=True))
        done = await neo.run("watch", task_id, "--tail", "2")
        assert "step 29." in done.out
        assert "step 28." not in done.out
        assert "30 earlier events" in done.out

    async def test_events_come_as_they_happen_until_the_turn_is_over(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, approval(), status="running")
        async with neo.terminal("watch", task_id, "--until", "turn-end") as screen:
            await screen.sees("Go?")
            confirmation = {"type": "user_confirmation", "approval_request_id": "a1", "ok": True}
            neo.simulator.append_event(ORG, task_id, confirmation, kind="userInput")
            await screen.sees("approved a1")
            todos = [
                {"content": f"part {n}", "status": s} for n, s in enumerate(["completed", "in_progress"])
            ]
            kind, body = message("", calls=[{"id": "t", "name": "todo__TodoWrite", "args": {"todos": todos}}])
            neo.simulator.append_event(ORG, task_id, body, kind="agentResponse")
            await screen.sees('[██████████░░░░░░░░░░] to-do 1 of 2 done, now: "part 1"')
            kind, body = message("All done.", final=True)
            neo.simulator.append_event(ORG, task_id, body, kind="agentResponse")
            assert kind == "agentResponse"
            assert await screen.status() == 0
        assert "All done." in screen.screen
        assert screen.screen.endswith("\n")

    async def test_an_interrupt_ends_it_quietly(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, message("Working."), status="running")
        async with neo.terminal("watch", task_id) as screen:
            await screen.sees("Working.", times=2)
            screen.process.send_signal(signal.SIGINT)
            assert await screen.status() == 130
        assert "Traceback" not in screen.screen

    @pytest.mark.parametrize(
        ("todos", "line"),
        [
            ([], "… working"),
            (["completed"], "[████████████████████] working"),
            (["completed", "pending", "pending"], "[██████░░░░░░░░░░░░░░] working"),
        ],
    )
    def test_the_bar_says_how_far_it_is(self, todos: list[str], line: str) -> None:
        assert bar(tuple(Todo("x", status) for status in todos), "working", 80) == line
        assert len(bar((), "working" * 20, 30)) == 30


class TestRespond:
    async def test_a_person_sees_the_form_and_types_the_stacks_name(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, *SENSITIVE)
        async with neo.terminal("respond", task_id, "approve", "With care.") as screen:
            await screen.sees("leave it open (Enter)? ")
            assert 'Tool: "pulumi__up"' in screen.screen
            assert 'Stack: "shop/prod"' in screen.screen
            assert "\x1b[32m+const size = 2;\x1b[0m" in screen.screen
            assert "\x1b[31m-const size = 1;\x1b[0m" in screen.screen
            await screen.types("y")
            await screen.sees("type the name of the stack (shop/prod): ")
            await screen.types("shop/prod")
            assert await screen.status() == 0
        (sent,) = neo.sent(task_id)
        assert (sent["approval_request_id"], sent["ok"], sent["instructions"]) == ("a1", True, "With care.")

    @pytest.mark.parametrize("answer", ["", "maybe"])
    async def test_it_can_be_left_open(self, neo: Neo, answer: str) -> None:
        task_id = neo.task(HELLO, approval())
        async with neo.terminal("respond", task_id, "approve") as screen:
            await screen.sees("(Enter)? ")
            await screen.types(answer)
            assert await screen.status() == 1
        assert neo.sent(task_id) == []
        assert "nothing was sent" in screen.screen

    async def test_an_interrupt_sends_nothing(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, approval())
        async with neo.terminal("respond", task_id, "approve") as screen:
            await screen.sees("(Enter)? ")
            screen.process.send_signal(signal.SIGINT)
            assert await screen.status() == 130
        assert neo.sent(task_id) == []

    async def test_no_denies(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, approval())
        async with neo.terminal("respond", task_id, "approve") as screen:
            await screen.sees("(Enter)? ")
            await screen.types("n")
            assert await screen.status() == 0
        assert [sent["ok"] for sent in neo.sent(task_id)] == [False]

    async def test_the_wrong_name_approves_nothing(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, *SENSITIVE)
        async with neo.terminal("respond", task_id, "approve", "--yes") as screen:
            await screen.sees("(shop/prod): ")
            await screen.types("shop/dev")
            assert await screen.status() == 1
        assert neo.sent(task_id) == []

    async def test_yes_at_a_terminal_asks_no_more_than_it_must(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, approval())
        async with neo.terminal("respond", task_id, "approve", "--yes") as screen:
            assert await screen.status() == 0
        assert [sent["ok"] for sent in neo.sent(task_id)] == [True]

    @pytest.mark.parametrize(
        ("arguments", "env", "approved"),
        [
            ([], {}, False),
            (["--yes"], {}, False),
            ([], {"NEO_MCP_APPROVALS": "host"}, False),
            (["--yes"], {"NEO_MCP_APPROVALS": "host"}, True),
            (["--yes", "--approvals", "host"], {}, True),
            (["--yes", "--approvals", "host"], {"NEO_MCP_APPROVALS": "ask"}, False),
            (["--yes", "--approvals", "host"], {"NEO_MCP_APPROVALS": "deny"}, False),
            (["--yes", "--approvals", "deny"], {"NEO_MCP_APPROVALS": "host"}, False),
            (["--yes"], {"NEO_MCP_APPROVALS": "host", "NEO_MCP_READ_ONLY": "true"}, False),
        ],
    )
    async def test_without_a_terminal_only_the_operator_can_do_without_a_person(
        self, neo: Neo, arguments: list[str], env: dict[str, str], *, approved: bool
    ) -> None:
        task_id = neo.task(HELLO, *SENSITIVE)
        done = await neo.run("respond", task_id, "approve", *arguments, **env)
        assert done.status == (0 if approved else 1)
        assert len(neo.sent(task_id)) == int(approved)
        assert approved or "nothing" in done.err

    async def test_a_denial_and_an_answer_need_no_terminal(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, approval(), QUESTION)
        assert (await neo.run("respond", task_id, "answer", "-", "--request", "q1", text="Yes.")).status == 0
        assert (await neo.run("respond", task_id[:6], "deny", "Not today.")).status == 0
        assert [(sent["ok"], sent["instructions"]) for sent in neo.sent(task_id)] == [
            (False, "Yes."),
            (False, "Not today."),
        ]

    async def test_a_question_is_shown_and_answered(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, QUESTION)
        async with neo.terminal("respond", task_id, "answer") as screen:
            await screen.sees("Your answer: ")
            assert "Go?" in screen.screen
            await screen.types("Eu-west.")
            assert await screen.status() == 0
        assert neo.sent(task_id)[0]["instructions"] == "Eu-west."

    @pytest.mark.parametrize(("typed", "sent"), [("2", "green"), ("3", "3"), ("0", "0"), ("blue", "blue")])
    async def test_an_offered_answer_is_chosen_by_its_number(self, neo: Neo, typed: str, sent: str) -> None:
        task_id = neo.task(HELLO, OFFERS)
        async with neo.terminal("respond", task_id, "answer") as screen:
            await screen.sees("Your answer, or its number: ")
            await screen.types(typed)
            assert await screen.status() == 0
        assert neo.sent(task_id)[0]["instructions"] == sent

    def test_a_number_that_is_another_answer_s_words_chooses_nothing(self) -> None:
        assert chosen("2", ["1", "2"]) == "2"
        assert chosen("3", ["1", "2"]) == "3"
        assert chosen("2", ["one", "two"]) == "two"
        with pytest.raises(InvalidArgumentError):
            chosen("2", ["2", "3"])

    async def test_where_a_person_has_to_answer_a_pipe_will_not_do(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, QUESTION)
        done = await neo.run("respond", task_id, "answer", "x", NEO_MCP_QUESTIONS="person")
        assert done.status == 1
        assert neo.sent(task_id) == []

    async def test_messages_and_cancellation_are_sent(self, neo: Neo) -> None:
        created = await neo.process("create", "Say hello (scenario:hello)", "--watch")
        assert created.status == 0
        task_id = created.out.splitlines()[0]
        done = await neo.run("respond", task_id, "message", "Again (scenario:hello)", "--watch")
        assert done.status == 0
        assert neo.sent(task_id)[-1]["content"] == "Again (scenario:hello)"
        done = await neo.run("respond", task_id, "cancel", "--force", NEO_MCP_APPROVALS="deny")
        assert done.status == 1

    async def test_what_is_amiss_is_told_in_the_words_of_a_terminal(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, message("Hello.", final=True))
        done = await neo.process("respond", task_id, "approve")
        assert done.status == 2
        assert "Nothing is pending. `pulumi-neo-mcp watch TASK` shows" in done.err
        assert (await neo.run("respond", task_id, "message")).status == 2


class TestCreate:
    async def test_a_task_is_started_and_named(self, neo: Neo) -> None:
        done = await neo.run("create", "-", "--about", "stack shop/prod", text="Hello (scenario:hello)")
        assert done.status == 0
        task_id, url = done.out.split()
        assert url.endswith(task_id)
        (request,) = [r for r in neo.simulator.requests if r.method == "POST"]
        assert json.loads(request.body)["message"]["entity_diff"]["add"][0]["name"] == "prod"

    async def test_the_same_words_start_another_task_where_that_is_asked_for(self, neo: Neo) -> None:
        words = ("create", "Hello (scenario:hello)")
        first, same = [await neo.run(*words) for _ in range(2)]
        assert "set duplicate to start another" in same.out
        other = await neo.run(*words, "--duplicate")
        first_id, same_id, other_id = (done.out.split()[-2] for done in (first, same, other))
        assert first_id == same_id != other_id

    async def test_a_task_that_asks_nobody_is_put_to_a_person(self, neo: Neo) -> None:
        done = await neo.run("create", "Hello (scenario:hello)", "--approval-mode", "auto")
        assert done.status == 1
        assert "WITHOUT asking for approval" in done.out
        async with neo.terminal("create", "Hello (scenario:hello)", "--approval-mode", "auto") as screen:
            await screen.sees("(Enter)? ")
            await screen.types("y")
            assert await screen.status() == 0
        await until(lambda: len([r for r in neo.simulator.requests if r.method == "POST"]) == 1)

    async def test_the_organizations_default_is_put_to_a_person_or_not_used(self, neo: Neo) -> None:
        neo.simulator.store.approval_modes["acme"] = "balanced"

        def modes() -> list[str]:
            posts = [r for r in neo.simulator.requests if r.method == "POST"]
            return [json.loads(request.body).get("approvalMode", "") for request in posts]

        done = await neo.run("create", "Hello (scenario:hello)")
        assert done.status == 0
        assert "Started in manual mode, because the organization's default, balanced" in done.out
        async with neo.terminal("create", "Hello again (scenario:hello)") as screen:
            await screen.sees("this is the organization's default")
            await screen.sees("(Enter)? ")
            await screen.types("y")
            assert await screen.status() == 0
        await until(lambda: modes() == ["manual", "balanced"])
        await neo.run("create", "And again (scenario:hello)", NEO_MCP_APPROVALS="host")
        assert modes() == ["manual", "balanced", ""]


class TestStandardInput:
    @pytest.mark.parametrize("command", [("create", "-"), ("respond", "x", "message", "-")])
    async def test_what_never_ends_is_refused(self, neo: Neo, command: tuple[str, ...]) -> None:
        endless = os.open("/dev/zero", os.O_RDONLY)
        with anyio.fail_after(PATIENCE):
            done = await anyio.run_process([*COMMAND, *command], env=neo.env(), stdin=endless, check=False)
        os.close(endless)
        assert done.returncode == 2
        assert b"more than 1,048,576 characters" in done.stderr


class TestExport:
    async def test_every_form_has_the_whole_conversation(self, neo: Neo) -> None:
        evil = "Look: <script>alert(1)</script> \x1b[31m"
        task_id = neo.task(HELLO, message(evil, final=True), *SENSITIVE)
        markdown = await neo.process("export", task_id)
        assert markdown.out.startswith("# A task\n")
        assert "+const size = 2;" in markdown.out
        assert "\x1b" not in markdown.out
        done = await neo.run("export", task_id, "-o", "task.json")
        assert done.out == "4 events are in task.json\n"
        exported = json.loads((neo.home / "task.json").read_text())
        assert exported["task"]["id"] == task_id
        assert [event["eventBody"]["type"] for event in exported["events"]] == [
            "user_message",
            "assistant_message",
            "assistant_message",
            "user_approval_request",
        ]
        await neo.run("export", task_id, "-o", "task.html")
        page = (neo.home / "task.html").read_text()
        assert "&lt;script&gt;" in page
        assert "<script" not in page
        as_json = await neo.run("export", task_id, "--format", "json")
        assert "\x1b" not in as_json.out
        assert json.loads(as_json.out) == exported

    @pytest.mark.parametrize("output", ["-", "/dev/stdout"])
    async def test_standard_output_is_written_to(self, neo: Neo, output: str) -> None:
        task_id = neo.task(HELLO, message("All done.", final=True))
        done = await neo.process("export", task_id, "-o", output)
        assert done.status == 0
        assert "All done." in done.out
        assert "events are in" not in done.out
        assert not (neo.home / "-").exists()

    async def test_an_interrupt_ends_the_wait_for_a_reader_of_a_pipe(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, message("long " * 100_000, final=True))
        pipe = neo.home / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

        def is_full() -> bool:
            held = bytearray(4)
            fcntl.ioctl(reader, termios.FIONREAD, held)
            return int.from_bytes(held, sys.byteorder) == fcntl.fcntl(reader, fcntl.F_GETPIPE_SZ)

        command = [*COMMAND, "export", task_id, "-o", str(pipe)]
        async with await anyio.open_process(command, env=neo.env(), stderr=subprocess.PIPE) as process:
            try:
                await until(is_full)
                process.send_signal(signal.SIGINT)
                with anyio.fail_after(PATIENCE):
                    assert await process.wait() == 130
            finally:
                # With its reader gone, it would end in any case.
                os.close(reader)

    async def test_a_reader_that_has_seen_enough_is_no_error(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, message("long " * 100_000, final=True))
        reading, writing = os.pipe()
        os.close(reading)
        command = [*COMMAND, "export", task_id, "-o", f"/dev/fd/{writing}"]
        with anyio.fail_after(PATIENCE):
            done = await anyio.run_process(command, env=neo.env(), pass_fds=[writing], check=False)
        os.close(writing)
        assert (done.returncode, done.stderr) == (0, b"")

    @pytest.mark.parametrize("name", ["loop", "file/below", "n" * 300])
    async def test_what_cannot_be_written_is_said(self, neo: Neo, name: str) -> None:
        task_id = neo.task(HELLO)
        (neo.home / "loop").symlink_to("loop")
        (neo.home / "file").touch()
        done = await neo.process("export", task_id, "-o", name)
        assert done.status == 1
        assert "cannot be written" in done.err

    async def test_a_full_device_is_said_to_be_full(self, neo: Neo) -> None:
        task_id = neo.task(HELLO, message("All done.", final=True))
        done = await neo.process("export", task_id, "-o", "/dev/full")
        assert done.status == 1
        assert "/dev/full cannot be written: No space left on device." in done.err


def settings(**changes: Any) -> Settings:  # noqa: ANN401 - the fields of the settings
    return Settings(**changes)


class TestTightening:
    @pytest.mark.parametrize("given", list(ApprovalPolicy))
    @pytest.mark.parametrize("flag", list(ApprovalPolicy))
    def test_the_stricter_policy_holds(
        self, given: ApprovalPolicy, flag: ApprovalPolicy, tmp_path: Path
    ) -> None:
        environ = {"NEO_MCP_APPROVALS": str(given), "PULUMI_HOME": str(tmp_path)}
        chosen = load_settings(environ, {"approvals": str(flag)})
        order = [ApprovalPolicy.DENY, ApprovalPolicy.ASK, ApprovalPolicy.HOST]
        assert tightened(chosen, environ).approvals is order[min(order.index(given), order.index(flag))]

    def test_care_adds_up(self, tmp_path: Path) -> None:
        environ = {
            "PULUMI_HOME": str(tmp_path),
            "NEO_MCP_READ_ONLY": "true",
            "NEO_MCP_PROTECTED_STACKS": "a/b",
            "NEO_MCP_QUESTIONS": "person",
        }
        found = tightened(settings(protected_stacks=("c/d",)), environ)
        assert found.read_only
        assert found.protected_stacks == ("a/b", "c/d")
        assert found.questions is Answerer.PERSON
        assert found.approvals is ApprovalPolicy.ASK
