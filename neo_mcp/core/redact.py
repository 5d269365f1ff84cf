"""Redact secrets in text that is shown, stored or sent on.

Owns which strings count as secrets: those that are recognised by their own shape or by a name beside them.
Merely random strings, such as a digest, an id or a commit, stay. Our own access token is not searched for
here: the API's client knows it, and removes it from all responses.

Every expression starts at a literal or a bounded look behind, and repeats within bounds or possessively: the
time is linear in the text.
"""

import math
import re
from bisect import bisect_right
from collections.abc import Callable
from functools import cache
from itertools import accumulate
from typing import Any

from neo_mcp.core.effort import Effort
from neo_mcp.core.members import mask_members
from neo_mcp.hidden_text import without_hidden
from neo_mcp.token_guard import distinct

_NAMED = r"[\\\"'`]{0,4}\s{0,8}(?:=>|:=|[:=,>])\s{0,8}[\\\"'`]{0,4}"
"""The text between a name and its value: in code, JSON, JSON within JSON, YAML, XML, the environment."""

_LINE_NUMBER = r"(?:[\w./\\-]{1,100}[:-])?\d{1,7}[:\t |\u2192-]"
_BETWEEN = r"(?:\\[nrt]|<br\s?/?>|&#(?:x[aAdD]|1[03]);|\+(?![A-Za-z0-9+/=])|[^A-Za-z0-9+/=]){1,80}"
_JOINT = rf"{_BETWEEN}(?:{_LINE_NUMBER}[^A-Za-z0-9+/=]{{0,20}})?"
"""The text between the lines of a key: line ends, also as escapes, indentation, quotes, marks, numbers."""

_PRIVATE_KEY = (
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    rf"(?:{_JOINT}(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset): [^\n\\]{{0,120}}){{0,8}}+"
    rf"(?:{_JOINT}[A-Za-z0-9+/=]{{16,}}+)++"
    rf"(?:{_JOINT}[A-Za-z0-9+/=]{{1,60}}(?={_JOINT}-----END))?"
    rf"(?:(?:{_JOINT})?-----END [A-Z0-9 ]{{0,40}}PRIVATE KEY(?: BLOCK)?-----)?"
)
_PLACEHOLDER = r"\$[{(]|\$[A-Za-z_][\w.]{0,80}@|\{|%[sdv(]|\*++@"
"""Beginnings of placeholders for a password in code, templates and documentation."""

_MIXED = r"(?=[A-Za-z_.~+/=:-]{0,200}[0-9])"
"""Looks ahead: a token of letters and digits, rather than a word."""

# Kind; texts of which one is in every text that holds such a secret; the secret, after what stays (if any).
_KINDS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("private key", ("PRIVATE KEY",), "", _PRIVATE_KEY),
    (
        "password",
        ("://",),
        r"://[^\s/?#:@\"'<>`\\]{0,128}+:",
        rf"(?!{_PLACEHOLDER})[^\s/?#\"'<>`\\]{{1,256}}(?=@(?!sha\d)[\w\[${{%.-])",
    ),
    (
        "JWT",
        ("eyJ",),
        # Begins at a word, from which a few places are tried: else the time would grow with the square.
        r"(?<![\w-])[\w-]{0,50}?",
        r"eyJ[\w-]{8,}+\.eyJ[\w-]{8,}+(?:\.[\w-]*+)?",
    ),
    ("AWS access key id", ("AKIA", "ASIA"), "", r"A[KS]IA(?=[A-Z]{0,15}[0-9])[A-Z0-9]{16}"),
    (
        "AWS secret key",
        ("ecret", "ECRET"),
        rf"(?:[sS]ecret|SECRET)(?i:[_-]?(?:access[_-]?)?key){_NAMED}",
        r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
    ),
    (
        "AWS session token",
        ("ession_token", "essionToken", "ESSION_TOKEN"),
        rf"(?:[sS]ession_?[tT]oken|SESSION_TOKEN){_NAMED}",
        r"[A-Za-z0-9/+]{100,}+={0,2}",
    ),
    ("Google API key", ("AIza",), "", r"AIza[\w-]{35}"),
    ("Google token", ("ya29.", "GOCSPX-"), "", r"(?:ya29\.|GOCSPX-)[\w-]{20,}+"),
    (
        "Azure key",
        ("ccountKey", "ccount_key", "CCOUNT_KEY", "ccessKey", "ccess_key", "CCESS_KEY"),
        rf"(?:[aA]cc(?:ount|ess)_?[kK]ey|ACC(?:OUNT|ESS)_KEY){_NAMED}",
        r"(?:[A-Za-z0-9+/]{86}==|[A-Za-z0-9+/]{43}=)(?![A-Za-z0-9+/=])",
    ),
    ("Azure signature", ("sig=",), r"[?&;]sig=", r"(?:[A-Za-z0-9+/]|%[0-9A-Fa-f]{2}){40,}+=?"),
    ("Azure secret", ("Q~",), "", r"(?<![\w~.-])[\w~.-]{3}[78]Q~[\w~.-]{31,34}(?![\w~.-])"),
    (
        "GitHub token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        "",
        r"(?:gh[opsur]_[A-Za-z0-9]{30,}+|github_pat_\w{30,}+)",
    ),
    ("GitLab token", ("glpat-",), "", r"glpat-[\w-]{20,}+"),
    ("Slack token", ("xox", "xapp-"), "", r"(?:xox[a-z]|xapp)-[A-Za-z0-9-]{16,}+"),
    ("Slack webhook", ("hooks.slack.com/",), r"hooks\.slack\.com/services/", r"T\w{6,}+/B\w{6,}+/\w{16,}+"),
    ("npm token", ("npm_",), "", r"npm_[A-Za-z0-9]{36}"),
    ("PyPI token", ("pypi-AgE",), "", r"pypi-AgE[\w-]{40,}+"),
    (
        "API key",
        ("sk-", "k_live_"),
        "",
        r"(?<![\w-])(?:sk-(?=[a-z0-9_-]{0,80}[A-Z])(?=[A-Za-z_-]{0,80}[0-9])[\w-]{32,}+|[rs]k_live_\w{16,}+)",
    ),
    ("Pulumi token", ("pul-",), "", r"pul-[0-9a-f]{32,64}"),
    (
        "HashiCorp token",
        ("hvs.", ".atlasv1."),
        "",
        r"(?<![A-Za-z0-9])(?:hvs|[A-Za-z0-9]{14}\.atlasv1)\.[\w-]{24,}+",
    ),
    ("DigitalOcean token", ("_v1_",), "", r"do[opr]_v1_[0-9a-f]{64}"),
    ("age key", ("AGE-SECRET-KEY-1",), "", r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    (
        "credentials",
        ("uthorization", "UTHORIZATION", "earer "),
        rf"(?:(?:[aA]uthorization|AUTHORIZATION){_NAMED}(?i:bearer|token|apikey)|[bB]earer)\s{{1,4}}",
        rf"{_MIXED}[A-Za-z0-9._~+/=:-]{{16,}}+",
    ),
    (
        "credentials",
        ("uthorization", "UTHORIZATION"),
        rf"(?:[aA]uthorization|AUTHORIZATION){_NAMED}[bB]asic\s{{1,4}}",
        r"(?=[a-z]{0,200}[A-Z0-9+/=])[A-Za-z0-9+/]{8,}+={0,2}",
    ),
)
_PRIVATE_KEY_NOTE = "[redacted: private key]"
_RARE = "_-~JKQS:=/.T2z"
"""Characters that few texts have all of: one search for each spares the searches for many marks."""

