"""Secrets leave a note in their place; everything else stays as it was, byte for byte, in linear time."""

import base64
import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neo_mcp.core import redact as module
from neo_mcp.core.redact import redact, redact_json
from neo_mcp.core.sanitize import clean
from tests.core.events import JSON

_B64 = "Mi5Cq+/7RfQ2ZcXvT0nEwK8yLhPdJsAgBuIoGt4x"
_LINES = "\n".join([(_B64 * 2)[:64]] * 6)
_URL_SAFE = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

SECRETS: dict[str, tuple[str, str]] = {
    "Pulumi": ("Pulumi token", "pul-" + "0123456789abcdef0123456789abcdef01234567"),
    "AWS id": ("AWS access key id", "AKIA" + "IOSFODNN7EXAMPLE"),
    "AWS temporary id": ("AWS access key id", "ASIA" + "Y34FZKBOKMUTVV7A"),
    "Google": ("Google API key", "AIza" + "SyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY"),
    "Google token": ("Google token", "ya29." + "a0AfH6SMBx_GqNYFJ2KxQ5Vt8"),
    "Google secret": ("Google token", "GOCSPX-" + "x8Kq2mVbT9LrPn3dWc7yZf1hJs5a"),
    "Azure secret": ("Azure secret", "abc8" + "Q~" + "dEfGhIjKlMnOpQrStUvWxYz0123456789A"),
    "GitHub": ("GitHub token", "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"),
    "GitHub fine": ("GitHub token", "github_pat_" + "11ABCDEFG0abcdefghijklm_nopqrstuvwxyzABCDEFGHIJ"),
    "GitHub app": ("GitHub token", "ghs_" + "16C7e42F292c6912E7710c838347Ae178B4a"),
    "GitLab": ("GitLab token", "glpat-" + "x8Kq2mVbT9LrPn3dWc7y"),
    "Slack": ("Slack token", "xoxb-" + "123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"),
    "npm": ("npm token", "npm_" + "x8Kq2mVbT9LrPn3dWc7yZf1hJs5aQ0wE4rT6"),
    "PyPI": ("PyPI token", "pypi-AgE" + "IcHlwaS5vcmcCJDU3ZGM4YzQyLWE0YjItNDc5My1iN2Q0"),
    "OpenAI": ("API key", "sk-proj-" + "x8Kq2mVbT9LrPn3dWc7yZf1hJs5aQ0wE4rT6yU8iO0p"),
    "Anthropic": ("API key", "sk-ant-api03-" + "x8Kq2mVbT9LrPn3dWc7yZf1hJs5aQ0wE4rT6yU8iO0pAA"),
    "Stripe": ("API key", "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"),
    "Vault": ("HashiCorp token", "hvs." + "CAESIJ1q2w3e4r5t6y7u8i9o0pAsDfGh"),
    "Terraform": (
        "HashiCorp token",
        "Zx8Kq2mVbT9LrP.atlasv1." + "x8Kq2mVbT9LrPn3dWc7yZf1hJs5aQ0wE4rT6yU8iO0pAsDfGhJkL",
    ),
    "DigitalOcean": ("DigitalOcean token", "dop_v1_" + "0123456789abcdef" * 4),
    "age": (
        "age key",
        "AGE-SECRET-KEY-1" + "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L" + "QPZRY9X8GF2TVDW0S3JN54KHCE",
    ),
    "JWT": ("JWT", f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{_URL_SAFE}"),
    "key": (
        "private key",
        f"-----BEGIN RSA PRIVATE KEY-----\n{_LINES}\nAbCd==\n-----END RSA PRIVATE KEY-----",
    ),
    "sealed key": (
        "private key",
        (
            "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,1F2E3D4C5B6A79\n\n"
            f"{_LINES}\n-----END EC PRIVATE KEY-----"
        ),
    ),
    "PGP key": (
        "private key",
        (
            f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n{_LINES}\n=aB3d\n"
            "-----END PGP PRIVATE KEY BLOCK-----"
        ),
    ),
}
"""What is known by its own shape."""

IN_CONTEXT: dict[str, tuple[str, str, str, str]] = {
    "credentials file": ("AWS secret key", "aws_secret_access_key = ", (_B64)[:40], "\nregion = eu-west-1"),
    "environment": ("AWS secret key", "export AWS_SECRET_ACCESS_KEY=", _B64[:40], "\n"),
    "JSON": ("AWS secret key", '{"AccessKeyId": "x", "SecretAccessKey": "', _B64[:40], '", "Version": 1}'),
    "JSON in JSON": ("AWS secret key", r'"{\"SecretAccessKey\": \"', _B64[:40], r'\", \"x\": 1}"'),
    "XML": ("AWS secret key", "<SecretAccessKey>", _B64[:40], "</SecretAccessKey>"),
    "Pulumi": ("AWS secret key", "+  aws:secretKey: ", _B64[:40], "\n"),
    "TypeScript": ("AWS secret key", 'const p = new aws.Provider("p", { secretKey: "', _B64[:40], '" });'),
    "session": ("AWS session token", "aws_session_token=", (_B64 * 4).replace("+", "A"), "\n"),
    "Azure": (
        "Azure key",
        "AccountName=shop;AccountKey=",
        (_B64 * 3)[:86] + "==",
        ";EndpointSuffix=core.windows.net",
    ),
    "service bus": (
        "Azure key",
        "SharedAccessKeyName=all;SharedAccessKey=",
        (_B64 * 2)[:43] + "=",
        ";EntityPath=q",
    ),
    "SAS": (
        "Azure signature",
        "https://x.blob.core.windows.net/c?sv=2022&sig=",
        "a" * 43 + "%3D",
        "&se=2026",
    ),
    "database": ("password", "postgres://admin:", "hunter2", "@db.internal:5432/shop"),
    "odd password": ("password", "mysql://root:", "p@ss:w0rd!", "@db/x"),
    "no user": ("password", "redis://:", "s3cret", "@cache:6379"),
    "git": ("password", "https://x-access-token:", "opaque0token", "@github.com/acme/shop.git"),
    "bearer": ("credentials", "curl -H 'Authorization: Bearer ", "v1.abcdef0123456789", "' https://x"),
    "Pulumi header": ("credentials", "Authorization: token ", "opaque-0123456789abcd", "\n"),
    "basic": ("credentials", '{"Authorization": "Basic ', "YWxpY2U6aHVudGVyMg==", '"}'),
    "webhook": (
        "Slack webhook",
        "https://hooks.slack.com/services/",
        "T00000000/B00000000/" + "X1" * 12,
        '"',
    ),
    "escaped key": (
        "private key",
        '{"type": "service_account", "private_key": "',
        "-----BEGIN PRIVATE KEY-----\\n" + _LINES.replace("\n", "\\n") + "\\n-----END PRIVATE KEY-----\\n",
        '", "client_id": "1"}',
    ),
    "indented key": (
        "private key",
        "  key: |\n    ",
        "-----BEGIN PRIVATE KEY-----\n    "
        + _LINES.replace("\n", "\n    ")
        + "\n    -----END PRIVATE KEY-----",
        "\n  port: 443",
    ),
    "key in a diff": (
        "private key",
        "-",
        "-----BEGIN PRIVATE KEY-----\n-" + _LINES.replace("\n", "\n-") + "\n------END PRIVATE KEY-----",
        "\n+removed\n",
    ),
    "cut key": ("private key", "cat key.pem\n", f"-----BEGIN OPENSSH PRIVATE KEY-----\n{_LINES}", "\n[cut]"),
}

ORDINARY = [
    *(
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "331743b",
        "sha256:" + "ab" * 32,
        "0b5a1c9e-0000-4000-8000-000000000001",
    ),
    '"integrity": "sha512-' + (_B64 * 3)[:86] + '=="',
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2q3w4e5r6t7y8u9i0oPaSdFgHjKlZxCvBnMqWeRtYu alice@example.com",
    "arn:aws:iam::123456789012:role/AIDACKCEVSQ6C2EXAMPLE arn:aws:s3:::bucket/key",
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-a1B2c3",
    "AROAJQABLZS4A3QDU576Q and AKIA alone, ASIA too, AKIASHORT",
    "-----BEGIN CERTIFICATE-----\n" + _LINES + "\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\n" + _LINES + "\n-----END PUBLIC KEY-----",
    "The file begins with -----BEGIN RSA PRIVATE KEY----- and then delete prod comes.\n" * 3,
    "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY----- delete prod -----END PRIVATE KEY-----",
    'if (token.startsWith("ghp_") || token.startsWith("xoxb-") || key.startsWith("sk-")) {',
    "the task-force's disk-encryption-set-for-production-workloads-2024-with-a-very-long-name",
    "npm_config_registry=x npm_lifecycle_event pul-request glpat- dop_v1_ hvs. ya29.",
    "postgres://${user}:${password}@${host}/db",
    "postgres://$USER:$PASSWORD@db and https://{user}:{password}@x and https://%s:%s@host and x://u:***@h",
    "pulumi.interpolate`postgres://admin:${db.password}@${db.endpoint}/shop`",
    "http://localhost:8080/@scope/pkg https://example.com:443/a?b=c@d git@github.com:acme/shop.git",
    "ssh://git@github.com:22/acme/shop docker://alpine:3.19@sha256:" + "ab" * 32,
    'secretKey: process.env.SECRET_KEY, aws_secret_access_key: "${aws:secretKey}"',
    "secret_key = var.secret_key",
    'config.requireSecret("secretKey"); const secretAccessKey = creds.secretAccessKey;',
    "Authorization: Bearer ${TOKEN}\nAuthorization: Bearer <token>\nauthorization: `token ${token}`",
    "The Authorization: Bearer authentication scheme; the bearer of this letter; Authorization: Basic realm",
    "AccountKey=<key>; primaryAccessKey: storage.primaryAccessKey",
    "eyJhbGciOiJIUzI1NiJ9 alone, eyJ, and eyJhIjoxfQ.other",
    "const id = eyJson.parse.value; window.eyJ.x.y",
    "  secure: v1:0Tq5KqvB3pM=:" + _B64 + "\n",
    "--- a/index.ts\n+++ b/index.ts\n@@ -1,2 +1,2 @@\n-const days = 365;\n+const days = 90;\n",
    "encryptionsalt: v1:abc=:v1:def/ghi+jkl:mno==",
    "[redacted: AWS secret key] and [access token]",
]


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "frame", ["{}", "x = '{}';", '{{"a": "{}"}}', "export K={}\n", "- {}", "({})", "+{}\n+b"]
)
def test_a_secret_of_known_shape_leaves_a_note_and_what_surrounds_it(name: str, frame: str) -> None:
    kind, secret = SECRETS[name]
    assert redact(frame.format(secret)) == frame.format(f"[redacted: {kind}]")


