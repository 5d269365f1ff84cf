"""Attacks by who somebody is: tokens that are none, and access that has been taken away."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial

from tests.benchmarks.attacks.client import HANDSHAKE_ERA, Answer, Client
from tests.benchmarks.attacks.play import (
    ATTACKER,
    USER,
    Access,
    Attack,
    Scene,
    by_oauth,
    by_secret,
    pulumi_token,
    secret_file,
    together,
)

_FLOOD_SECONDS = 40.0
_FLOOD_AT_ONCE = 64
_NEWCOMER_AFTER = 2.0
_NEWCOMER_SECONDS = 10.0
_JWT_SECONDS = 6
_OPENING_SECONDS = 3.0
_BEYOND = 30.0
"""How long what should have ended is still watched."""


def attacks() -> Iterator[Attack]:
    """All of them."""
    yield Attack("invalid Pulumi tokens with a valid secret", _invalid_tokens, seconds=150)
    yield Attack(
        "a secret removed from its file", partial(_revoked, revoke=_remove_secret), by_secret, seconds=150
    )
    yield Attack("an access token that expires", partial(_revoked, revoke=_expire), by_oauth, seconds=150)
    yield Attack(
        "a token that the API accepts no longer", partial(_revoked, revoke=_revoke_upstream), seconds=150
    )


async def _invalid_tokens(scene: Scene) -> None:
    """A flood of tokens, each of which opens a session, holds streams, and calls; amid it, a newcomer."""
    key = {"prompt": "Once (scenario:hello)", "organization": "acme", "idempotency_key": "only-once"}
    before = _task_of(await scene.user.call("create_task", key))
    held: list[asyncio.Task[Answer]] = []
    flood = [partial(_one_invalid, scene, number, held) for number in range(scene.size.tokens)]
    newcomer = asyncio.create_task(_newcomer(scene))
    with suppress(TimeoutError):
        async with asyncio.timeout(_FLOOD_SECONDS):
            await together(flood, _FLOOD_AT_ONCE)
    scene.goal("newcomers locked out", "users", float(not (await newcomer).is_good), 0)
    scene.goal("the newcomer's first answer after", "s", newcomer.result().seconds, _NEWCOMER_SECONDS)
    again = _task_of(await scene.user.call("create_task", key))
    scene.goal("idempotency keys forgotten", "keys", float(not before or before != again), 0)
    for stream in held:
        scene.answers["stream held" if not stream.done() else f"stream {stream.result().kind}"] += 1
        stream.cancel()
    await asyncio.gather(*held, return_exceptions=True)


async def _one_invalid(scene: Scene, number: int, held: list[asyncio.Task[Answer]]) -> None:
    headers = {**scene.attacker.headers, "X-Pulumi-Access-Token": f"pul-invalid-{number}"}
    client = Client(scene.served.port, headers, timeout=10)
    answer, session = await client.open_session()
    scene.count(answer)
    if session:
        stream = client.within(60).send(client.head("GET", client.in_session(session)))
        held.append(asyncio.create_task(stream))
    listening = client.within(60).ask("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    held.append(asyncio.create_task(listening))
    task = {"task_id": scene.task_id, "organization": "acme"}
    scene.count(await client.call("get_task", task))
    made = {"prompt": f"Number {number}", "organization": "acme", "idempotency_key": f"key-{number}"}
    scene.count(await client.call("create_task", made))


async def _newcomer(scene: Scene) -> Answer:
    """A user whose token is valid, and whom the server has never seen, from an address of their own."""
    await asyncio.sleep(_NEWCOMER_AFTER)
    client = Client(scene.served.port, scene.access.headers("carol"), "127.0.0.4", timeout=_BEYOND)
    return await client.call("list_tasks", {"organization": "globex"})


def _task_of(answer: Answer) -> str:
    return str((answer.result.get("structuredContent") or {}).get("task_id") or "")


Revoke = Callable[[Scene, Access], Awaitable[None]]


async def _revoked(scene: Scene, revoke: Revoke) -> None:
    """Open a stream of each kind and a wait, take the access away, and see when each of them ends."""
    access = scene.access
    client = _with_short_token(scene) if access.authority is not None else scene.attacker
    client = client.within(scene.size.end_seconds + _BEYOND + _JWT_SECONDS)
    _, session = await client.open_session()
    task = {"task_id": scene.task_id, "organization": "acme"}
    uri = f"neo://acme/tasks/{scene.task_id}"
    listen = {"notifications": {"resourceSubscriptions": [uri]}}
    wait = {**task, "until": "turn_end", "timeout_seconds": 600}
    opened: dict[str, asyncio.Task[Answer]] = {
        "session stream": asyncio.create_task(client.send(client.head("GET", client.in_session(session)))),
        "listen stream": asyncio.create_task(client.ask("subscriptions/listen", listen)),
        "wait": asyncio.create_task(client.call("wait_for_events", wait)),
        "wait in a session": asyncio.create_task(
            client.call("wait_for_events", wait, era=HANDSHAKE_ERA, session=session)
        ),
    }
    await asyncio.sleep(_OPENING_SECONDS)
    scene.remarks += [f"{name} did not stay open" for name, each in opened.items() if each.done()]
    await revoke(scene, access)
    since = time.perf_counter()
    ended = await asyncio.gather(*(_ended(each, since) for each in opened.values()))
    for (name, each), seconds in zip(opened.items(), ended, strict=True):
        scene.answers[f"{name}: {each.result().kind}"] += 1
        scene.goal(f"{name} ended after", "s", seconds, scene.size.end_seconds)
    late = sum(seconds > scene.size.end_seconds for seconds in ended)
    scene.goal("went on for too long", "streams and waits", late, 0)


async def _ended(opened: asyncio.Task[Answer], since: float) -> float:
    await asyncio.wait({opened})
    return time.perf_counter() - since


def _with_short_token(scene: Scene) -> Client:
    """The attacker's client, with an access token that is good for a moment."""
    authority = scene.access.authority
    if authority is None:
        raise RuntimeError("nobody issues access tokens here")
    token = authority.token(ATTACKER, exp=int(time.time()) + _JWT_SECONDS)
    return Client(scene.served.port, {"Authorization": f"Bearer {token}"})


async def _remove_secret(scene: Scene, access: Access) -> None:  # noqa: ARG001 - as the others
    if access.secrets is None:
        raise RuntimeError("there is no file of secrets here")
    left = access.headers(USER)["Authorization"].removeprefix("Bearer ")
    secret_file(access.secrets.parent, left)


async def _expire(scene: Scene, access: Access) -> None:  # noqa: ARG001 - as the others
    await asyncio.sleep(_JWT_SECONDS - _OPENING_SECONDS)


async def _revoke_upstream(scene: Scene, access: Access) -> None:  # noqa: ARG001 - as the others
    scene.api.revoke(pulumi_token(ATTACKER))
    # It is found out with the next request.
    await scene.attacker.call("get_task", {"task_id": scene.task_id, "organization": "acme"})
