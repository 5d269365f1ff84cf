"""Search the values of keys that name a secret in any text: JSON, YAML, TOML, code, or prose with these.

Owns where such a value ends. Where that is unclear, more is masked rather than less; the names of variables
stay. A value stays if it is a constant or refers to something elsewhere, as code does.

Every character of a value is read once, and the number of tokens is bounded, which bounds the time.
"""

import re
from typing import NamedTuple

from neo_mcp.core.effort import Effort
from neo_mcp.core.secret_keys import BESIDE, Key
from neo_mcp.core.secret_lines import HERE_DOCUMENT
from neo_mcp.core.secret_markup import Markup
from neo_mcp.core.secret_names import (
    BLANKS,
    QUOTE_CHARACTERS,
)
from neo_mcp.core.secret_reach import LINE_BEFORE_TEXT, MARK, MAX_ACROSS, PLACEHOLDER, TO_VALUE, is_prose
from neo_mcp.core.secret_tokens import (
    ANNOTATION,
    BEGINS_TEXT,
    BLANK,
    CLOSES_TEXT,
    COMMENT,
    CONSTANT,
    IS_STRUCTURED,
    KEY_END,
    LINE_BEFORE,
    LINE_START,
    NEXT_KEY,
    NEXT_KEY_AHEAD,
    PLAIN,
    SEP,
    TO_CONTENT,
    TO_LINE_END,
    Q,
    S,
    TooLongError,
)
from neo_mcp.core.secret_variables import NAMES_SECRET

_SAME_NAME = r"(?-i:(?:[a-z][A-Za-z]{0,20})?Secret|secret)"
_NEXT_PARAMETER = rf"{S}*\*{{0,2}}[A-Za-z][\w<>?\[\].]*{S}+\w+{S}*(?:[,=)]|\Z)|{S}*\*{{1,2}}\w"
_END_AHEAD = rf"{S}*+\0*+(?:\Z|[\n;)}}\]]|,(?={NEXT_KEY_AHEAD}|{_NEXT_PARAMETER})|\#|//|{Q})"
_STAYS = re.compile(
    rf"(?:{_SAME_NAME}|z\.[a-z]{{3,10}}\(\)|{CONSTANT}(?:{S}*\|{S}*{CONSTANT}){{0,4}}|~)(?={_END_AHEAD})",
    re.IGNORECASE,
)
_ROOTS = (
    r"(?:process|import\.meta|Deno|os|env|environ|config|cfg|conf|settings|options|opts|args|argv|params|props|this"
    r"|self|ctx|context|vars?|locals?|data|module|each|inputs?|outputs?|steps|needs|github|event|request|req"
    r"|pulumi\w*|aws\w*|gcp\w*|azure\w*|random|tls|k8s|kubernetes|docker|System|Environment|secrets?|\w+Secret"
    r"|\w+Config|\w+_config)"
)
_EXPRESSION = re.compile(
    rf"(?:(?:new|await|typeof){S}+[\w$]|new[(\[]|(?:await{S}+)?{_ROOTS}(?:\?\.|\.|::|->|\[|\()|\$\{{\{{?{S}*{_ROOTS}\.)"
)
_COMPOSED = re.compile(r"[&*]?\w{1,60}\.[A-Z]\w{0,60}\{")
_CALL = re.compile(r"(?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*\(|[A-Za-z_]{3,60}\(")
_COMMENTS = re.compile(rf"(?:[\s\0]*+{COMMENT}){{1,20}}+[^\S\n]*+")
_COMPLEX_KEY = re.compile(r"\?\s{1,20}\Z")
_FENCE = re.compile(r"[\s\0]*+```[^\n`]{0,40}\n")
_IS_TYPE = re.compile(
    rf"[A-Z][A-Za-z]{{2,40}}(?:{S}?\|{S}?[A-Z][A-Za-z]{{2,40}}){{0,4}}\){S}*(?:->|:|\{{|=>)"
)
_ASSIGNS = re.compile(r"\w[=:]")
_LINE_TAIL = re.compile(
    rf"(?:{S}|\0)*+(?P<text>[!&]?[\w!.\-]{{0,60}}{S}*[|>][+\-0-9]{{0,2}}(?=[\s\0]))?(?:{S}|\0)*+(?P<comment>(?:\#|//)[^\n]{{0,400}}+)?\n"
)
_IS_BODY = re.compile(rf"\{{(?!{BLANKS}(?:\*\*|\.\.\.|{Q}|[\w.\-]+{BLANKS}{SEP}))")
_NAMESPACE = re.compile(r"(?<![\w/:.\-])(?:[\w\-]{0,60}|fn:):\Z")
_KINDS = {
    "field": "field",
    "credential": "field",
    "tree": "tree",
    "variables": "tree",
    "environment": "environment",
    "env": "env",
    "stack": "field",
}
"""The groups of names, in the order in which they are tried, and what kind of key each makes."""

