"""Mask literals that code puts behind the name of a secret: defaults of look-ups, typed variables, arguments.

In ``os.getenv("DB_PASSWORD", default)`` and ``const secret string = value`` more than a separator is between
the name and the value. Only quoted texts that may be a secret are masked.

Owns what looks like a secret under a name such as ``password``, which other things have as well.
"""

import re
from functools import cache

from neo_mcp.core.secret_keys import Key
from neo_mcp.core.secret_lines import DASHES, ITEM
from neo_mcp.core.secret_names import BLANKS, CREDENTIAL, QUOTE_CHARACTERS, QUOTES
from neo_mcp.core.secret_reach import MAX_ACROSS
from neo_mcp.core.secret_tokens import BLANK, OF_TYPES, OPENS, TO_CONTENT, Q, S, is_secret_like
from neo_mcp.core.secret_values import WORD_OF_SHELL
from neo_mcp.core.secret_variables import Variables

MAX_NAME, _MAX_WORD = 60, 400
_IN_NAME = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-"
_BLOCK = re.compile(
    rf"(?:{S}|\0)*+(?:[!&][\w!]{{0,40}}{S}++){{0,2}}+[|>][+\-0-9]{{0,2}}(?:{S}|\0)*+(?:\#[^\n]{{0,400}}+)?\n"
)
_AROUND_WORD = ",;)}]\\\0" + QUOTE_CHARACTERS
_IDENTIFIER = r"[A-Za-z_]\w{0,80}"
_REFERS = re.compile(
    rf"[&*@!]?(?:[\[({{]|\$[({{]|\$[A-Za-z_]\w{{0,80}}\Z"
    rf"|{_IDENTIFIER}(?:(?:\.|::|->|[?!]\.){_IDENTIFIER}){{1,9}}+(?:\Z|[(\[<{{])|{_IDENTIFIER}[(\[<])"
)
OF_RESOURCE = r"(?<![\w:])[a-z][\w\-]{0,40}:[\w\-./]{1,60}:[A-Z]\w{0,60}[*_`~ \t]*+"
"""The type of a resource, as previews have it."""

_OF_RESOURCE = re.compile(rf"{OF_RESOURCE}:[*_`~ \t]*+\Z")
_MAX_TYPE = 180
_OR_LITERAL = re.compile(
    rf"(?:\|\||\?\?|\?:|\bor\b){S}*+(?={Q})"
    rf"|(?i:getenv|environ\.get|env\.fetch|getordefault|\benv)\({S}*+{Q}[\w.\-]{{1,80}}{Q}{S}*+,{S}*+(?:default{S}*+={S}*+)?(?={Q})"
)
"""The text between a reference and the literal in its place."""

_TO_SECRET = re.compile(
    rf"(?i:existing|image_?pull|/auth)[_\-]?(?i:secret)[\0{QUOTES}\\]*+{BLANKS}[:=]\0*+\Z"
)
_IN_CLUSTER = re.compile(rf"{Q}?+[a-z0-9][a-z0-9.\-/]{{0,120}}+(?:{Q}|{S}*+(?:\Z|[\n,}}\]#]))")
_OF_TYPE = re.compile(r"[A-Z][A-Za-z]{1,60}(?:::|\$)")
_TYPES = re.compile(r"[A-Z][a-z]{1,40}(?:[A-Z][a-z]{1,40}){1,9}")
_STRONG = re.compile(
    r"(?=\D{0,200}\d)(?=[^A-Za-z]{0,200}[A-Za-z])|\d{4,200}\Z|[\w.:/\-]{0,200}+[!#%^&+=~@$*?]\w"
)
_NAMES_SECRET = re.compile(r"[A-Za-z_]*(?i:secret|passw|passphrase|key)[A-Za-z_]*")
_OF_FIELD = re.compile(rf"[\s\0{{]*+{Q}?+(?:default|value){Q}?+{BLANKS}[:=]{BLANKS}{Q}?+")
_CALLED = re.compile(
    r"(?:get|env|fetch|read|look|conf|cfg|setting|prop|param|option|arg|default|var|flag|set|put|define|entry|string"
    rf"|add|insert)\w{{0,40}}[?!]?(?:<[\w .|]{{1,40}}>)?\(?{BLANKS}{Q}-{{0,2}}\Z|\.of\({BLANKS}{Q}\Z",
    re.IGNORECASE,
)
"""The beginning of a call that reads or sets something by its name."""