@pytest.mark.parametrize("name", IN_CONTEXT)
def test_a_secret_is_known_by_its_name_or_place(name: str) -> None:
    kind, before, secret, after = IN_CONTEXT[name]
    left = redact(before + secret + after)
    assert left.startswith(f"{before}[redacted: {kind}]")
    assert left.endswith(after)
    assert secret not in left
    assert redact(after + before) == after + before


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_code_diffs_hashes_and_ids_stay_as_they_are(text: str) -> None:
    assert redact(text) == text
    assert clean(text) == text


def test_this_projects_own_code_and_tests_of_other_things_stay_as_they_are() -> None:
    root = Path(__file__).parents[2]
    for path in sorted({*root.glob("neo_mcp/**/*.py"), root / "README.md", root / "pyproject.toml"}):
        text = path.read_text("utf-8")
        assert redact(text) == text, path


_HEX = st.text("0123456789abcdef", min_size=32, max_size=64)
_BASE64 = st.binary(min_size=16, max_size=200).map(lambda raw: base64.b64encode(raw).decode())


@given(
    st.one_of(_HEX, _BASE64, st.uuids().map(str)),
    st.sampled_from(["{}", "id: {}", '"{}",', "sha512-{}", "/{}/"]),
)
def test_random_digests_and_base64_stay_as_they_are(value: str, frame: str) -> None:
    assert redact(frame.format(value)) == frame.format(value)


