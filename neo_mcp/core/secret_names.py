"""Names that mark a secret, recognized in a text in any spelling.

Owns which names these are, and what separates a name from its value. Case, separators, and escapes as in
JSON, HTML and URLs make no difference.

Every expression repeats possessively or within bounds: the time is linear in the text.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from unicodedata import normalize

from neo_mcp.hidden_text import without_introducers

MASK = "[redacted: secret]"
FIELDS = frozenset({"secret", "fnsecret"})
TREES = frozenset({"environmentvariables", "environmentvariable", "envvariables", "envvars", "envvar"})
MAPPINGS = frozenset({"env"})
"""Names of variables if they name several, and of something else if they name one text."""

VALUES = frozenset({"value", "objectvalue", "plaintext"})
"""Where Pulumi has a value beside ``"secret": true``."""

ENVIRONMENT, VARIABLES = "environment", "variables"
OWN_SECRET = ("4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270")
"""The marks of a secret in an exported stack: this key, and this value."""

FILLER = "\0"
"""Stands for the rest of an escape, so that every character of :func:`unescaped` stays at its index."""

_MARKS = "\"'`"
_FIRST_MARK = 0xE000
_MARKS_OF_A_KIND = 0x80
_LAST_BACKSLASHES, _FIRST_ENTITY, _FIRST_PERCENT, _MAX_NESTING = 90, 91, 108, 16
QUOTES = f"{_MARKS}\ue000-\ue17f\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"
"""Quotation marks; the private ones stand for those that are escaped, one for each number of backslashes."""

QUOTE_CHARACTERS = "".join(
    chr(code)
    for first, last in re.findall("(.)(?:-(.))?", QUOTES)
    for code in range(ord(first), ord(last or first) + 1)
)
QUOTE = rf"(?:\\*+[{QUOTES}]\0*+)"
BLANKS = r"(?:[\s\0]*+)"
_J = r"[\0\t _.\-\u00a0]*+"
"""Separators that may be between the letters of a name."""

_NO_LETTER = re.compile(r"[\W_]+")
_NO_LETTERS = bytes(code for code in range(256) if not chr(code).isalpha() or code > ord("z"))
_NAMED_ENTITIES = {
    "quot": '"',
    "apos": "'",
    "grave": "`",
    "lt": "<",
    "gt": ">",
    "colon": ":",
    "equals": "=",
    "comma": ",",
    "lbrace": "{",
    "lcub": "{",
    "rbrace": "}",
    "rcub": "}",
    "lbrack": "[",
    "lsqb": "[",
    "rbrack": "]",
    "rsqb": "]",
    "lpar": "(",
    "rpar": ")",
    "nbsp": " ",
    "lowbar": "_",
    "Tab": " ",
    "NewLine": "\n",
    "hyphen": "-",
    "bsol": "\\",
    "num": "#",
    "sol": "/",
}
# Their first character; the beginning of one, to look for in every text; the whole.
_ESCAPES = (
    (
        "\\",
        r"\\(?:u(?:00[0-7aAbB]|20|25|[fF]|\{)|[xU0147])",
        (
            r"\\(?<!\\\\)\\*+(?:u00(?:[0-7][0-9a-fA-F]|[aA][0bB]|[bB][bB])|u20(?:1[89cCdDeE])|u2502"
            r"|u[fF][fF][0-5][0-9a-fA-F]|u\{0{0,4}[2-7][0-9a-fA-F]\}|U000000[2-7][0-9a-fA-F]"
            r"|x[2-7][0-9a-fA-F]|0?(?:4[0-7]|7[2-5]|1[0-7][0-7]))"
        ),
    ),
    (
        "&",
        r"&[#a-zA-Z]",
        (
            r"&(?:amp;)*+(?:#(?:[xX]0{0,4}[2-7][0-9a-fA-F]|0{0,4}(?:3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-6]))"
            rf"|(?:{'|'.join(_NAMED_ENTITIES)})\b);?"
        ),
    ),
    ("%", r"%[02-7cC][0-9a-fA-F]", r"(?:%5[cC])*+%(?:25)*+(?:[2-7][0-9a-fA-F]|0[aAdD9])|%[cC]2%[aA]0"),
)
_PARTS_OF_ESCAPE = re.compile(
    r"(?P<before>\\++|&(?:amp;)*+|(?:%5[cC])*+%(?:25)*+|%[cC]2%)"
    r"(?:#?[uUxX]?\{?(?P<hex>[0-9a-fA-F]+)\}?;?|(?P<name>\w+);?)"
)
_NUMBER = r"\d{1,7}(?:[:|\u2192]|[ ]{1,2}[|\u2502]|(?=\t|\0*+[ ]\0))"
_FILE = r"[\w./\\]{1,100}[:\-]\d{1,7}[:\-]|[\w.\-]{1,60}[ ]{1,40}\|(?=[ ])"
_HUNK = r"@@[ ]-[\d, +]{1,40}[ ]@@"
_JOINED = r"[+\-]{2}(?![+\-\n])|[+\-](?=[ \t]{2}|[^\s\-\d>]|[ ]?[\[\]{}()]{0,3}[,;]?(?:\n|\Z))"
_SIGNS = r"(?:\u2502[ ]{0,8})?(?:[+~<>]{1,9}|[+\-~]{2}|(?<=\u2502))(?=[\0 \t\n])"
_MARGIN = (
    rf"(?:\n|\A)\0*+(?:(?P<joined>{_JOINED})|[ \t]*+(?=[\w./\\+\-~<>@\u2502])"
    rf"(?:{_NUMBER}|{_FILE}|{_HUNK}|(?P<marks>{_SIGNS})))\0*+"
)
"""The margin of a line: its number, the name of its file, and marks such as those of differences.