_IS_DEFINED = re.compile(
    rf"(?:\A|[\n{QUOTES}]|[:\]][ ])[\0 \t+\-]*(?:\#define|ENV|ARG|setenv|set[ ]-g?x)[ \t]\Z"
)
_IS_SET = re.compile(r"config[ ]set[ ](?:--[\w\-]{1,40}(?:=\S{1,80})?[ ]){0,4}(?:--)?\Z")
_TO_NEXT_WORD = re.compile(r"\S++[ ]++")
_SETS = re.compile(r"(?:\.|set_?|with_?)\Z", re.IGNORECASE)
_IS_CREATED = re.compile(r"\bnew\s{1,8}[\w.]{0,50}\.\Z|(?<![\w.)\]])[a-z]\w{0,30}\.[a-z]\w{0,30}\.\Z")
_IS_OPTION = re.compile(r"[\s\0]--\Z")
_IS_EXPANDED = re.compile(r"\$\{\Z")
_IN_CALL = (
    r"(?:[\w.\[\]:]{0,40}(?:[sS]tring|[fF]rom|bytes?|str|of"
    rf"|(?<![gG]et)(?<![gG]et_)(?<![tT]ry)(?<!try_)(?<!equire)(?<!equire_)[sS]ecret)\({BLANKS})?"
)
_TO_LITERAL = re.compile(rf"(?:[!&][\w!]{{0,40}}{S}++){{0,2}}+(?:{_IN_CALL}(?=[A-Za-z@$]{{0,2}}{Q}))?")


@cache
def _literals() -> re.Pattern[str]:
    """The name of a secret with what is between it and a literal."""
    closed = rf"{Q}{BLANKS}[\])]"
    block = rf"(?:\|\w{{0,40}}\|{BLANKS}|\(\){BLANKS}->{BLANKS})?"
    of_type = rf"{S}++(?:[aA]s[ ])?(?:{OF_TYPES}|[*&]\w{{1,40}}|\[\]\w{{1,40}})"
    between = (
        rf"(?P<argument>{Q}{BLANKS},{BLANKS}(?:(?:\{{{BLANKS})?(?i:default|fallback|value)(?i:_?value)?{BLANKS}[=:]{BLANKS})?)",
        # Operators with the value of what has no other.
        rf"(?:{Q}{BLANKS}[\])]|{Q})?{BLANKS}(?:(?:\|\||\?\?|\?:)|\?{BLANKS}[\w.]{{1,80}}{BLANKS}:){BLANKS}",
        rf"{closed}(?:{S}++:|{BLANKS}if\b[^\n{QUOTES}]{{1,80}}\belse){BLANKS}",
        rf"{Q}{S}*+\{{[^{{}}]{{0,400}}?\bdefault{S}*+={S}*+",
        rf"(?P<setter>(?<![tT])\({BLANKS})",
        rf"{closed}{BLANKS}(?:or\b|\{{{BLANKS}{block}){BLANKS}",
        rf"{closed}{BLANKS}[?!]?\.(?:unwrap_or|or_?[eE]lse|get_?[oO]r|or)\w{{0,20}}\({BLANKS}{block}",
        rf"(?:{closed})?{S}*+\|{S}*+default\({BLANKS}",
        # Variables with a type, several at once, and properties.
        rf"(?:\[\w{{0,10}}\](?:{of_type})?|(?:{S}*+,{S}*+\w{{1,40}}){{1,3}}+(?:{of_type})?|{of_type}){S}++:?={S}*+",
        rf"{S}*+\{{[^{{}}\n]{{0,60}}\}}{S}*+={S}*+",
        rf"(?<=PASSWORD){S}++|{S}++(?i:text|varchar(?:\(\d{{1,4}}\))?){S}++(?i:default){S}++",
    )
    return re.compile(
        rf"[sSpPaA]{CREDENTIAL}(?:(?:{'|'.join(between)})(?P<literal>{_IN_CALL}(?:[A-Za-z@$]{{1,2}})?(?={Q}))"
        r"|(?P<defined>[ \t]++(?=\S))|(?P<expanded>:?[\-=]))"
    )