_MAX_MARKED = len("`: ")
_AROUND_KEY = QUOTE_CHARACTERS + "\\\0*_$@"


class _Lead(NamedTuple):
    """Text before a key, on its line.

    Attributes:
        before: Up to the marks around the key.
        joined: These marks.
        begins_line: Whether the key begins a line, or a text in quotation marks.
        column: Its distance from there; -1 if it begins none.
    """

    before: str
    joined: str
    begins_line: bool
    column: int


class Scanner(Markup):
    """Finds what to mask in a text."""

    def spans(self, effort: Effort) -> list[tuple[int, int]]:
        """The parts to mask, in no order; they may overlap."""
        before = self._left
        self._read_all()
        effort.spend(before - self._left)
        return self._spans

    def _read_all(self) -> None:
        try:
            self._elements()
            if any(mark in self._text for mark in "&|\u2502") or "&" in self._raw:
                # In escapes, and in the first column of a table, it looks like margins.
                self._markup()
            self._names.without_margins()
            self._text = self._names.text
            self._known_shown_line = (0, -1)
            self._sections()
            self._calls()
            self._options()
            self._literals()
            self._markup()
            for beside in self._beside_marks():
                key = BESIDE._replace(is_quoted=beside.is_quoted, column=beside.column)
                self._value(key, beside.begin, 0)
            self._ranges.append((0, len(self._text), 0))
            while self._ranges:
                self._members(*self._ranges.pop())
        except TooLongError:
            self._spans.append((self._begin, len(self._text)))

    def _members(self, position: int, end: int, depth: int) -> None:
        self._names.rewind()
        while (match := self._names.next(position, end)) is not None:
            self._begin = match.end()
            self._tick()
            key = self._key(match)
            position = match.end() if key is None else max(self._value(key, match.end(), depth), match.end())

    def _key(self, match: re.Match[str]) -> Key | None:
        """The key, or nothing if the name is a part of another name, such as the type of a resource."""
        is_quoted = any(char in QUOTE_CHARACTERS for char in match["close"])
        if match["item"] and not is_quoted and match["separator"] == "=>":
            # A preview shows a secret so, and what becomes of it.
            return None
        start = match.start() if match["credential"] is None else self._name_begin(match.start())
        lead = self._lead(match, start, is_quoted=is_quoted)
        if lead is None:
            return None
        has_mark = any(char in QUOTE_CHARACTERS for char in lead.joined)
        is_in_text = has_mark and not is_quoted
        entry = lead.before.rstrip(BLANK)[-1:]
        kind = next(kind for kind in _KINDS if match.groupdict().get(kind))
        separator = match["separator"].replace("\0", "")
        return Key(
            _KINDS[kind],
            match[kind],
            is_quoted,
            separator,
            is_code="=" in separator and separator != "=>" and (not is_quoted or match["item"] == "]"),
            column=0 if is_in_text and not lead.before.isspace() else lead.column,
            begins=lead.begins_line or has_mark or (entry != "" and entry in "{,([;&?"),
            is_in_text=is_in_text,
            around=None if is_quoted else self._text_around(start, lead.joined if has_mark else ""),
            is_weak=kind == "credential",
        )

    def _lead(self, match: re.Match[str], start: int, *, is_quoted: bool) -> _Lead | None:
        """Read what is before a key at ``start``; nothing if that makes it a part of another name."""
        low = max(start - LINE_BEFORE, 0)
        newline = self._text.rfind("\n", low, start)
        line = self._text[newline + 1 if newline >= 0 else low : start].replace("\0", "")
        before = line.rstrip(_AROUND_KEY)
        if before.endswith(":"):
            namespace = _NAMESPACE.search(before)
            is_joined = match["separator"] == ":" and not self._text[match.end() : match.end() + 1].isspace()
            if namespace is None or (is_joined and not is_quoted and not before.endswith("fn::")):
                return None
            line, before = line[: namespace.start()], before[: namespace.start()].rstrip(_AROUND_KEY)
        has_line = newline >= 0 or low == 0 or not before.strip(BLANK)
        line_start = LINE_START.fullmatch(before) if has_line else None
        begins_line, joined = line_start is not None, line[len(before) :]
        if not is_quoted and (indented := BEGINS_TEXT.search(line)) is not None:
            before, joined, begins_line = indented["indent"], indented[0], True
        elif is_quoted and len(set(MARK.findall(joined))) > 1 and not self._is_above_text(match.end()):
            # Another mark begins the text that the key in its own begins.
            before, begins_line = "", True
        column = len(_COMPLEX_KEY.sub("", before)) if begins_line else -1
        if line_start is not None and line_start["logged"]:
            column = max(column - line_start.end("logged"), 0)
        return _Lead(before, joined, begins_line, column)

    def _is_above_text(self, position: int) -> bool:
        """True if a value in quotation marks or brackets is on a line below ``position``."""
        line_end = self._after(TO_LINE_END, position)
        value = self._after(TO_VALUE, line_end)
        return self._text.startswith("\n", line_end) and IS_STRUCTURED.match(self._text, value) is not None

    def _text_around(self, start: int, joined: str) -> tuple[str, int] | None:
        """The quotation mark of the text around a key, which begins at ``start`` behind these characters."""
        if marks := MARK.findall(joined):
            return marks[-1][1], len(marks[-1][0])
        low = max(start - LINE_BEFORE_TEXT, 0)
        newline = self._text.rfind("\n", low, start)
        return self._around(self._text[newline + 1 : start]) if newline >= 0 or low == 0 else None

    def _value(self, key: Key, position: int, depth: int) -> int:
        """Mask the value of ``key``, which is at ``position`` behind blanks, and return where to go on."""
        self._is_open, self._closed = False, (0, 0)
        end = self._masked(key, position, depth)
        if key.is_code and key.kind != "field" and (brace := self._brace_below(end)) >= 0:
            with self._until(max(self._line_end(brace), self._data_end(brace, is_cut=False))):
                end = self._bracket(brace)
        return self._open_lines(end)

    def _masked(self, key: Key, position: int, depth: int) -> int:
        value = position
        if key.separator == ":" and not key.is_quoted:
            start = self._after(TO_CONTENT, position)
            if (annotation := ANNOTATION.match(self._text, start, self._line_end(position))) is not None:
                key = key._replace(separator="=", is_code=True)
                value = annotation.end() - annotation[0].endswith(" ")
        begin = self._named(key, value)
        if begin is None:
            return position
        if key.column >= 0 and (below := _LINE_TAIL.match(self._text, begin)) is not None:
            is_in_line = key.around is not None and self._raw[below.end() - 1] == "\n"
            return begin if is_in_line else self._below(key, begin, below)
        line, limit = self._limits(key, begin)
        with self._until(limit, limit):
            end = min(max(line, self._end_below(key, begin, line)), limit)
        with self._until(end, limit):
            return self._read(key, begin, depth)

    def _limits(self, key: Key, begin: int) -> tuple[int, int]:
        """The end of the line of a value, and the end that nothing of it passes."""
        if key.is_quoted:
            return self._raw_line_end(begin), len(self._text)
        line = self._line_end(begin)
        if key.around is not None:
            limit = self._closing(key.around, begin, self._raw_line_end(begin))
            return min(line, limit), limit
        return line, len(self._text)

    def _end_below(self, key: Key, begin: int, line: int) -> int:
        """The end of the last line of a value that goes on below its line; -1 if it does not."""
        start = self._after(TO_VALUE, begin)
        is_below = start > line
        is_broken = (
            key.is_code
            and self._text.count("\n", line, start) == 1
            and self._text.startswith(tuple(PLAIN), start)
        )
        if (is_below and not key.is_quoted and not is_broken) or not IS_STRUCTURED.match(self._text, start):
            return -1
        is_joined = key.is_code and start == begin
        end = self._structured_end(start, is_quoted=key.is_quoted or key.kind != "field" or is_joined)
        if end < 0 and key.column >= 0 and key.separator == ":" and not key.is_in_text:
            end = self._deeper_text_end(start, key.column)
        end = self._line_end(end if end >= 0 else start) if end >= 0 or is_below else -1
        return max(end, self._joined_end(begin, max(end, line)))

    def _read(self, key: Key, begin: int, depth: int) -> int:
        text = self._text
        if (comment := _COMMENTS.match(text, begin, self._end)) is not None:
            self._mask(*comment.span())
            begin = comment.end()
        start = self._after(TO_CONTENT, begin)
        if self._has_none(key, begin, start):
            return begin
        if self._is_expression(key, begin, start):
            return self._expression(start, depth, is_masked=key.kind != "field")
        if IS_STRUCTURED.match(text, start):
            is_arrow = key.separator == "=>" and not key.is_quoted and key.kind == "field"
            return (
                start if is_arrow and _IS_BODY.match(text, start) else self._flow(start, is_code=key.is_code)
            )
        document = HERE_DOCUMENT.match(text, start)
        if document is not None:
            return self._here_document(document)
        return start if key.kind == "env" else self._bare(key, begin, start)

    def _named(self, key: Key, position: int) -> int | None:
        """Where the value is looked for; nothing if the name does not name a secret or variables here."""
        if key.separator == "" and (key.column < 0 or key.kind == "field" or key.is_quoted):
            return None
        if key.is_weak:
            return position if self._may_be_secret(key, position) else None
        if key.kind == "field" and NAMES_SECRET.match(self._text, position) is not None:
            return None
        if key.kind == "environment" or (key.name[-1:] in "sS" and key.kind == "env"):
            return self._variables(position)
        if key.kind != "env":
            return position
        is_joined = not key.is_quoted and key.column < 0 and self._text.startswith("{", position)
        return position if not is_joined and self._is_env(position, is_code=key.is_code) else None

    def _has_none(self, key: Key, begin: int, start: int) -> bool:
        """True if there is no value, or one that is no secret."""
        text = self._text
        if start >= self._end or _STAYS.match(text, start, self._end):
            return True
        if key.around is not None and PLACEHOLDER.match(text, start, self._end):
            return True
        if not key.is_quoted and self._is_no_data(key, start):
            return True
        if key.column < 0 and (
            text[start] in ")}];" or (text[start] == "," and NEXT_KEY.match(text, start + 1))
        ):
            return True
        return "\n" in text[begin:start] and not key.begins and not IS_STRUCTURED.match(text, start)

    def _is_no_data(self, key: Key, start: int) -> bool:
        """True if prose or code follows a name that is in no quotation marks."""
        text = self._text
        if (key.is_in_text or not key.begins) and CLOSES_TEXT.match(text, start):
            return True
        if key.separator != ":":
            return False
        return (key.column < 0 and _IS_TYPE.match(text, start) is not None) or is_prose(text, start)

    def _is_expression(self, key: Key, begin: int, start: int) -> bool:
        if _EXPRESSION.match(self._text, start) or (
            key.kind != "field" and _COMPOSED.match(self._text, start)
        ):
            return True
        return key.is_code and start > begin and _CALL.match(self._text, start) is not None

    def _bare(self, key: Key, begin: int, start: int) -> int:
        """Mask a value that begins with none of quotation marks and brackets."""
        text = self._text
        is_own_line = key.column >= 0 and (not key.is_in_text or self._ends_in_escape(start))
        if key.separator == "=" and (key.kind != "field" or (key.column >= 0 and start == begin)):
            word = self._word_end(
                start, self._line_end(start), is_field=key.kind == "field", is_own_line=is_own_line
            )
            if word > start:
                self._mask(start, word)
                return word
        if is_own_line and not key.is_quoted:
            end = self._line_end(start)
            if key.kind == "tree" and " " in key.name and not _ASSIGNS.search(text, start, end):
                return start
            self._mask(start, end)
            return self._rest_below(start, end, key.column if key.separator == ":" else None)
        is_flow = key.is_quoted or key.begins
        is_alone = not is_flow and start > begin and not key.separator.endswith("=")
        if is_alone and (key.separator != ":" or not self._is_strong_word(start)):
            return start
        end = self._flow(start, is_word=is_alone or (not is_flow and start == begin))
        is_over = not self._text.startswith("\n", self._after(TO_LINE_END, end))
        # Code in Markdown names something: what is below does not belong to it.
        is_over = is_over or "`" in self._text[max(begin - _MAX_MARKED, 0) : begin]
        if not is_own_line or key.separator != ":" or is_over:
            return end
        return self._rest_below(start, self._line_end(end), key.column)

    def _below(self, key: Key, begin: int, tail: re.Match[str]) -> int:
        """Mask a value on the lines below its key."""
        text = self._text
        line = tail.end()
        start = self._after(TO_CONTENT, line)
        if tail["comment"]:
            self._mask(tail.start("comment"), line)
        if start == len(text):
            return begin
        if (fence := _FENCE.match(text, line)) is not None:
            end = text.find("```", fence.end(), fence.end() + MAX_ACROSS)
            end = end if end >= 0 else self._line_end(fence.end())
            self._mask(fence.end(), end)
            return end
        is_deeper = self._column(text.rfind("\n", line - 1, start) + 1)[0] > key.column
        is_single = is_deeper or key.is_quoted or (key.is_code and text[start] == "{")
        if is_single and self._is_single(start, tail):
            end = max(self._line_end(start), self._structured_end(start, is_quoted=True))
            with self._until(self._line_end(end)):
                end = self._flow(start)
            if is_deeper and not key.is_code and not key.is_quoted:
                end = max(end, self._block(self._line_end(end) + 1, key.column))
            return end
        if is_deeper:
            return self._block(line, key.column, is_hidden=bool(tail["text"]))
        return self._assignments(line - 1) if key.kind == "tree" else begin

    def _is_single(self, start: int, tail: re.Match[str]) -> bool:
        """True if the value below a key is in brackets or quotation marks, rather than a block."""
        if tail["text"] or not IS_STRUCTURED.match(self._text, start):
            return False
        return self._text[start] in "{[(" or KEY_END.match(self._text, self._quoted(start).after) is None