These marks, which not every line has, are as wide as the blanks in other lines; the rest is of no width.
"""

_MARGIN_IN_TEXT = (
    rf"(?<=[{QUOTES}])\0*+(?:[ ]*+\d{{1,7}}(?:\u2192|[ ]{{1,2}}[|\u2502]|\t|\0*+[ ]\0)"
    r"|[\w./\\]{1,100}:\d{1,7}:(?!\d))\0*+"
)
"""The margin of the first line of a text in quotation marks."""

_MAX_MARGINS = 50_000
_SPARSE = 100
"""Characters for each name from which on searching for the names alone is faster."""

_OF_STACK = "plaintext"
_ROOTS = ("secret", "env", VARIABLES, _OF_STACK)
"""The beginnings of the names, or all of them."""

_CREDENTIAL_ROOTS = ("passw", "passphrase", "apikey", "api_key", "api-key", "api key")
"""The same of names that mark a secret if the value looks like one."""

_IN_ROOTS = "cCvVxXwWhHkK"
"""Letters of which each of these has one."""

_ROOTS_OF_LETTERS = (b"secret", b"env", b"variables", b"plaintext", b"passw", b"passphrase", b"apikey")

_LINE_ESCAPES = (("\\n", "\n\0"), ("\\r", "\0\0"), ("\\t", " \0"))


def name_of(key: str) -> str:
    """The letters of ``key``, as this module writes names."""
    if key.isascii() and key.isprintable():
        if key.isalpha() and key.islower():
            return key
    else:
        key = normalize("NFKC", without_introducers(key))
    return _NO_LETTER.sub("", key).casefold()


class Names:
    """The names in a text.

    Attributes:
        text: The text in the same length, with the characters that its escapes stand for.
    """

    __slots__ = ("_after", "_lower", "_pattern", "_roots", "text")

    def __init__(self, text: str, letters: bytes) -> None:
        self.text = text
        roots = _ROOTS if OWN_SECRET[1] in text else _ROOTS[:-1]
        self._lower = text.lower()
        counts = {root: self._lower.count(root) for root in (*roots, *_CREDENTIAL_ROOTS)}
        is_joined = len(self._lower) == len(text) and all(
            counts[root] == letters.count(root.encode()) for root in roots
        )
        self._pattern = _key_pattern(of_stack=_OF_STACK in roots, is_joined=is_joined)
        is_sparse = is_joined and sum(counts.values()) * _SPARSE < len(text)
        self._roots = [root for root, count in counts.items() if count] if is_sparse else []
        self._after = dict.fromkeys(self._roots, -1)

    def next(self, position: int, end: int) -> re.Match[str] | None:
        """The next key from ``position`` on.

        Groups: one with the kind of the name, ``close`` with the quotation marks after it, ``item`` with the
        bracket after an index, ``separator``, which is empty before a brace.
        """
        if not self._roots:
            return self._pattern.search(self.text, position, end)
        while (start := self._next_root(position)) < end:
            match = self._pattern.match(self.text, start, end)
            if match is not None:
                return match
            position = start + 1
        return None

    def _next_root(self, position: int) -> int:
        for root, index in self._after.items():
            if index < position:
                found = self._lower.find(root, position)
                self._after[root] = found if found >= 0 else len(self.text)
        return min(self._after.values())

    def rewind(self) -> None:
        """Begin anew: the search after this may be further in front."""
        self._after = dict.fromkeys(self._roots, -1)

    def without_margins(self) -> None:
        """Put fillers in place of what is at the beginnings of lines beside the text itself."""
        self.text = _compiled(_MARGIN).sub(_filled, self.text, _MAX_MARGINS)
        self.text = _compiled(_MARGIN_IN_TEXT).sub(_fillers, self.text, _MAX_MARGINS)


def _fillers(part: re.Match[str]) -> str:
    return FILLER * len(part[0])


def _filled(margin: re.Match[str]) -> str:
    marks = margin["joined"] or margin["marks"]
    if marks:
        return margin[0].replace(marks, " " * len(marks))
    line = "\n" if margin[0][0] == "\n" else ""
    return line + FILLER * (len(margin[0]) - len(line))


def names_in(text: str) -> Names | None:
    """The names in ``text``, or nothing if it can hold none; this costs little for most texts."""
    if any(mark in text and _compiled(begin).search(text) for mark, begin, _ in _ESCAPES):
        text = unescaped(text)
        letters = _letters(text)
        return Names(text, letters) if _may_name(letters) else None
    if not text.isascii() and not any(letter in text for letter in _IN_ROOTS):
        return None
    letters = _letters(text)
    return Names(_with_lines(text), letters) if _may_name(letters) else None


def may_name(text: str) -> bool:
    """True if ``text`` may hold such a name."""
    return names_in(text) is not None


def _letters(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass").translate(None, _NO_LETTERS).lower()


def _may_name(letters: bytes) -> bool:
    return any(map(letters.__contains__, _ROOTS_OF_LETTERS))


def unescaped(text: str) -> str:
    """Return ``text``, in the same length, with the characters that its escapes stand for."""
    for mark, _, expression in _ESCAPES:
        if mark in text:
            text = _compiled(f"(?:{expression})++").sub(_characters(_compiled(expression)), text)
    return _with_lines(text)


def _with_lines(text: str) -> str:
    if not text.isascii():
        text = text.replace("\uff1a", ":").replace("\uff1d", "=")
    if "\\" in text:
        for escape, shown in _LINE_ESCAPES:
            text = text.replace(escape, shown)
        if "\\\n\0" in text or "\\ \0" in text:
            # Within JSON in JSON there are more backslashes before each.
            text = _compiled(r"(?<!\\)\\++(?=[\n ]\0)").sub(_fillers, text)
    return text


def _characters(escape: re.Pattern[str]) -> Callable[[re.Match[str]], str]:
    """A function that replaces a row of such escapes."""

    def replace(row: re.Match[str]) -> str:
        return "".join(map(_character, escape.findall(row[0])))

    return replace


@lru_cache(2**12)
def _character(escape: str) -> str:
    """The character that ``escape`` stands for, filled up to its length."""
    parts = _PARTS_OF_ESCAPE.fullmatch(escape)
    if parts is None:
        return escape
    before, digits, name = parts.groups()
    if name is not None:
        char = _NAMED_ENTITIES.get(name, FILLER)
    else:
        char = normalize("NFKC", chr(_code(escape, before, digits)))
        char = char if char.isprintable() or char.isspace() else FILLER
    kind = _MARKS.find(char)
    if kind >= 0:
        char = chr(_FIRST_MARK + kind * _MARKS_OF_A_KIND + _nesting(before))
    return char + FILLER * (len(escape) - 1)


def _code(escape: str, before: str, digits: str) -> int:
    if before[0] == "%":
        return int(digits, 16)
    follows = escape[len(before) :].lstrip("#")[:1]
    if follows in {"u", "U", "x", "X"}:
        return int(digits, 16)
    return int(digits, 8 if before[0] == "\\" else 10)


def _nesting(before: str) -> int:
    if before[0] == "\\":
        return min(len(before), _LAST_BACKSLASHES)
    if before[0] == "&":
        return _FIRST_ENTITY + min(before.count("amp;"), _MAX_NESTING)
    return _FIRST_PERCENT + min(before.count("%") + before.count("25"), _MAX_NESTING)


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    # Late, as most texts need none of them.
    return re.compile(expression)


def _spelled(word: str, between: str) -> str:
    return between.join(f"[{char}{char.upper()}]" for char in word)


def _kinds(between: str) -> list[tuple[str, str, str]]:
    """The kinds of names: their group, first letter, and the rest of them.

    Args:
        between: An expression for what may be between the letters of a word.
    """
    env, variable = _spelled("nv", between), _spelled("var", between)
    ironment, iable = _spelled("ironment", between), _spelled("iable", between)
    return [
        ("field", "s", between + _spelled("ecret", between)),
        ("tree", "e", f"{between}{env}(?:{_J}{ironment})?{_J}{variable}(?:{_J}{iable})?(?:{_J}[sS])?"),
        ("variables", "v", f"{between}{_spelled(VARIABLES[1:], between)}(?==\\{{)"),
        ("environment", "e", f"{between}{env}{between}{ironment}"),
        ("env", "e", f"{between}{env}[sS]?+"),
        ("stack", "p", between + _spelled(_OF_STACK[1:], between)),
    ]


_FIELD, TREE_PATTERN = (f"[{kind[1]}{kind[1].upper()}]{kind[2]}" for kind in _kinds(_J)[:2])
_COMMENT = r"/\*[^*]{0,80}\*/|(?://|\#)[^\n]{0,80}\n"
_GAP = rf"(?:[\s\0]++|{_COMMENT}|\\(?=\s)){{0,20}}+"
_SEPARATOR = r"(?:(?:[:+|?]|\?\?|\|\|)\0*+)?=\0*+>?(?![=~])|:(?!\0*+:)|-\0*+>"
_PATH = r"(?:\[[^\]\[\n]{1,100}\]|\.[\w\-]{1,100}|\.[\"'][^\"'\n]{1,100}[\"']){0,4}+"
_OF_FORMAT = r"(?:[ ]\((?:json|yaml)\)(?=[ ][\[{]))?"
"""How a preview of Pulumi shows that a text is read as JSON."""

_MARKS_OF_TEXT = r"(?:[*_]{1,3}(?=[ ]))?+"
_CLOSE = rf"(?P<close>[\0_*~\-]*+{QUOTE}*+[\0*]*+)(?P<item>\]?)"
_OF_PAIR = rf"(?:,?{BLANKS}{QUOTE}*+[vV]alue{QUOTE}*+)?"


CREDENTIAL = (
    r"(?:(?<=[sS])(?i:ecret)|(?<=[pP])(?i:ass(?:word|wd|phrase))|(?<=[aA])(?i:pi[_\- ]?key))(?!_?[A-Za-z0-9])"
)
"""The last word of a name of a secret, as programs write it, behind its first letter."""


@cache
def _key_pattern(*, of_stack: bool, is_joined: bool) -> re.Pattern[str]:
    """A name with what separates it from its value."""
    kinds = _kinds("" if is_joined else _J)
    rest = "|".join(
        f"(?<=[{letter}{letter.upper()}])(?P<{kind}>{expression})"
        for kind, letter, expression in kinds
        if of_stack or kind != "stack"
    )
    # First a class of characters, which is found fast, and then what may not be before it.
    return re.compile(
        rf"[aAeEpPsSvV](?:(?<![^\W_].)(?<![^\W_][_/@\-].)(?:{rest})(?![^\W_])"
        rf"|(?P<credential>(?<=[sSpPaA]){CREDENTIAL}))(?(tree)(?:\.[\w\-]{{1,100}}){{0,4}}+)"
        rf"{_CLOSE}(?(credential)|{_PATH}){_OF_PAIR}[?!]?{_GAP}(?P<separator>{_SEPARATOR}|(?=\{{))\0*+{_MARKS_OF_TEXT}{_OF_FORMAT}"
    )


@cache
def marks_pair() -> re.Pattern[str]:
    """A field that says of a value beside it that it is secret: a mark, or its name."""
    separator = rf"{QUOTE}*+{BLANKS}[:=]{BLANKS}"
    return re.compile(
        rf"(?<![\w.\-/])(?:{_FIELD}{separator}{QUOTE}*+[tT]rue\b"
        rf"|(?:[nN]ame|[kK]ey){separator}{QUOTE}*+(?:[\w\-]{{1,60}}:)?(?:{_FIELD}|{TREE_PATTERN})(?![\w.\-/:]))"
    )


@cache
def section_pattern() -> re.Pattern[str]:
    """The line that begins a section of variables in TOML or INI."""
    return re.compile(
        rf"(?:\A|\n|[{QUOTES}])(?:[^\S\n]|\0)*+\[{{1,2}}(?:[\w\- \"']{{1,60}}\.){{0,4}}"
        rf"[\"']?(?:{TREE_PATTERN}|[eE][nN][vV])"
        r"[\"']?(?:\.[\w\- \"']{1,60}){0,4}\]{1,2}(?:[^\S\n]|\0)*+(?:\#[^\n]{0,400})?(?=\n)"
    )


@cache
def element_pattern() -> re.Pattern[str]:
    """The tag that begins an element of XML whose name, or whose key before it, is one of these names."""
    name = f"{_FIELD}|{TREE_PATTERN}"
    return re.compile(
        rf"<(?:\w{{1,40}}:)?(?:{name})(?![\w\-.:])(?:[^<>/]|/(?!>)){{0,200}}+>"
        rf"|<\w{{1,40}}>(?:{name})</\w{{1,40}}>{BLANKS}<\w{{1,40}}>"
        rf"|<\w{{1,40}}\s[^<>]{{0,80}}=[\"'](?:{name})[\"'][^<>/]{{0,80}}>"
    )