def is_strong(word: str) -> bool:
    """True if no name and no word of a sentence is like ``word``."""
    return _STRONG.match(word) is not None and _REFERS.match(word) is None


def _is_word(line: str) -> bool:
    """True if ``line`` is one word that may be a secret."""
    word = line.strip(BLANK + "\\" + QUOTE_CHARACTERS)
    return " " not in word and word[-1:] != ":" and is_secret_like(word) and not _REFERS.match(word)


class Literals(Variables):
    """Masks literals that code puts behind the name of a secret."""

    def _literals(self) -> None:
        for match in _literals().finditer(self._text):
            self._begin = match.end()
            self._tick()
            begin = self._name_begin(match.start())
            if match["literal"] is not None:
                self._behind(match, begin)
            elif match["defined"] is not None:
                before = max(begin - MAX_NAME, 0)
                is_option = (
                    match[0][0] not in "sS" and _IS_OPTION.search(self._text, before, begin) is not None
                )
                if _IS_SET.search(self._text, before, begin):
                    is_flag = self._text.startswith("--", begin - 2)
                    self._word(
                        self._after(_TO_NEXT_WORD, match.end()) if is_flag else match.end(), is_option=False
                    )
                elif is_option or _IS_DEFINED.search(self._text, before, begin):
                    self._word(match.end(), is_option=is_option)
            elif _IS_EXPANDED.search(self._text, max(begin - MAX_NAME, 0), begin):
                end = self._text.find("}", match.end(), self._line_end(match.end()))
                self._mask(match.end(), end if end >= 0 else match.end())

    def _behind(self, match: re.Match[str], begin: int) -> None:
        """Mask the literal behind a name that begins at ``begin``."""
        before = max(begin - MAX_NAME, 0)
        if match["setter"] is not None:
            is_created = match[0][0].isupper() and _IS_CREATED.search(self._text, before, match.start())
            if not is_created and _SETS.search(self._text, max(begin - 1, 0), match.start()):
                self._literal(match.end(), is_sure=False)
        elif match["argument"] is None or _CALLED.search(self._text, before, begin):
            self._literal(match.end())

    def _name_begin(self, position: int) -> int:
        """Where the name begins whose last word is at ``position``."""
        before = self._text[max(position - MAX_NAME, 0) : position]
        return position - len(before[len(before.rstrip(_IN_NAME)) :].lstrip(".:-"))

    def _may_be_secret(self, key: Key, position: int) -> bool:
        """True if the value behind ``position``, of a key such as ``password``, looks like one."""
        if key.separator == "" or self._text.startswith("?", position) or self._is_named(key, position):
            return False
        line = self._line_end(position)
        start = self._after(_TO_LITERAL, self._after(TO_CONTENT, position))
        if OPENS.match(self._text, start, self._end):
            with self._until(min(start + MAX_ACROSS, len(self._text))):
                quoted = self._quoted(start)
            text = self._text[quoted.start : quoted.end]
            return is_secret_like(text) and (not key.names_secrets or is_strong(text))
        if (field := _OF_FIELD.match(self._text, position)) is not None:
            return self._is_strong_word(field.end())
        if self._text.startswith("#", start) and start > position:
            start = self._after(TO_CONTENT, line)
        if start >= line or _BLOCK.match(self._text, position):
            return key.column >= 0 and self._is_below(key, position, start)
        part = self._text[start : min(line, start + _MAX_WORD)]
        if _REFERS.match(part.partition(" ")[0]) and (
            default := _OR_LITERAL.search(self._text, start, start + len(part))
        ):
            self._literal(default.end(), is_sure=False)
        return self._is_bare_secret(key, part, is_joined=start == position)

    def _is_named(self, key: Key, position: int) -> bool:
        """True if the value is a name: of a resource, behind its type, or of a secret in a cluster."""
        before = self._text[max(position - _MAX_TYPE, 0) : position].rstrip("\0")
        if key.names_secrets and _TO_SECRET.search(before) is not None:
            return _IN_CLUSTER.match(self._text, self._after(TO_CONTENT, position)) is not None
        if key.separator != ":":
            return False
        if _OF_RESOURCE.search(before) is not None:
            return True
        match = _OF_TYPE.match(self._text, position)
        if match is None:
            return False
        name = match[0].rstrip("$:")
        begin = position - 1 - len(name)
        own = self._text[max(begin, 0) : position - 1]
        is_module = self._text.startswith("/", max(begin - 1, 0))
        return is_module and own[1:] == name[1:] and own[:1] == name[:1].lower()

    def _is_below(self, key: Key, position: int, start: int) -> bool:
        """True if a block, or one word that may be a secret, is on the lines below a key."""
        end = self._line_end(start)
        indent, content = self._column(self._text.rfind("\n", position, start) + 1)
        content = self._after(DASHES, content)
        if _BLOCK.match(self._text, position) or _BLOCK.match(self._text, content):
            return True
        is_deeper = indent > key.column or content > start
        is_named = ITEM.match(self._text, content, end) is not None
        return is_deeper and not is_named and _is_word(self._text[content : min(end, content + _MAX_WORD)])

    def _is_bare_secret(self, key: Key, line: str, *, is_joined: bool) -> bool:
        """True if the first word of ``line`` may be a secret, rather than a name or a word of a sentence."""
        first, _, rest = line.partition(" ")
        word = first.rstrip(_AROUND_WORD)
        if not is_secret_like(word) or _REFERS.match(word) or _TYPES.fullmatch(word):
            return False
        if _STRONG.match(word) or key.names_secrets:
            return _STRONG.match(word) is not None
        is_assigned = key.separator.endswith("=")
        if is_joined and is_assigned and key.name.isupper():
            return True
        is_code = (is_assigned and not is_joined) or word != first.rstrip("\\\0")
        return key.column >= 0 and not rest.strip(BLANK) and not is_code and not _NAMES_SECRET.fullmatch(word)

    def _is_strong_word(self, start: int) -> bool:
        word = WORD_OF_SHELL.match(self._text, start, self._line_end(start))
        return word is not None and is_strong(word[0].rstrip(_AROUND_WORD))

    def _literal(self, start: int, *, is_sure: bool = True) -> None:
        if OPENS.match(self._text, start) is None:
            return
        with self._until(max(self._raw_line_end(start), start)):
            quoted = self._quoted(start)
            text = self._text[quoted.start : quoted.end]
            if is_secret_like(text) and (is_sure or is_strong(text)):
                self._flow(start)

    def _word(self, start: int, *, is_option: bool) -> None:
        """Mask the word, or the text in quotation marks, behind a variable or an option of a command."""
        if OPENS.match(self._text, start):
            self._literal(start)
            return
        if self._text.startswith(("-", "<", "[", "$"), start):
            return
        word = WORD_OF_SHELL.match(self._text, start, self._line_end(start))
        if word is not None and (_STRONG.match(word[0]) if is_option else is_secret_like(word[0])):
            self._mask(*word.span())
