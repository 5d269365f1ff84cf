"""Strangers who make the server write, and how much of that is written."""

from pathlib import Path

import anyio
import httpx
import pytest

from tests.server.http.test_framing import UNCLEAR
from tests.server.http.test_limits import INITIALIZE
from tests.support.host import World
from tests.support.people import ACCEPT, NO_TLS, SECRET, secret_file
from tests.support.processes import environment, running
from tests.support.sockets import connected, everything

pytestmark = pytest.mark.scorecard("one client cannot use up what is everybody's")

LONG = "x" * 3000
REFUSED: tuple[dict[str, str], ...] = (
    {"host": LONG},
    {"host": "localhost:80.evil.example"},
    {"origin": f"http://{LONG}"},
    {"authorization": f"Bearer {LONG}"},
    {"authorization": LONG},
    {"mcp-session-id": LONG},
    {"mcp-protocol-version": LONG},
    {"accept": LONG},
    {"content-type": LONG},
    {"upgrade": "websocket", "connection": "upgrade"},
    {"x-request-id": LONG},
)
TIMES = 60


@pytest.mark.parametrize("level", ["warning", "info"])
async def test_whatever_strangers_send_the_log_stays_small(world: World, tmp_path: Path, level: str) -> None:
    env = environment(world.simulator.url, str(tmp_path))
    arguments = ["--auth", "bearer", "--auth-secret-file", str(secret_file(tmp_path, SECRET))]
    arguments += ["--log-level", level, "--http", "--port", "0"]
    async with running("serve", *arguments, env=env) as server:
        await server.says("/mcp")
        url = next(w for w in server.stderr.decode().split() if w.startswith("http://"))

        async def refused(headers: dict[str, str]) -> None:
            async with httpx.AsyncClient(verify=NO_TLS, trust_env=False, timeout=30) as http:
                for _ in range(TIMES):
                    for path in ("/mcp", f"/{LONG}"):
                        where = url.removesuffix("/mcp") + path
                        answer = await http.post(where, json=INITIALIZE, headers={**ACCEPT, **headers})
                        assert answer.status_code >= 400

        async def unclear(sent: bytes) -> None:
            for _ in range(TIMES // 3):
                async with connected(url) as connection:
                    await connection.send(sent)
                    await everything(connection)

        async with anyio.create_task_group() as group:
            for headers in REFUSED:
                group.start_soon(refused, headers)
            for sent in UNCLEAR.values():
                group.start_soon(unclear, sent)
        written = server.stderr.decode()
    # Thousands of refusals, a dozen kinds of them.
    assert len(written) < 100_000
    assert max(map(len, written.splitlines())) < 700
    assert "Traceback" not in written
    assert "Invalid HTTP request" in written
    assert SECRET not in written
