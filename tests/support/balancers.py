"""Plain load balancers, as Debian has them: real nginx and haproxy processes in front of server processes."""

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL

import anyio
import httpx

from tests.support.host import PATIENCE
from tests.support.optional import path_of

SERVED_BY = "x-served-by"
_ATTEMPTS = 3

_NGINX = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream replicas {{
        {servers}
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://replicas;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Request-ID $request_id;
            proxy_buffering off;
            proxy_read_timeout 1h;
            client_max_body_size 16m;
            add_header X-Served-By $upstream_addr always;
        }}
    }}
}}
"""
_HAPROXY = """\
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout check 5s
    option redispatch 1
    retries 3
frontend hosts
    bind 127.0.0.1:{port}
    default_backend replicas
backend replicas
    balance roundrobin
    option httpchk GET /readyz
    {stick}
    http-response set-header X-Served-By %s
    {servers}
"""
_STICK = """stick-table type string len 64 size 100k expire 30m
    stick store-response res.hdr(Mcp-Session-Id)
    stick match req.hdr(Mcp-Session-Id)"""


def any_kind() -> str:
    """A balancer that is installed, for tests that need one."""
    return Path(path_of("a load balancer")).name


@asynccontextmanager
async def balancing(
    kind: str, ports: Sequence[int], folder: Path, *, sticky: bool = False
) -> AsyncIterator[str]:
    """A balancer in front of these ports, which take turns; yields its address.

    Args:
        kind: Which program.
        ports: Of the replicas.
        folder: For its files.
        sticky: Send the requests of a handshake-era session to the replica that opened it.
    """
    program = path_of(kind)
    for number in range(_ATTEMPTS):
        port = _free_port()
        arguments = _arguments(kind, ports, port, folder.with_name(f"{folder.name}-{number}"), sticky=sticky)
        process = await anyio.open_process(
            [program, *arguments], stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
        )
        async with process:
            try:
                url = f"http://127.0.0.1:{port}"
                if await _is_answering(url, process):
                    yield url
                    return
            finally:
                if process.returncode is None:
                    process.kill()
    raise AssertionError(f"{kind} does not start")


def _arguments(kind: str, ports: Sequence[int], port: int, folder: Path, *, sticky: bool) -> list[str]:
    """Write the balancer's configuration; returns what it is started with."""
    folder.mkdir()
    config = folder / "config"
    if kind == "nginx":
        servers = "\n        ".join(f"server 127.0.0.1:{replica};" for replica in ports)
        config.write_text(_NGINX.format(folder=folder, servers=servers, port=port))
        return ["-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
    servers = "\n    ".join(
        f"server replica-{n} 127.0.0.1:{replica} check inter 200ms" for n, replica in enumerate(ports)
    )
    config.write_text(_HAPROXY.format(servers=servers, port=port, stick=_STICK if sticky else ""))
    return ["-db", "-f", str(config)]


async def _is_answering(url: str, process: anyio.abc.Process) -> bool:
    """Wait for its first answer; whether one came before it ended, as where somebody else has the port."""
    async with httpx.AsyncClient() as http:
        with anyio.fail_after(PATIENCE):
            while process.returncode is None:
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get(f"{url}/healthz")).status_code == httpx.codes.OK:
                        return True
                await anyio.sleep(0.01)
    return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
