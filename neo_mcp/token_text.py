"""The text of a token as variables and files have it, and why a text cannot be a token.

Real tokens are hexadecimal, base64 or base64url, or parts of these between dots: no rule here may match one.
Loaded before the first answer to a host: imports nothing that takes time.
"""

import re

NO_VALUE = frozenset({"null", "none", "nil", "undefined"})
"""Words that programs write in place of an absent value."""

_STRIPPED = "\ufeff\u200b\u2060\u00a0 \t\r\n"
_QUOTES = ('""', "''", "``", "\u201c\u201d", "\u2018\u2019")
"""Pairs of quotation marks."""

_PLACEHOLDER = (
    r"\$\{.*\}|\$\(.*\)|\$[A-Za-z_][\w.]*|%[A-Za-z_]\w*%|\{\{.*\}\}"
    r"|\$?(?i:env):[A-Za-z_]\w*|__[A-Za-z][A-Za-z_]*__|#\{[^{}]*\}#?|%\([A-Za-z_]\w*\)s|\{(?:env|input):[^{}]*\}"
)
_EXAMPLE = "your|here|change|replace|insert|paste|enter|placeholder|example|redacted|dummy|todo|fixme"
_EXAMPLE_WORDS = (
    rf"(?:[-_.]?(?:{_EXAMPLE}|pulumi|pul|access|api|auth|token|secret|key|value|the|with|me|my|this|a))+"
)
_MAX_EXAMPLE = 60
_FOLDERS = (
    "app|data|dev|etc|home|mnt|opt|private|proc|root|run|secrets?|srv|tmp|usr|Users|var|vault|workspace"
)
_FLAWS = (
    (r"<.*>", "it is a placeholder that was not filled in"),
    (
        r"(?:export\s+)?[A-Za-z_]{3,40}\s*=\s*[^=\s].*|(?:export\s+)?(?i:[a-z_]{0,40}token)\s*=.*",
        "it begins with a name and an equals sign, which are not part of a token",
    ),
    (r"\{.*|\[[\[{\"'].*", "it is JSON rather than a token alone"),
    (r"\[.*", "it begins with a bracket, as a placeholder does"),
    (r".*://.*", "it is an address"),
    (
        rf"@.*|/(?:{_FOLDERS})/.*|(?:~|\.\.?)/.*|[A-Za-z]:\\.*",
        "it is the path of a file; NEO_MCP_TOKEN_FILE takes that",
    ),
    (r".*\*{3}.*|\*+|.*\.{3}.*", "a part of it is masked or left out"),
    (
        r"(?:pul-)?[xX._-]*[xX]{3}[xX._-]*|.*[xX]{8}.*",
        "it is an example, with x in place of the token",
    ),
    (r"(?:PULUMI|NEO_MCP)_[A-Z_]*TOKEN", "it is the name of a variable"),
)


def bare_token(text: str) -> str:
    """``text`` without a byte-order mark, blanks, line ends and quotation marks around it."""
    before = None
    # Again and again, as there may be several pairs around it.
    while text != before:
        before = text
        text = text.strip(_STRIPPED)
        for pair in _QUOTES:
            if len(text) > 1 and text[0] + text[-1] == pair:
                text = text[1:-1]
    return text


def is_unexpanded(token: str) -> bool:
    """True for a reference to a variable that a host should have replaced by its value."""
    return re.fullmatch(_PLACEHOLDER, token) is not None


def flaw(token: str) -> str:
    """Why ``token`` cannot be a token, without quoting it; empty if it may be one."""
    if token.lower() in NO_VALUE | {"true", "false"}:
        return "it is a word for no value"
    for expression, why in _FLAWS:
        if re.fullmatch(expression, token, re.DOTALL):
            return why
    if _is_example(token):
        return "it is the text of an example"
    if re.search(r"\s", token):
        return "there is whitespace in it"
    if re.search(r"[\"'`,;]", token):
        return "there is punctuation in it that no token has"
    return "" if re.fullmatch(r"[!-~]+", token) else "there are characters in it that no token has"


def unusable(token: str) -> str:
    """Like :func:`flaw`, for a place where a reference to a variable is of no use either."""
    return "it is the name of a variable in place of its value" if is_unexpanded(token) else flaw(token)


def _is_example(token: str) -> bool:
    text = token.lower()
    return (
        len(text) <= _MAX_EXAMPLE
        and re.search(_EXAMPLE, text) is not None
        and re.fullmatch(_EXAMPLE_WORDS, text) is not None
    )
