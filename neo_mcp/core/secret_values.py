"""Mask values as JSON and code write them: quoted texts, brackets, expressions, bare words."""

import re

from neo_mcp.core.secret_names import BLANKS, QUOTES, Names
from neo_mcp.core.secret_reach import OPERATOR_END, PARTNERS, Reach
from neo_mcp.core.secret_tokens import (
    IS_CONSTANT,
    KEY_END,
    LINE_BEFORE,
    NEXT_KEY,
    OPENS,
    SPACING,
    TO_CONTENT,
    VARIABLE_NAME,
    Q,
    S,
)

_MAX_NESTED = 4
"""Maximum levels of values within expressions that stay."""
_WRAPS = re.compile(
    r"(?:(?-i:secret)|of|from\w*|\w*string|str|bytes|\w*encode\w*|\w*decode\w*|b64\w*|concat|join|format|interpolate"
    r"|literal|value|create|push|unsafe\w*|set\w*)\Z",
    re.IGNORECASE,
)
_GOES_ON = re.compile(rf"{BLANKS}(?:[+.|&~?:]{{1,2}}{BLANKS}(?:{Q}|\w)|(?!```){Q}|[?.]\w)")
_LOOKS_UP = re.compile(r"(?:get|require|lookup)\w*|setdefault|pop|environ", re.IGNORECASE)
_IS_CODE = re.compile(
    r"\*\*[a-z_]|\.\.\.[a-z_]|(?:for|if|or|and|else|in|lambda|await|not|async)\b|[A-Z]+_[A-Z_]+(?:\.|\Z)|[A-Z_]{2,}\."
)
_CLOSES_STATEMENT = re.compile(rf"{S}*+(?:\Z|\n)")
_CLOSES_COMMAND = re.compile(r";(?:[\s\0]|\Z)")
WORD_OF_SHELL = re.compile(
    r"(?:\[redacted: [\w -]{1,40}\]|\\[^\n]|\"[^\"\n]{0,400}\"|'[^'\n]{0,400}'|\$\([^)\n]{0,400}\)"
    r"|[;|&<>](?![\s\0;|&]|\Z|[\w.%\-]{1,60}=)|[^\s;|&<>])++"
)
_NEXT_FIELD = re.compile(r"&[\w.%\-]{1,60}=")
_IS_COMMAND = re.compile(
    r"[ \t\0]*+(?:[;|&<>]|(?<=[ \t])(?:[A-Za-z_][\w.\-]{0,60}+=|\\[\s\0]|\$\w|\.{0,2}/\w|~/"
    r"|(?:[\w./@:][\w.\-/@:=]{0,60}+[ ]++){1,6}+--?[a-zA-Z]"
    r"|(?:pulumi|aws|az|gcloud|kubectl|helm|docker|podman|terraform|tofu|npm|npx|yarn|pnpm|node|python[\d.]*|pip|uv|go"
    r"|make|cargo|mvn|gradle|dotnet|java|ruby|bundle|rails|psql|mysql|curl|wget|git|gh|ssh|bash|sh|env|sudo|exec)\b))"
)
"""The text behind a word that is the value of a variable for a command, or one of several fields."""

_VARIABLES = re.compile(
    rf"(?:[A-Za-z_]\w{{0,100}}=(?:{Q}[^{QUOTES}\n]{{0,400}}+{Q}|[^\s,;)}}\]{QUOTES}\\]){{1,400}}+"
    r"(?:,?[ ]{1,8}(?=[A-Z_]\w{0,100}=)|,)?)++"
)
"""Variables that are joined to the name of what they are in."""

_CLOSES_AROUND = re.compile(rf"{Q}(?={BLANKS}(?:\Z|[,;)}}\]])|{S}*\n)")
_MORE_TYPES = re.compile(r",[\w.?\[\], ]{1,60}(?:<[\w.?\[\], ]{1,60}>)?[?]?>(?=[\s({]|\Z)")
_CALLEE = re.compile(r"\w+\Z")
_INDEXED = frozenset({"word", "close", "quote"})
_STRUCTURE = frozenset({"open", "close", "comma", "line", "quote"})


