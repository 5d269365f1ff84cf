"""Find where the variables of an environment begin, which may be below it or what a method is called with."""

import re
from functools import cache

from neo_mcp.core.secret_names import (
    BLANKS,
    QUOTE,
    TREE_PATTERN,
    element_pattern,
    section_pattern,
)
from neo_mcp.core.secret_pairs import Pairs
from neo_mcp.core.secret_reach import MAX_ACROSS
from neo_mcp.core.secret_tokens import BLANK, LINE_BEFORE, OPENS, Q, S

_TYPE_NAME = r"(?:new\b[^\S\n]*+)?[&*]?[\w.]{0,80}(?:\(\))?(?:\[\w{0,20}\]\w{1,20})?"
_NO_ENTRY = r"\#[^\n]{0,400}+\n|&[\w\-]{1,60}\s|<<:[^\n]{0,400}+\n"
_BEFORE_VARIABLES = (
    rf"(?:[\s\0{{+~*>|\-]++|{Q}|{_NO_ENTRY}|(?:new\b\s++)?[&*]?[\w.]{{1,80}}(?:\(\))?{BLANKS}\{{){{0,60}}+"
)
_OTHER_ENTRIES = rf"(?:[a-z][\w.\-]{{0,60}}{BLANKS}[:=][^\n]{{0,400}}\n[\0 \t+~\-]++){{0,20}}"
_NAMES_VARIABLES = re.compile(
    rf"{_BEFORE_VARIABLES}[vV]ariables(?P<below>){Q}*+{BLANKS}(?:[:=]|(?=\{{))"
    rf"|{_BEFORE_VARIABLES}{_OTHER_ENTRIES}{Q}?+[A-Z][A-Z0-9_]*+{Q}?+{BLANKS}[:=]"
    rf"|(?:[\s\0]++|{_NO_ENTRY}){{0,60}}+[\[\-](?:[\s\0\[{{+~\-]|\d{{1,4}}\]{BLANKS}:|[A-Z][A-Z0-9_]*+\n)*+"
    rf"{Q}?+(?:[A-Z][A-Z0-9_]*+{Q}?+(?:=|{BLANKS}:)|(?:[nN]ame|[kK]ey|[vV]alue){Q}?+{BLANKS}:)"
)
_VARIABLE = re.compile(
    rf"(?:[\-*]{S}|\{{{S})?{Q}?+[A-Z][A-Z0-9_]*+{Q}?+(?:=|{S}*+[:,](?:{S}|\n|\Z)|{S}=)"
    rf"|[\-{{][\s\0]*+{Q}?+[nN]ame{Q}?+{S}*+[:=]"
)
_ENTRY_BEGIN = rf"[\s\0{{}}\[\],+~\-]*+{Q}?+"
_ENTRY_VALUE = rf"{Q}?+{BLANKS}[:={{]{BLANKS}{Q}?+[\w./\-]{{0,100}}+{Q}?+"
NAMES_SECRET = re.compile(
    rf"(?:{_ENTRY_BEGIN}(?:items|key|path|mode|(?i:default_?mode)|optional){_ENTRY_VALUE}){{0,20}}+"
    rf"{_ENTRY_BEGIN}(?:(?i:secret_?name)|name{_ENTRY_VALUE}{_ENTRY_BEGIN}items)"
    rf"{_ENTRY_VALUE}(?!{BLANKS},{BLANKS}{Q}?+(?!(?:items|optional|default_?[mM]ode)\b)\w)"
)
"""The fields of a volume of Kubernetes that names a secret rather than holds it."""

_OPENS_LINES = re.compile(r"[\[{(]\s*\Z")
_MAX_LINES = 40
_CUT_ELEMENT = re.compile(r"[^\s<>]++\Z")
_TAG = re.compile(r"<([\w:.-]{1,100})")
_ARGUMENTS = re.compile(r"(?:[ ]?(?!-)[^\s\\|;&]+)*+")
_IS_BELOW = re.compile(rf"(?:{S}|\0)*+(?:{_TYPE_NAME}[{{\[(]|(?:\#[^\n]{{0,400}})?\n|\Z)")
_IS_MAPPING = re.compile(rf"(?:{S}|\0)*+(?:[{{\[(]|(?:\#[^\n]{{0,400}})?\n|\Z)")
_ARE_LITERALS = re.compile(
    rf"(?:{S}|\0)*+[{{\[]{BLANKS}(?:(?:\*\*|\.\.\.)[\w.()]{{1,60}},{BLANKS}){{0,4}}{Q}?+\w{{1,80}}(?:{Q}?+{BLANKS}[:=]{BLANKS}{Q}|=)"
)
_ARE_TYPED = re.compile(r"(?:[\s\0\[{(]|new\b(?:\[\])?)*+[&*]?[\w.]{0,40}EnvVar\w{0,20}[\s\0]*[({]")
"""A value of which the types of variables say what it is."""