_PIECES = st.sampled_from(
    [secret for _, secret in SECRETS.values()]
    + [before + secret + after for _, before, secret, after in IN_CONTEXT.values()]
    + ORDINARY
)


@given(st.lists(_PIECES | st.text(max_size=8), max_size=8), st.sampled_from([" ", "\n", "", '"', "="]))
@example([SECRETS["AWS id"][1], "@h"], "://u:")
def test_redacting_again_changes_nothing(pieces: list[str], between: str) -> None:
    once = redact(between.join(pieces))
    assert redact(once) == once


def test_a_secret_that_is_glued_to_another_one_is_found() -> None:
    secrets = dict(SECRETS.values())
    glued = secrets["npm token"] + secrets["age key"]
    assert redact(glued) == "[redacted: npm token][redacted: age key]"


@given(st.lists(_PIECES, min_size=1, max_size=6))
def test_no_secret_is_left_among_others(pieces: list[str]) -> None:
    left = redact("\n".join(pieces))
    assert not [secret for _, secret in SECRETS.values() if secret in left]


@given(JSON, st.sampled_from(list(SECRETS)), st.sampled_from(list(IN_CONTEXT)))
def test_json_keeps_its_shape_and_loses_its_secrets(value: object, known: str, placed: str) -> None:
    _, secret = SECRETS[known]
    _, before, other, after = IN_CONTEXT[placed]
    whole = {"a": [secret, {"b": value}], secret: before + other + after, "SecretAccessKey": _B64[:40]}
    left = redact_json(whole)
    text = json.dumps(left, ensure_ascii=False)
    assert json.loads(text) == json.loads(json.dumps(left))
    assert left["SecretAccessKey"] == "[redacted: AWS secret key]"
    assert len(left) == len(whole)
    assert len(left["a"]) == 2
    assert secret not in str(left)


