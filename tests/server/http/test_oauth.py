"""The OAuth resource server: which access tokens are good, and what those without one are told."""

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from mcp.server.auth.provider import AccessToken

from neo_mcp.api import Certificates
from neo_mcp.api.documents import DocumentError
from neo_mcp.server.http.oauth import FRESH_SECONDS, REFETCH_SECONDS, STALE_SECONDS, Keys, jwt_verifier
from tests.support.authority import AUDIENCE, Authority, rsa_key, running_authority
from tests.support.clocks import ShiftedClock, SteppedClock
from tests.support.host import ORG, Json, World
from tests.support.people import (
    ACCEPT,
    NO_TLS,
    Endpoint,
    bearer,
    by_oauth,
    oauth_settings,
    pulumi_token,
    serving,
    token_folder,
)
from tests.support.processes import HELLO, environment, running

pytestmark = pytest.mark.scorecard("HTTP serves those only who may use it")

INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
HOUR = 3600
METADATA = "https://neo.example.com/.well-known/oauth-protected-resource/mcp"


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    async with running_authority() as authority:
        yield authority


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(headers=ACCEPT, verify=NO_TLS, trust_env=False, timeout=30) as client:
        yield client


async def is_good(authority: Authority, token: str, **more: Any) -> bool:  # noqa: ANN401 - as jwt_verifier has it
    given = {"jwks_url": None, **more}
    verifier = jwt_verifier(authority.url, AUDIENCE, certificates=Certificates(), **given)
    return await verifier.verify_token(token) is not None