class _Flow:
    """The state in which a value is read.

    Attributes:
        run: Where bare words begin; -1 if there are none.
        end: The end of the last token.
        is_complete: True if a quoted text or a bracket was read.
        is_spaced: True if something that separates is before the next token.
        is_word: True if a blank ends the value.
        is_code: True if names of other things in it stay.
    """

    __slots__ = ("end", "is_code", "is_complete", "is_spaced", "is_word", "run")

    def __init__(self, position: int, *, is_word: bool, is_code: bool) -> None:
        self.run, self.end = -1, position
        self.is_complete, self.is_spaced = False, True
        self.is_word, self.is_code = is_word, is_code


class _Brackets:
    """The state in which brackets are read.

    Attributes:
        open_ones: The brackets that are open.
        run: Where the words of a value begin; -1 if there are none.
        end: The end of the last token.
        last: Its kind.
        is_new: True if an entry begins.
        is_joined: True if nothing is between the token and the one before.
        is_spaced: True if something that separates is before the next token.
    """

    __slots__ = ("end", "is_joined", "is_new", "is_spaced", "last", "open_ones", "run")

    def __init__(self) -> None:
        self.open_ones: list[str] = []
        self.run, self.end, self.last = -1, 0, ""
        self.is_new, self.is_joined, self.is_spaced = False, False, True


