"""Mask literals that code puts behind the name of a secret: defaults of look-ups, typed variables, arguments.

In ``os.getenv("DB_PASSWORD", "hunter2")`` and ``const secret string = "hunter2"`` more than a separator is
between the name and the value. Only quoted texts that may be a secret are masked.
"""

import re
from functools import cache

from neo_mcp.core.secret_names import BLANKS, credential_pattern
from neo_mcp.core.secret_tokens import OF_TYPES, OPENS, Q, S, is_secret_like
from neo_mcp.core.secret_variables import Variables

_MAX_NAME = 60
_BEFORE_NAME = re.compile(r"[\w.:\-]{0,60}\Z")
_CALLED = re.compile(
    rf"(?:get|env|fetch|read|look|conf|cfg|setting|prop|param|option|arg|default|var|flag|set|put|define|entry|add|insert)"
    rf"\w{{0,40}}[?!]?(?:<[\w .|]{{1,40}}>)?\(?{BLANKS}{Q}\Z|\.of\({BLANKS}{Q}\Z",
    re.IGNORECASE,
)
_IS_DEFINED = re.compile(r"(?:\A|\n)[\0 \t+\-]*(?:\#define|ENV|ARG|setenv|set[ ]-g?x)[ \t]\Z")
_IS_EXPANDED = re.compile(r"\$\{\Z")
_BEFORE_LITERAL = rf"(?:(?:new{S})?[&*]?[\w.\[\]:]{{0,60}}\({BLANKS})?(?:[A-Za-z@$]{{1,2}})?(?={Q})"


@cache
def _literals() -> re.Pattern[str]:
    """The name of a secret with what is between it and a literal."""
    closed = rf"{Q}{BLANKS}[\])]"
    wraps = r"(?:unwrap_or|or_?[eE]lse|get_?[oO]r|or)\w{0,20}\("
    types = rf"(?:{OF_TYPES}|as[ ]{OF_TYPES}|[*&]\w{{1,40}}|\[\]\w{{1,40}}|text[ ]DEFAULT|varchar\(\d{{1,4}}\)[ ]DEFAULT)"
    return re.compile(
        rf"{credential_pattern()}(?:"
        rf"(?P<argument>{Q}{BLANKS},{BLANKS}(?:(?i:default|fallback|value)(?i:_?value)?{BLANKS}[=:]{BLANKS})?)"
        rf"|(?:{Q}{BLANKS}[\])]|{Q})?{BLANKS}(?:(?:\|\||\?\?|\?:){BLANKS}|\?{BLANKS}[\w.]{{1,80}}{BLANKS}:{BLANKS})"
        rf"|{closed}(?:{BLANKS}or\b{BLANKS}|{BLANKS}\{{{BLANKS}(?:\|\w{{0,40}}\|{BLANKS})?"
        rf"|{BLANKS}[?!]?\.{wraps}{BLANKS}(?:\|\w{{0,40}}\|{BLANKS}|\(\){BLANKS}->{BLANKS})?)"
        rf"|(?:{closed})?{S}*+\|{S}*+default\({BLANKS}"
        rf"|(?:\[\w{{0,10}}\])?(?:{S}*+,{S}*+\w{{1,40}}){{0,3}}+(?:{S}++{types})?{S}*+:?={S}*+"
        rf"|{S}*+\{{[^{{}}\n]{{0,60}}\}}{S}*+={S}*+"
        rf")(?P<literal>{_BEFORE_LITERAL})"
        rf"|{credential_pattern()}(?:(?P<defined>[ \t]++(?=\S))|(?P<expanded>:?[\-=]))"
    )


class Literals(Variables):
    """Masks literals that code puts behind the name of a secret."""

    def _literals(self) -> None:
        for match in _literals().finditer(self._text):
            self._begin = match.end()
            self._tick()
            low = max(match.start() - _MAX_NAME, 0)
            name = _BEFORE_NAME.search(self._text, low, match.start())
            begin = match.start() if name is None else name.start()
            if match["literal"] is not None:
                if match["argument"] is None or _CALLED.search(self._text, max(begin - _MAX_NAME, 0), begin):
                    self._literal(match.end())
            elif match["defined"] is not None:
                if _IS_DEFINED.search(self._text, max(begin - _MAX_NAME, 0), begin):
                    self._mask_line_from(match.end())
            elif _IS_EXPANDED.search(self._text, low, begin):
                end = self._text.find("}", match.end(), self._line_end(match.end()))
                self._mask(match.end(), end if end >= 0 else match.end())

    def _literal(self, start: int) -> None:
        if OPENS.match(self._text, start) is None:
            return
        with self._until(max(self._raw_line_end(start), start)):
            quoted = self._quoted(start)
            if is_secret_like(self._text[quoted.start : quoted.end]):
                self._flow(start)

    def _mask_line_from(self, start: int) -> None:
        if OPENS.match(self._text, start):
            self._literal(start)
        elif is_secret_like(self._text[start : self._line_end(start)]):
            self._mask(start, self._line_end(start))
