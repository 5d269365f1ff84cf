"""Find where the variables of an environment begin, which may be below it or what a method is called with."""

import re

from neo_mcp.core.secret_names import BLANKS, calls_with_variables
from neo_mcp.core.secret_pairs import Pairs
from neo_mcp.core.secret_tokens import Q, S

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
_IS_BELOW = re.compile(rf"(?:{S}|\0)*+(?:{_TYPE_NAME}[{{\[(]|(?:\#[^\n]{{0,400}})?\n|\Z)")


class Variables(Pairs):
    """Finds where the variables of an environment begin."""

    def _calls(self) -> None:
        """Mask the variables that a method is called with, as Java does."""
        for call in calls_with_variables().finditer(self._text):
            self._begin = call.end()
            self._tick()
            start = call.end() - 1
            with self._until(max(self._line_end(start), self._data_end(start, is_cut=False))):
                self._bracket(start, is_code=True)

    def _variables(self, position: int) -> int | None:
        """Where the variables of an environment begin, which may be in a field among others."""
        variables = _NAMES_VARIABLES.match(self._text, position)
        if variables is None or variables["below"] is None:
            return None if variables is None else position
        return variables.end() if _IS_BELOW.match(self._text, variables.end()) else None