def forged(authority: Authority, algorithm: str, sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    """A good token's content under another signature."""
    header = _encoded(json.dumps({"alg": algorithm, "kid": "one"}).encode())
    signed = f"{header}.{authority.token().split('.')[1]}"
    return f"{signed}.{_encoded(sign(signed.encode()))}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def signed_with_the_public_key(authority: Authority) -> str:
    """What a verifier takes for good that lets the token choose a symmetric algorithm."""
    public = authority.keys["one"].public_key()
    text = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return forged(authority, "HS256", lambda content: hmac.digest(text, content, "sha256"))


def tampered(authority: Authority) -> str:
    header, _, signature = authority.token("alice").split(".")
    return f"{header}.{authority.token('mallory').split('.')[1]}.{signature}"


BAD: dict[str, Callable[[Authority], str]] = {
    "garbage": lambda _: "garbage",
    "dots": lambda _: "...",
    "empty-parts": lambda _: "..",
    "nul": lambda _: "\0.\0.\0",
    "huge": lambda _: "e30." * 3 + "A" * 10_000,
    "deep": lambda _: _encoded(b"[" * 3000) + ".e30.AAAA",
    "unsigned": lambda a: forged(a, "none"),
    "Unsigned": lambda a: forged(a, "None"),
    "unsigned-rsa": lambda a: forged(a, "RS256"),
    "symmetric": lambda a: a.token(key="a" * 64, algorithm="HS256"),
    "public-key-as-secret": signed_with_the_public_key,
    "tampered": tampered,
    "foreign-key": lambda a: a.token(key=rsa_key()),
    "unknown-key": lambda a: a.token(kid="unknown"),
    "odd-key-id": lambda a: a.token(kid="../../keys"),
    "wrong-issuer": lambda a: a.token(iss="https://issuer.example"),
    "issuer-with-slash": lambda a: a.token(iss=f"{a.url}/"),
    "wrong-audience": lambda a: a.token(aud="https://other.example.com/mcp"),
    "audience-prefix": lambda a: a.token(aud=f"{AUDIENCE}/more"),
    "several-wrong-audiences": lambda a: a.token(aud=["a", "b"]),
    "odd-audience": lambda a: a.token(aud={"a": AUDIENCE}),
    "expired": lambda a: a.token(exp=int(time.time()) - HOUR),
    "not-yet": lambda a: a.token(nbf=int(time.time()) + HOUR),
    "issued-tomorrow": lambda a: a.token(iat=int(time.time()) + HOUR),
    "odd-expiry": lambda a: a.token(exp="soon"),
    "endless": lambda a: a.token(exp=1e400),
    "no-expiry": lambda a: a.token(without=("exp",)),
    "no-issuer": lambda a: a.token(without=("iss",)),
    "no-audience": lambda a: a.token(without=("aud",)),
    "no-subject": lambda a: a.token(without=("sub",)),
    "empty-subject": lambda a: a.token(sub=""),
}


class TestTokens:
    @pytest.mark.parametrize("bad", BAD)
    async def test_one_that_is_not_good_is_refused(self, authority: Authority, bad: str) -> None:
        assert await is_good(authority, authority.token())
        assert not await is_good(authority, BAD[bad](authority))

    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": [AUDIENCE, "https://other.example.com"]},
            {"azp": "an-editor", "client_id": None},
            {"client_id": 7},
            {"scope": None},
        ],
        ids=str,
    )
    async def test_what_is_good_all_the_same(self, authority: Authority, claims: Json) -> None:
        assert await is_good(authority, authority.token("auth0|5f7c", **claims))

    @pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
    async def test_clocks_may_be_a_little_apart(self, authority: Authority, claim: str) -> None:
        moment: dict[str, Any] = {claim: int(time.time()) + (-10 if claim == "exp" else 10)}
        assert await is_good(authority, authority.token(**moment))

    @pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
    async def test_rsa_is_good(self, authority: Authority, algorithm: str) -> None:
        assert await is_good(authority, authority.token(algorithm=algorithm))

    @pytest.mark.parametrize(
        ("curve", "algorithm"),
        [(ec.SECP256R1(), "ES256"), (ec.SECP384R1(), "ES384"), (ec.SECP521R1(), "ES512")],
    )
    async def test_elliptic_curves_are_good(
        self, authority: Authority, curve: ec.EllipticCurve, algorithm: str
    ) -> None:
        key = authority.keys["two"] = ec.generate_private_key(curve)
        assert await is_good(authority, authority.token(key=key, kid="two", algorithm=algorithm))
        assert not await is_good(authority, authority.token(kid="two"))

    async def test_without_a_key_id_the_only_key_is_meant(self, authority: Authority) -> None:
        assert await is_good(authority, authority.token(kid=None))
        authority.keys["two"] = rsa_key()
        assert not await is_good(authority, authority.token(kid=None))

    @pytest.mark.parametrize(
        ("claims", "scopes"),
        [
            ({"scope": "a b"}, ["a", "b"]),
            ({"scp": ["a", "b"]}, ["a", "b"]),
            ({"scp": "a b"}, ["a", "b"]),
            ({"scope": ["a", 1]}, ["a"]),
            ({"scope": 7}, []),
            ({}, []),
        ],
        ids=str,
    )
    async def test_scopes_are_read_as_issuers_write_them(
        self, authority: Authority, claims: Json, scopes: list[str]
    ) -> None:
        verifier = jwt_verifier(authority.url, AUDIENCE, None, Certificates())
        now = int(time.time())
        content = {"iss": authority.url, "aud": AUDIENCE, "sub": "alice", "exp": now + 60, **claims}
        token = jwt.encode(content, authority.keys["one"], "RS256", {"kid": "one"})
        holder = await verifier.verify_token(token)
        assert holder is not None
        assert holder.scopes == scopes
        assert token not in repr(holder)


class Source:
    """Documents by address; what is missing fails."""

    def __init__(self) -> None:
        self.documents: dict[str, Json] = {}
        self.asked: list[str] = []
        self.clock = SteppedClock()

    async def fetch(self, url: str) -> Json:
        self.asked.append(url)
        if url not in self.documents:
            raise DocumentError("not there")
        return self.documents[url]

    def publish(self, **keys: ec.EllipticCurvePrivateKey) -> None:
        published = [
            {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())), "kid": kid}
            for kid, key in keys.items()
        ]
        self.documents["https://issuer.example/keys"] = {"keys": published}

    def keys(self) -> Keys:
        return Keys("https://issuer.example", "https://issuer.example/keys", self.fetch, self.clock)


ONE, TWO = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