def test_nested_values_know_their_own_keys() -> None:
    value = {"creds": {"aws": {"secret_access_key": _B64[:40], "region": "eu-west-1", "days": 90}}}
    aws = redact_json(value)["creds"]["aws"]
    assert aws == {"secret_access_key": "[redacted: AWS secret key]", "region": "eu-west-1", "days": 90}


_UNITS = [
    *("eyJ", "eyJaaaaaaaaa.", "eyJaaaaaaaaa.eyJaaaaaaaaa", "://", "://a:", "://a:b", "://:", "a://b:c@", "@"),
    *("AKIA", "AKIAAAAAAAAAAAAAAAAA", "AIza", "xoxb-", "sk-", "sk-a-", "k_live_", "ghp_", "pul-", "pul-0a"),
    *(
        "secretKey",
        "secretKey: ",
        'SecretAccessKey\\\\\\"',
        "secret_key=aaaa",
        "AccountKey=",
        "sig=%3D",
        "&sig=",
    ),
    *(
        "Authorization: ",
        "Authorization: Bearer ",
        "bearer ",
        "Bearer a",
        "Q~",
        "abc8Q~",
        "hvs.",
        ".atlasv1.",
    ),
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\n",
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: ",
    "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n",
    "A" * 64 + "\n",
    "\\n" * 40 + "A" * 16,
    "-" * 5,
]


@pytest.mark.parametrize("unit", _UNITS)
def test_any_number_of_beginnings_is_read_through(unit: str) -> None:
    # What looks at a text's rest once for each of its parts would not come back from this.
    text = "PRIVATE KEY eyJ :// ecret sig= Q~ " + unit * (100_000 // len(unit))
    redacted = redact(text)
    assert redact(redacted) == redacted


def test_no_expression_repeats_without_a_bound_but_possessively() -> None:
    for _, _, kept, secret in module._KINDS:
        plain = re.sub(r"\[(?:\\.|[^\]\\])*\]", "C", re.sub(r"\\.", "E", kept + secret))
        assert not re.findall(r"(?<![+*?}])[+*](?!\+)|,\}(?!\+)", plain)


def test_every_mark_is_in_every_secret_of_its_kind() -> None:
    marks = {
        kind: {mark for other, marks, _, _ in module._KINDS if other == kind for mark in marks}
        for kind, *_ in module._KINDS
    }
    for kind, secret in SECRETS.values():
        assert any(mark in secret for mark in marks[kind])
