"""Find where the variables of an environment begin, which may be below it or what a method is called with."""

import re

from neo_mcp.core.secret_names import BLANKS, calls_with_variables, options_with_variables
from neo_mcp.core.secret_pairs import Pairs
from neo_mcp.core.secret_reach import MAX_ACROSS
from neo_mcp.core.secret_tokens import OPENS, Q, S

_TYPE_NAME = r"(?:new\b[^\S\n]*+)?[&*]?[\w.]{0,80}(?:\(\))?(?:\[\w{0,20}\]\w{1,20})?"
_NO_ENTRY = r"\#[^\n]{0,400}+\n|&[\w\-]{1,60}\s|<<:[^\n]{0,400}+\n"
_BEFORE_VARIABLES = (
    rf"(?:[\s\0{{+~*>|\-]++|{Q}|{_NO_ENTRY}|(?:new\b\s++)?[&*]?[\w.]{{1,80}}(?:\(\))?\s*+\{{){{0,60}}+"
)
_OTHER_ENTRIES = rf"(?:[a-z][\w.\-]{{0,60}}{BLANKS}[:=][^\n]{{0,400}}\n[\0 \t+~\-]++){{0,20}}"
_NAMES_VARIABLES = re.compile(
    rf"{_BEFORE_VARIABLES}[vV]ariables(?P<below>){Q}*+{BLANKS}(?:[:=]|(?=\{{))"
    rf"|{_BEFORE_VARIABLES}{_OTHER_ENTRIES}{Q}?+[A-Z][A-Z0-9_]*+{Q}?+{BLANKS}[:=]"
    rf"|(?:[\s\0]++|{_NO_ENTRY}){{0,60}}+[\[\-](?:[\s\0\[{{+~\-]|\d{{1,4}}\]{BLANKS}:|[A-Z][A-Z0-9_]*+\n)*+"
    rf"{Q}?+(?:[A-Z][A-Z0-9_]*+{Q}?+(?:=|{BLANKS}:)|(?:[nN]ame|[kK]ey|[vV]alue){Q}?+{BLANKS}:)"
)
_VARIABLE = re.compile(rf"(?:[\-*]{S})?{Q}?+[A-Z][A-Z0-9_]*+{Q}?+(?:=|{S}*+:(?:{S}|\n|\Z)|{S}=)")
_MAX_LINES = 40
_ARGUMENTS = re.compile(r"(?:[ ]?(?!-)[^\s\\|;&]+)*+")
_IS_BELOW = re.compile(rf"(?:{S}|\0)*+(?:{_TYPE_NAME}[{{\[(]|(?:\#[^\n]{{0,400}})?\n|\Z)")
IS_ENVIRONMENT = re.compile(r"(?:[\s\0\[{(]|new\b(?:\[\])?)*+[&*]?[\w.]{0,40}EnvVar\w{0,20}[\s\0]*[({]")
"""A value of which the types of variables say what it is."""


class Variables(Pairs):
    """Finds where the variables of an environment begin."""

    def _names_variable(self, position: int) -> bool:
        """True if one of the first lines below, which have the same indentation, is a variable."""
        line = self._line_end(position)
        if _IS_BELOW.match(self._text, position) is None:
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

    def _calls(self) -> None:
        """Mask the variables that a method is called with, as Java does."""
        for call in calls_with_variables().finditer(self._text):
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
        for option in options_with_variables().finditer(self._text):
            self._begin = option.end()
            self._tick()
            start, line = option.end(), self._line_end(option.end())
            if OPENS.match(self._text, start):
                self._mask_text(self._quoted(start))
            else:
                self._mask(start, _ARGUMENTS.match(self._text, start, line).end())

    def _variables(self, position: int) -> int | None:
        """Where the variables of an environment begin, which may be in a field among others."""
        variables = _NAMES_VARIABLES.match(self._text, position)
        if variables is None:
            return position if self._names_variable(position) else None
        if variables["below"] is None:
            return position
        return variables.end() if _IS_BELOW.match(self._text, variables.end()) else None