async def test_a_wrong_issuer_is_named_in_the_log(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    for issuer in (f"{authority.url}/", "https://elsewhere.example\x1b[2J"):
        assert not await is_good(authority, authority.token(iss=issuer))
        assert f"its issuer is {issuer[:20]!a}"[:-1] in caplog.text
        assert f"not {authority.url}" in caplog.text
    assert "\x1b" not in caplog.text


@pytest.mark.parametrize("declared", [True, False])
async def test_two_keys_of_one_id_are_told_apart_by_their_algorithm(declared: bool) -> None:
    source = Source()
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    keys = {name: ec.generate_private_key(curve) for name, curve in curves.items()}
    published = [
        {
            **json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())),
            "kid": "one",
            **({"alg": name} if declared else {}),
        }
        for name, key in keys.items()
    ]
    rsa = [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key().public_key())) for _ in range(2)]
    published += [{**rsa[0], "kid": "one", "alg": "PS256"}, {**rsa[1], "kid": "one"}]
    source.documents["https://issuer.example/keys"] = {"keys": published}
    found = source.keys()
    for name, key in keys.items():
        match = await found.find("one", name)
        assert match is not None
        assert match.key.public_numbers() == key.public_key().public_numbers()
    matches = [await found.find("one", name) for name in ("PS256", "RS256")]
    assert len({match.key.public_numbers().n for match in matches if match is not None}) == 2


class TestKeys:
    async def test_they_are_fetched_once(self) -> None:
        source = Source()
        source.publish(one=ONE)
        keys = source.keys()
        for _ in range(3):
            assert await keys.find("one", "ES256")
        assert len(source.asked) == 1

    async def test_a_new_one_is_looked_for_but_not_all_the_time(self) -> None:
        source = Source()
        source.publish(one=ONE)
        keys = source.keys()
        assert await keys.find("one", "ES256")
        source.publish(one=ONE, two=TWO)
        for _ in range(50):
            assert await keys.find("two", "ES256") is None
        assert len(source.asked) == 1
        source.clock.advance(REFETCH_SECONDS)
        assert await keys.find("two", "ES256")
        for number in range(50):
            assert await keys.find(f"made up {number}", "ES256") is None
        assert len(source.asked) == 2

    async def test_one_that_was_withdrawn_is_not_good_for_ever(self) -> None:
        source = Source()
        source.publish(one=ONE, two=TWO)
        keys = source.keys()
        assert await keys.find("one", "ES256")
        source.publish(two=TWO)
        assert await keys.find("one", "ES256")
        source.clock.advance(FRESH_SECONDS + 1)
        assert await keys.find("one", "ES256") is None

    async def test_they_outlive_a_failure_of_the_issuer_for_a_day(self) -> None:
        source = Source()
        source.publish(one=ONE)
        keys = source.keys()
        assert await keys.find("one", "ES256")
        source.documents.clear()
        source.clock.advance(FRESH_SECONDS + 1)
        for _ in range(10):
            assert await keys.find("one", "ES256")
        assert len(source.asked) == 2
        source.clock.advance(STALE_SECONDS)
        with pytest.raises(DocumentError):
            await keys.find("one", "ES256")

    @pytest.mark.parametrize(
        "document",
        [{}, {"keys": []}, {"keys": "x"}, {"keys": [7]}, {"keys": [{"kty": "EC", "kid": "one"}]}],
        ids=str,
    )
    async def test_what_holds_none_is_a_failure(self, document: Json) -> None:
        source = Source()
        source.documents["https://issuer.example/keys"] = document
        with pytest.raises(DocumentError):
            await source.keys().find("one", "ES256")

    async def test_one_for_encryption_is_not_used(self) -> None:
        source = Source()
        source.publish(one=ONE)
        source.documents["https://issuer.example/keys"]["keys"][0]["use"] = "enc"
        assert await source.keys().find("one", "ES256") is None


