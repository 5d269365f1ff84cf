"""The demo plays whole conversations over real transports, with a person at a terminal if there is one."""

import re
import signal
import sys
from pathlib import Path
from subprocess import PIPE

import anyio
import pytest

from tests.support.examples import long, some
from tests.support.processes import environment, running
from tests.support.terminal import END_OF_INPUT, at_terminal

PLAYED = [
    (scenario, http) for scenario in ("public-bucket", "question", "local-tools") for http in (False, True)
]


@pytest.mark.parametrize(("scenario", "http"), some(PLAYED, every=3))
async def test_a_conversation_is_played_to_its_end(tmp_path: Path, scenario: str, *, http: bool) -> None:
    arguments = ["demo", "--scenario", scenario, "--speed", "1000", *(["--http"] if http else [])]
    async with running(*arguments, env=environment(None, str(tmp_path))) as demo:
        status = await demo.exit_status()
    text = demo.written.decode()
    assert status == 0, text + demo.stderr.decode()
    assert "     host create_task" in text
    assert "     done " in text
    assert "/neo/tasks/" in text
    assert demo.stderr == b""


async def test_a_conversation_that_fails_ends_with_1(tmp_path: Path) -> None:
    arguments = ["demo", "--scenario", "failing-deploy", "--speed", "1000"]
    async with running(*arguments, env=environment(None, str(tmp_path))) as demo:
        assert await demo.exit_status() == 1
    assert "   failed " in demo.written.decode()


async def test_a_reader_who_has_seen_enough_ends_it_quietly() -> None:
    command = [sys.executable, "-m", "neo_mcp", "demo", "--speed", "100"]
    with anyio.fail_after(60):
        async with await anyio.open_process(command, stdout=PIPE, stderr=PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            await process.stdout.receive()
            await process.stdout.aclose()
            complaints = b"".join([chunk async for chunk in process.stderr])
            assert await process.wait() == 0
    assert complaints == b""


async def test_local_tools_are_run_for_real_and_return_in_parts(tmp_path: Path) -> None:
    arguments = ["demo", "--local-tools", "--speed", "1000"]
    async with running(*arguments, env=environment(None, str(tmp_path))) as demo:
        assert await demo.exit_status() == 0
    text = re.sub(r"\s+", " ", demo.written.decode())
    read = text.index('host runs filesystem__read {"file_path": "Pulumi.yaml"} name: storefront')
    found = text.index('index.ts:7: acl: "public-read",', read)
    kept = text.index("1 of 2 results. The batch is sent once it is complete", found)
    sent = text.index("2 tool results were sent", kept)
    assert "aws.s3.BucketAclV2 assets-acl" in text[sent:]
    assert " done > I read the program" in text[sent:]


async def test_without_a_terminal_the_person_is_played_and_that_is_said(tmp_path: Path) -> None:
    arguments = ["demo", "--approve", "--speed", "1000"]
    async with running(*arguments, env=environment(None, str(tmp_path))) as demo:
        assert await demo.exit_status() == 0
    text = demo.written.decode()
    assert "Standard input is no terminal, so this program plays the person." in text
    assert "   person types “storefront/prod”" in text


class TestAtATerminal:
    @pytest.mark.parametrize("transport", [[], long(["--http"])])
    async def test_a_person_sees_the_form_and_decides(self, tmp_path: Path, transport: list[str]) -> None:
        arguments = ["demo", "--approve", "--speed", "1000", *transport]
        async with at_terminal(*arguments, env=environment(None, str(tmp_path))) as demo:
            form = await demo.shows("you [Enter: dismiss]")
            assert '│ Tool: "pulumi__preview"' in form
            assert '│ Stack: "storefront/prod"' in form
            assert "1) approve" in form
            assert "2) deny" in form
            await demo.type("1")
            await demo.shows("Words for Neo")
            await demo.type("")
            await demo.shows("was approved")
            form = await demo.shows("you [Enter: dismiss]")
            assert "+    blockPublicAcls: true," in form
            await demo.type("3")
            await demo.shows("“3” is none of the choices")
            await demo.shows("you [")
            await demo.type("APPROVE")
            await demo.shows("type the name of the stack: storefront/prod")
            await demo.type("storefront/dev")
            await demo.shows("Words for Neo")
            await demo.type("")
            # The server takes no such answer, and the person is asked again.
            await demo.shows("not typed exactly as the form shows")
            await demo.shows("you [Enter: dismiss]")
            await demo.type("approve")
            await demo.shows("type the name of the stack: storefront/prod")
            await demo.type("storefront/prod")
            await demo.shows("Words for Neo")
            await demo.type("Keep it sm\x1b[31mall.")
            await demo.shows(": Keep it sm[31mall.")
            assert await demo.exit_status() == 0
        assert "     done " in demo.text
        for colour, words in (("32", "+    blockPublicAcls: true,"), ("31", '-    acl: "public-read",')):
            assert f"\x1b[{colour}m{words}\x1b[0m" in demo.shown

    async def test_a_denial_goes_to_neo_with_the_persons_words(self, tmp_path: Path) -> None:
        async with at_terminal(
            "demo", "--approve", "--speed", "1000", env=environment(None, str(tmp_path))
        ) as demo:
            await demo.shows("you [Enter: dismiss]")
            await demo.type("2")
            await demo.shows("Words for Neo")
            await demo.type("Not on a Friday.")
            await demo.shows("DENIED")
            await demo.shows("I did not run the preview, as you asked. Not on a Friday.")
            assert await demo.exit_status() == 0

    @pytest.mark.parametrize("typed", ["", END_OF_INPUT])
    async def test_a_form_that_is_dismissed_sends_nothing_and_ends_the_demo(
        self, tmp_path: Path, typed: str
    ) -> None:
        async with at_terminal(
            "demo", "--approve", "--speed", "1000", env=environment(None, str(tmp_path))
        ) as demo:
            await demo.shows("you [Enter: dismiss]")
            await demo.type(typed)
            await demo.shows("No decision was made: the form was dismissed; nothing was sent.")
            assert await demo.exit_status() == 1
        assert "Neo still waits" in demo.text

    async def test_an_interrupt_ends_it_quietly(self, tmp_path: Path) -> None:
        async with at_terminal(
            "demo", "--approve", "--speed", "1000", env=environment(None, str(tmp_path))
        ) as demo:
            await demo.shows("you [Enter: dismiss]")
            demo.process.send_signal(signal.SIGINT)
            assert await demo.exit_status() == 130
            assert demo.process.stderr is not None
            assert b"".join([chunk async for chunk in demo.process.stderr]) == b""
        assert "Traceback" not in demo.text