_Row = tuple[str, str, str]


def _by_rare_character() -> tuple[tuple[str, tuple[_Row, ...]], ...]:
    groups: dict[str, list[_Row]] = {}
    for kind, marks, prefix, secret in _KINDS:
        for mark in marks:
            rare = next((char for char in _RARE if char in mark), "")
            row = (mark, f"({prefix}){secret}", rf"\g<1>[redacted: {kind}]")
            groups.setdefault(rare, []).append(row)
    return tuple((rare, tuple(rows)) for rare, rows in groups.items())


_TABLE = _by_rare_character()
_NAMES = re.compile(r"(?i)secret|key|token|authorization|passw|passphrase")
_MAX_PASSES = 10


def redact(text: str, effort: Effort | None = None) -> str:
    """Return ``text`` with a note such as ``[redacted: JWT]`` in place of every secret.

    A secret that is joined to another one may only be recognised once that one is replaced.

    Args:
        text: Any text.
        effort: Bounds the time for several texts together.
    """
    for _ in range(_MAX_PASSES):
        shown = _redact_once(text, effort)
        if shown == text:
            break
        text = shown
    return text


def _redact_once(text: str, effort: Effort | None) -> str:
    for rare, rows in _TABLE:
        if rare in text:
            for mark, expression, note in rows:
                if mark in text:
                    text = _compiled(expression).sub(note, text)
    return mask_members(text, effort)


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    # Late, as most texts need few of them.
    return re.compile(expression)


def redact_json(value: Any, redact: Callable[[str], str] = redact) -> Any:  # noqa: ANN401 - any JSON in, the same shape out
    """Return ``value`` with its texts redacted, including secrets that are recognised by a text's key.

    Args:
        value: Any JSON.
        redact: Redacts one text.
    """
    match value:
        case str():
            return redact(value)
        case list():
            return [redact_json(item, redact) for item in _without_split_keys(value)]
        case dict():
            return distinct((redact(key), _redact_field(key, item, redact)) for key, item in value.items())
        case float() if not math.isfinite(value):
            # Only Python reads and writes these as JSON.
            return str(value)
        case _:
            return value


def _without_split_keys(items: list[Any]) -> list[Any]:
    """The items of a list, with notes in place of the lines of a private key that are items of their own."""
    if not any(isinstance(item, str) and "PRIVATE KEY" in item for item in items):
        return items
    lines = [item if isinstance(item, str) else "" for item in items]
    begins = list(accumulate((len(line) + 1 for line in lines), initial=0))
    shown = list(items)
    # From the last one on, so that the places of those before it stay.
    for key in reversed(list(re.finditer(_PRIVATE_KEY, "\n".join(lines)))):
        index = bisect_right(begins, key.start()) - 1
        if key.end() <= begins[index + 1]:
            # Within one text, which is searched by itself.
            continue
        while begins[index] < key.end():
            begin = begins[index]
            first, last = max(key.start() - begin, 0), min(key.end() - begin, len(lines[index]))
            if first < last:
                shown[index] = f"{shown[index][:first]}{_PRIVATE_KEY_NOTE}{shown[index][last:]}"
            index += 1
    return shown


def _redact_field(key: str, value: Any, redact: Callable[[str], str]) -> Any:  # noqa: ANN401 - as above
    if not isinstance(value, str) or not _NAMES.search(key):
        return redact_json(value, redact)
    name = f"{without_hidden(key)[0]}: "
    both = redact(name + value)
    # The key itself may hold a secret: then it is unknown where the value begins.
    return both.removeprefix(name) if both.startswith(name) else redact(value)