class TestDiscovery:
    @pytest.mark.parametrize(
        "path", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]
    )
    async def test_the_issuers_metadata_says_where_its_keys_are(
        self, authority: Authority, path: str
    ) -> None:
        authority.metadata_path = path
        assert await is_good(authority, authority.token())
        assert authority.asked[-2:] == [path, "/keys"]

    async def test_the_operator_may_say_it(self, authority: Authority) -> None:
        assert await is_good(authority, authority.token(), jwks_url=f"{authority.url}/keys")
        assert authority.asked == ["/keys"]

    async def test_an_issuer_with_a_path_has_its_own(self) -> None:
        source = Source()
        keys = Keys("https://issuer.example/team", None, source.fetch)
        with pytest.raises(DocumentError):
            await keys.find("one", "ES256")
        assert source.asked == [
            "https://issuer.example/.well-known/oauth-authorization-server/team",
            "https://issuer.example/team/.well-known/openid-configuration",
        ]

    @pytest.mark.parametrize(
        "metadata",
        [
            {"issuer": "https://other.example"},
            {"jwks_uri": None},
            {"jwks_uri": "http://keys.example/keys"},
            {"jwks_uri": "file:///etc/passwd"},
            {"jwks_uri": "https://user:password@keys.example/keys"},
        ],
        ids=str,
    )
    async def test_metadata_that_is_not_safe_is_not_used(self, authority: Authority, metadata: Json) -> None:
        authority.metadata = metadata
        with pytest.raises(DocumentError):
            await is_good(authority, authority.token())
        assert "/keys" not in authority.asked


@asynccontextmanager
async def serving_users(
    world: World,
    authority: Authority,
    tmp_path: Path,
    **changes: Any,  # noqa: ANN401 - the settings' fields
) -> AsyncIterator[str]:
    store = token_folder(tmp_path, "alice", "bob")
    async with serving(oauth_settings(world, authority, token_store=store, **changes)) as url:
        yield url