class Values(Reach):
    """Masks values as JSON and code write them."""

    def __init__(self, names: Names, raw: str) -> None:
        super().__init__(names, raw)
        self._ranges: list[tuple[int, int, int]] = []

    def _flow(self, position: int, *, is_word: bool = False, is_code: bool = False) -> int:
        """Mask a value up to what ends it in JSON and code.

        Args:
            position: Where it begins.
            is_word: True if a blank ends it.
            is_code: True if names of other things in it stay.
        """
        flow = _Flow(position, is_word=is_word, is_code=is_code)
        while position < self._end:
            self._tick()
            kind, after = self._token(position, is_spaced=flow.is_spaced)
            if self._is_over(flow, kind, position, after):
                break
            if kind in {"blank", "line"}:
                flow.is_spaced, position = True, after
                continue
            position = self._add(flow, kind, position, after)
            flow.is_spaced, flow.end = kind == "comment", position
        if flow.run >= 0:
            self._mask(flow.run, flow.end)
        return flow.end

    def _word_end(self, start: int, line: int, *, is_field: bool, is_own_line: bool) -> int:
        """The end of a value before a command or a field, or of several variables; -1 if it is neither."""
        if not is_field:
            return -1 if is_own_line else self._after(_VARIABLES, start)
        end = min(line, self._end)
        word = WORD_OF_SHELL.match(self._text, start, end)
        is_over = word is not None and _IS_COMMAND.match(self._text, word.end(), end) is not None
        return word.end() if word is not None and is_over else -1

    def _is_over(self, flow: _Flow, kind: str, position: int, after: int) -> bool:
        """True if a value is over before this token."""
        is_begun = flow.run >= 0 or flow.is_complete
        match kind:
            case "blank":
                return flow.is_word and is_begun
            case "line":
                return is_begun and not self._goes_on(flow.end, after)
            case "comma":
                if flow.is_word and is_begun and _CLOSES_COMMAND.match(self._text, position, self._end):
                    return True
                return self._ends(position, is_complete=flow.is_complete and flow.run < 0)
            case "quote":
                is_joined = flow.run >= 0 and not flow.is_spaced
                return is_joined and _CLOSES_AROUND.match(self._text, position, self._end) is not None
            case _:
                is_field = is_begun and _NEXT_FIELD.match(self._text, position, self._end) is not None
                return kind == "close" or is_field

    def _add(self, flow: _Flow, kind: str, position: int, after: int) -> int:
        """Mask a part of a value, or add it to the words so far, and return its end."""
        if kind == "quote" and flow.run < 0:
            quoted = self._quoted(position)
            self._mask_text(quoted)
            flow.is_complete = True
            return quoted.after
        if kind == "open" and flow.run < 0:
            flow.is_complete = True
            return self._bracket(position, is_code=flow.is_code)
        if kind == "quote":
            return self._quoted(position).after
        if kind == "open":
            after, is_closed = self._skipped(position)
            self._is_open = self._is_open or not is_closed
            return after
        if kind == "comment":
            self._mask(position, after)
        elif kind != "prefix" and flow.run < 0 and not (flow.is_complete and flow.is_spaced):
            flow.run = position
        return after

    def _bracket(self, position: int, *, is_code: bool = False) -> int:
        """Mask what the bracket at ``position`` holds, except names of variables, and return its end.

        Args:
            position: Where the bracket is.
            is_code: True if names of other things in it stay.
        """
        brackets, begin = _Brackets(), position
        while position < self._end:
            self._tick()
            kind, after = self._token(position, is_spaced=brackets.is_spaced)
            brackets.is_joined, brackets.is_spaced = not brackets.is_spaced, kind in SPACING
            if kind in _STRUCTURE:
                self._end_run(brackets, kind, position, is_code=is_code)
            if kind in {"open", "close", "comma", "line"}:
                after = self._structure(brackets, kind, position, after, is_code=is_code)
                if not brackets.open_ones:
                    self._closed = begin, after
                    return after
            elif kind not in {"blank", "prefix"}:
                after = self._member(brackets, kind, position, after)
            if kind not in {"blank", "line"}:
                brackets.end, brackets.last = after, kind
            position = after
        self._end_run(brackets, "", position, is_code=False)
        self._is_open = True
        return position

    def _structure(self, brackets: _Brackets, kind: str, position: int, after: int, *, is_code: bool) -> int:
        """Note a bracket, comma or line end, and return its end, or that of an index."""
        text = self._text
        is_index = text[position] == "[" and brackets.is_joined and brackets.last in _INDEXED
        if kind == "open" and is_code and is_index:
            return self._skipped(position)[0]
        if kind == "open":
            brackets.open_ones.append(text[position])
        elif kind == "close" and PARTNERS[brackets.open_ones[-1]] == text[position]:
            brackets.open_ones.pop()
        is_between = kind == "line" and (brackets.end == 0 or text[brackets.end - 1] not in OPERATOR_END)
        brackets.is_new = kind in {"open", "comma"} or (kind == "line" and (brackets.is_new or is_between))
        return after

    def _member(self, brackets: _Brackets, kind: str, position: int, after: int) -> int:
        """Mask a part of a value, unless it is a name, and return its end."""
        name_end = self._shown_end(kind, position, after, brackets.open_ones[-1]) if brackets.is_new else -1
        brackets.is_new = False
        if name_end >= 0:
            brackets.is_spaced = True
            return name_end
        if kind == "quote":
            quoted = self._quoted(position)
            self._mask_text(quoted)
            return quoted.after
        if brackets.run < 0:
            brackets.run = position
        return after

    def _end_run(self, brackets: _Brackets, kind: str, position: int, *, is_code: bool) -> None:
        """Mask the words so far, unless they are a constant or, in code, refer to something elsewhere."""
        run, end = brackets.run, brackets.end
        brackets.run = -1
        if run < 0 or IS_CONSTANT.fullmatch(self._text, run, end):
            return
        is_called = kind == "open" and end == position
        if is_code and (is_called or brackets.open_ones[-1] == "(" or _IS_CODE.match(self._text, run, end)):
            return
        self._mask(run, end)

    def _ends(self, comma: int, *, is_complete: bool) -> bool:
        """True if a value ends at this comma or semicolon."""
        text = self._text
        if text[comma] == ";":
            return is_complete or _CLOSES_STATEMENT.match(text, comma + 1, self._end) is not None
        start = self._after(TO_CONTENT, comma + 1)
        if OPENS.match(text, start, self._end):
            return KEY_END.match(text, self._quoted(start).after, self._end) is not None
        return is_complete or NEXT_KEY.match(text, start, self._end) is not None

    def _goes_on(self, end: int, line: int) -> bool:
        """True if a value that ended before a line end goes on behind it, at ``line``."""
        text = self._text
        if end > 0 and text[end - 1] in OPERATOR_END:
            return True
        if not _GOES_ON.match(text, line, self._end):
            return False
        start = self._after(TO_CONTENT, line)
        if not OPENS.match(text, start, self._end):
            return True
        return KEY_END.match(text, self._quoted(start).after, self._end) is None

    def _skipped(self, position: int) -> tuple[int, bool]:
        """The end of what the bracket at ``position`` opens, and whether that is closed."""
        depth, is_spaced = 0, True
        while position < self._end:
            self._tick()
            kind, after = self._token(position, is_spaced=is_spaced)
            if kind == "quote":
                after = self._quoted(position).after
            depth += (kind == "open") - (kind == "close")
            is_spaced, position = kind in SPACING, after
            if depth <= 0:
                return position, True
        return position, False

    def _shown_end(self, kind: str, position: int, after: int, bracket: str) -> int:
        """The end of what stays where an entry begins: a name, or a reference; -1 if nothing does."""
        if (name := VARIABLE_NAME.match(self._text, position, self._end)) is not None:
            return name.end()
        begin = self._reference(position)
        opened = max(begin - 1, 0) if self._text[begin - 1 : begin] in PARTNERS else begin
        if begin >= 0 and self._text[opened : opened + 1] in PARTNERS:
            return self._skipped(opened)[0]
        return self._name(kind, position, after, bracket)

    def _name(self, kind: str, position: int, after: int, bracket: str) -> int:
        """The end of the name of a variable and what separates it from the value; -1 if it is none."""
        text = self._text
        if kind == "quote":
            quoted = self._quoted(position)
            key_end = KEY_END.match(text, quoted.after, self._end)
            if key_end is None or bracket == "(":
                return -1
            equals = text.find("=", quoted.start, quoted.end)
            if equals >= 0:
                self._mask(equals + 1, quoted.end)
            return key_end.end()
        if kind != "word" or bracket == "[":
            return -1
        key_end = KEY_END.match(text, after + text.startswith("?:", after), self._end)
        return key_end.end() if key_end and (bracket == "{" or "=" in key_end[0]) else -1

    def _expression(self, position: int, depth: int, *, is_masked: bool) -> int:
        """Mask the literals of an expression that refers to something elsewhere.

        Args:
            position: Where it begins.
            depth: Expressions around it.
            is_masked: True if this goes for all that its brackets hold.
        """
        text, begin, end = self._text, position, position
        is_spaced = True
        while position < self._end:
            self._tick()
            kind, after = self._token(position, is_spaced=is_spaced)
            is_spaced = kind in SPACING
            if kind == "comma" and (types := _MORE_TYPES.match(text, position, self._end)) is not None:
                kind, after = "other", types.end()
            if kind in {"close", "comma"} or (kind == "line" and not self._goes_on(end, after)):
                break
            if kind == "quote":
                quoted = self._quoted(position)
                self._mask_text(quoted)
                after = quoted.after
            elif kind == "open":
                after = self._argument(begin, position, depth, is_masked=is_masked)
            if kind not in {"blank", "line"}:
                end = after
            position = after
        return end

    def _argument(self, begin: int, position: int, depth: int, *, is_masked: bool) -> int:
        """The end of the arguments of a call, masked if they are what becomes the value."""
        callee = _CALLEE.search(self._text, max(begin, position - LINE_BEFORE), position)
        is_masked = is_masked and (callee is None or _LOOKS_UP.fullmatch(callee[0]) is None)
        if is_masked or depth >= _MAX_NESTED or (callee is not None and _WRAPS.fullmatch(callee[0])):
            with self._until(max(self._end, self._data_end(position, is_cut=False))):
                return self._bracket(position, is_code=is_masked)
        end, _ = self._skipped(position)
        self._ranges.append((position + 1, end, depth + 1))
        return end