@cache
def _calls_with_variables() -> re.Pattern[str]:
    """The call of a method that sets variables, up to the bracket in which these are."""
    return re.compile(
        rf"\.(?:[vV]ariables|{TREE_PATTERN}|[eE]nv(?:ironment)?)\({BLANKS}(?:[A-Za-z]{{0,40}}Map|Map\.\w{{1,20}})(?:\.\w{{1,20}})?\("
        rf"|\.[eE]nv\((?={BLANKS}[\w.]{{0,40}}EnvVar)"
        rf"|(?<![A-Za-z0-9]){TREE_PATTERN}\.(?:update|putAll|merge|extend|append|add)\("
    )


@cache
def _options_with_variables() -> re.Pattern[str]:
    """An option of a command that sets variables."""
    return re.compile(
        rf"(?<=\s)--(?:(?:set|update|add|replace)-)?(?:{TREE_PATTERN}|[eE]nv(?:ironment)?)(?:=|[ ]{{1,8}})"
        rf"(?={QUOTE}|[A-Za-z_]\w{{0,100}}=)"
    )


class Variables(Pairs):
    """Finds where the variables of an environment begin."""

    def _is_env(self, position: int, *, is_code: bool) -> bool:
        """True if the value of ``env`` is variables: in a program, only literals with names are."""
        if _ARE_TYPED.match(self._text, position) is not None:
            return True
        if not is_code:
            return _IS_MAPPING.match(self._text, position) is not None
        line = self._line_end(position)
        if self._text[position:line].rstrip(BLANK)[-1:] == "{":
            begin = self._text.rfind("\n", max(position - LINE_BEFORE, 0), position) + 1
            if self._holds_texts(line + 1, self._column(begin)[0]):
                return True
        return _ARE_LITERALS.match(self._text, position) is not None

    def _names_variable(self, position: int) -> bool:
        """True if one of the first lines below, which are indented by more, is a variable."""
        line = self._line_end(position)
        opens = _OPENS_LINES.search(self._text, max(position, line - LINE_BEFORE), line)
        if opens is None and _IS_BELOW.match(self._text, position) is None:
            return False
        first, content = self._column(line + 1)
        begin = self._text.rfind("\n", max(position - MAX_ACROSS, 0), position) + 1
        for _ in range(_MAX_LINES if first > self._column(begin)[0] else 0):
            if _VARIABLE.match(self._text, content) is not None:
                return True
            self._tick()
            line = self._line_end(line + 1)
            indent, content = self._column(line + 1)
            if indent < first:
                break
        return False

    def _elements(self) -> None:
        """Mask the content of elements of XML."""
        if "</" not in self._text and "><" not in self._text:
            return
        position = 0
        while (tag := element_pattern().search(self._text, position)) is not None:
            self._begin = tag.end()
            self._tick()
            name = _TAG.match(self._text, self._text.rfind("<", tag.start(), tag.end()))
            position = self._text.find(f"</{name[1] if name else ''}", tag.end(), tag.end() + MAX_ACROSS)
            if position < 0:
                # Without an end it is a placeholder, unless the text is cut off in it.
                cut = _CUT_ELEMENT.match(self._text, tag.end())
                self._mask(*cut.span() if cut else (0, 0))
                return
            self._mask(tag.end(), position)

    def _sections(self) -> None:
        """Mask the values below the head of a section of TOML or INI."""
        position = 0
        while "[" in self._text and (head := section_pattern().search(self._text, position)) is not None:
            self._begin = head.end()
            self._tick()
            position = max(self._block(head.end() + 1, -1, is_section=True), head.end())

    def _calls(self) -> None:
        """Mask the variables that a method is called with, as Java does."""
        for call in _calls_with_variables().finditer(self._text):
            self._begin = call.end()
            self._tick()
            start, self._is_open = call.end() - 1, False
            with self._until(min(start + MAX_ACROSS, len(self._text))):
                end, is_closed = self._skipped(start)
            with self._until(end if is_closed else self._line_end(start)):
                end = self._bracket(start, is_code=True)
            self._open_lines(end)

    def _options(self) -> None:
        """Mask the variables in options of a command."""
        for option in _options_with_variables().finditer(self._text):
            self._begin = option.end()
            self._tick()
            start, line = option.end(), self._line_end(option.end())
            if OPENS.match(self._text, start):
                self._mask_text(self._quoted(start))
            else:
                with self._until(line):
                    self._mask(start, self._after(_ARGUMENTS, start))

    def _variables(self, position: int) -> int | None:
        """Where the variables of an environment begin, which may be in a field among others."""
        variables = _NAMES_VARIABLES.match(self._text, position)
        if variables is None:
            return position if self._names_variable(position) else None
        if variables["below"] is None:
            return position
        return variables.end() if _IS_BELOW.match(self._text, variables.end()) else None