class TestEndpoint:
    async def test_each_user_works_with_their_own_pulumi_token(
        self, world: World, tmp_path: Path, era: str
    ) -> None:
        async with by_oauth(world, tmp_path) as endpoint:
            for person in ("alice", "bob"):
                async with endpoint.host(person, mode=era) as host:
                    task_id, _ = await host.create("hello", organization=ORG)
                assert world.simulator.store.get(ORG, task_id).creator == person

    async def test_without_a_token_one_is_told_where_to_get_it(
        self, world: World, authority: Authority, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        async with serving_users(world, authority, tmp_path, oauth_scopes=("neo:use",)) as url:
            answer = await http.post(url, json=INITIALIZE)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == f'Bearer scope="neo:use", resource_metadata="{METADATA}"'

    async def test_the_metadata_is_at_both_addresses(
        self, world: World, authority: Authority, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        async with serving_users(world, authority, tmp_path, oauth_scopes=("neo:use",)) as url:
            root = url.removesuffix("/mcp") + "/.well-known/oauth-protected-resource"
            answers = [await http.get(address) for address in (root, f"{root}/mcp")]
            evil = await http.get(root, headers={"host": "evil.example"})
            other = await http.get(f"{root}/other")
        for answer in answers:
            assert answer.json() == {
                "resource": AUDIENCE,
                "authorization_servers": [authority.url],
                "scopes_supported": ["neo:use"],
                "bearer_methods_supported": ["header"],
                "resource_name": "pulumi-neo-mcp",
            }
        assert evil.status_code == 421
        assert other.status_code == 401

    async def test_a_bad_token_is_told_as_such(
        self, world: World, authority: Authority, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        token = authority.token(aud="https://other.example.com")
        async with serving_users(world, authority, tmp_path) as url:
            answer = await http.post(url, json=INITIALIZE, headers=bearer(token))
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert METADATA in answer.headers["www-authenticate"]
        assert token not in answer.text

    async def test_a_missing_scope_is_named(
        self, world: World, authority: Authority, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        async with serving_users(world, authority, tmp_path, oauth_scopes=("neo:use", "neo:more")) as url:
            token = authority.token(scope="neo:use")
            refused = await http.post(url, json=INITIALIZE, headers=bearer(token))
            token = authority.token(scope="neo:more other neo:use")
            served = await http.post(url, json=INITIALIZE, headers=bearer(token))
        assert served.is_success
        assert refused.status_code == 403
        challenge = refused.headers["www-authenticate"]
        assert 'error="insufficient_scope"' in challenge
        assert 'scope="neo:use neo:more"' in challenge

    async def test_a_user_without_a_pulumi_token_is_told_whom_to_ask(
        self, world: World, authority: Authority, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        async with serving_users(world, authority, tmp_path) as url:
            for subject in ("carol", "../alice", "Alice"):
                answer = await http.post(url, json=INITIALIZE, headers=bearer(authority.token(subject)))
                assert answer.status_code == 403
                assert "operator" in answer.text
        assert world.simulator.requests == []

    async def test_a_pulumi_token_that_is_taken_away_is_not_used_any_more(
        self, world: World, authority: Authority, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        headers = bearer(authority.token())
        async with serving_users(world, authority, tmp_path) as url:
            opened = await http.post(url, json=INITIALIZE, headers=headers)
            headers["mcp-session-id"] = opened.headers["mcp-session-id"]
            listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
            assert (await http.post(url, json=listing, headers=headers)).is_success
            (tmp_path / "tokens" / "alice").write_text(pulumi_token("bob"))
            assert (await http.post(url, json=listing, headers=headers)).status_code == 404
            (tmp_path / "tokens" / "alice").unlink()
            assert (await http.post(url, json=listing, headers=headers)).status_code == 403

    async def test_users_may_bring_their_pulumi_token_instead(
        self, world: World, authority: Authority, http: httpx.AsyncClient
    ) -> None:
        async with serving(oauth_settings(world, authority, pulumi_token_header=True)) as url:
            own = {"x-pulumi-access-token": pulumi_token("bob")}
            both = await http.post(url, json=INITIALIZE, headers={**bearer(authority.token()), **own})
            without = await http.post(url, json=INITIALIZE, headers=bearer(authority.token()))
            alone = await http.post(url, json=INITIALIZE, headers=own)
        assert [answer.status_code for answer in (both, without, alone)] == [200, 400, 401]

    async def test_an_issuer_that_cannot_be_reached_is_no_fault_of_the_token(
        self, world: World, authority: Authority, tmp_path: Path, http: httpx.AsyncClient
    ) -> None:
        authority.is_down = True
        async with serving_users(world, authority, tmp_path) as url:
            answer = await http.post(url, json=INITIALIZE, headers=bearer(authority.token()))
        assert answer.status_code == 503
        assert answer.headers["retry-after"]

    async def test_a_stream_ends_with_the_token_that_opened_it(
        self, world: World, authority: Authority, tmp_path: Path, era: str
    ) -> None:
        clock, ends_at = ShiftedClock(), int(time.time()) + HOUR

        class Fleeting:
            async def verify_token(self, token: str) -> AccessToken | None:
                return AccessToken(token=token, client_id="", scopes=[], subject="alice", expires_at=ends_at)

        settings = oauth_settings(world, authority, token_store=token_folder(tmp_path, "alice"))
        async with serving(settings, verifier=Fleeting(), clock=clock) as url:
            endpoint = Endpoint({"alice": url}, {"alice": bearer("x")})
            await _stream_ends(endpoint, era, lambda: clock.shift(HOUR))


async def _stream_ends(endpoint: Endpoint, era: str, end: Callable[[], None]) -> None:
    if era != "legacy":
        async with endpoint.host("alice") as host, host.client.listen(tools_list_changed=True) as listening:
            end()
            assert [event async for event in listening] == []
        return
    async with endpoint.http("alice") as http:
        url = endpoint.urls["alice"]
        opened = await http.post(url, json=INITIALIZE)
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        async with http.stream("GET", url, headers=session) as stream:
            assert stream.is_success
            end()
            async for _ in stream.aiter_bytes():
                pass


async def test_a_process_serves_users(
    world: World, authority: Authority, tmp_path: Path, http: httpx.AsyncClient
) -> None:
    store = token_folder(tmp_path, "alice")
    env = environment(
        world.simulator.url,
        str(tmp_path),
        NEO_MCP_AUTH="oauth",
        NEO_MCP_OAUTH_ISSUER=authority.url,
        NEO_MCP_OAUTH_SCOPES="neo:use profile",
        NEO_MCP_PUBLIC_URL=AUDIENCE,
        NEO_MCP_TOKEN_STORE=str(store),
    )
    async with running("serve", "--http", "--port", "0", env=env) as server:
        await server.says("/mcp")
        url = next(w for w in server.stderr.decode().split() if w.startswith("http://"))
        token = authority.token()
        assert (await http.post(url, json=INITIALIZE, headers=bearer(token))).is_success
        stranger = authority.token("bob")
        assert (await http.post(url, json=INITIALIZE, headers=bearer(stranger))).status_code == 403
        server.process.terminate()
        assert await server.exit_status() == 0
    for secret in (token, stranger, pulumi_token("alice")):
        assert secret.encode() not in server.stderr
