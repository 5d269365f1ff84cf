"""The text of a token as variables and files have it, and what plainly is none.

Loaded before the first answer to a host: imports nothing that takes time.
"""

import re

_AROUND = "\ufeff\u200b\u00a0 \t\r\n"
_QUOTES = ('"', "'", "`", "\u201c\u201d", "\u2018\u2019")
_PLACEHOLDER = r"\$\{.*\}|\$\(.*\)|\$[A-Za-z_]\w*|%[A-Za-z_]\w*%|\{\{.*\}\}|\$\{\{.*\}\}"
_NOTHING = frozenset({"null", "none", "nil", "undefined", "true", "false"})


def bare_token(text: str) -> str:
    """``text`` without a byte-order mark, blanks, line ends and quotation marks around it."""
    before = None
    while text != before:
        before = text
        text = text.strip(_AROUND)
        for pair in _QUOTES:
            if len(text) > 1 and text[0] == pair[0] and text[-1] == pair[-1]:
                text = text[1:-1]
    return text


def is_unexpanded(token: str) -> bool:
    """True for the name of a variable that a host should have put its value in place of."""
    return re.fullmatch(_PLACEHOLDER, token) is not None


def flaw(token: str) -> str:
    """The reason why ``token`` can be none, without anything of it; empty where it may be one."""
    if token.lower() in _NOTHING:
        return "it says that there is none"
    if token[:1] == "<" and token[-1:] == ">":
        return "it is an example's gap that was not filled in"
    if re.match(r"(?:export\s+)?[A-Za-z_]{3,40}\s*=", token):
        return "it begins with a name and an equals sign, which are not part of a token"
    if re.search(r"\s", token):
        return "there is a blank in it"
    return "" if re.fullmatch(r"[!-~]+", token) else "there are characters in it that no token has"
