"""JSON as people write it, with comments and trailing commas: reading it, and changing one member.

Owns the places where text is put in or taken out; every other character stays as it is. Knows no files and no
hosts. No library does this in Python alone: those that keep comments write the whole document anew.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from neo_mcp.hidden_text import echoed

_BLANKS = " \t\r\n\ufeff"
_BLANK = re.compile(f"[{_BLANKS}]+")
_LINE_COMMENT = re.compile(r"//[^\r\n]*")
_BLOCK_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_SCALAR = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
_REST_OF_LINE = re.compile(r"(?:[ \t]*(?://[^\r\n]*|/\*(?:[^*\r\n]|\*(?!/))*\*/))*")
_INDENT = re.compile(r"(?:^|\n)([ \t]*)\Z")
_DEEPEST = 100


class BrokenDocumentError(ValueError):
    """The text is not what it should be; nothing can be changed in it."""


@dataclass(slots=True)
class _Member:
    """One name and value of an object; ``comma`` is the index of the comma after it, if there is one."""

    name: str
    start: int
    value: "_Node"
    comma: int | None = None


@dataclass(slots=True)
class _Node:
    """A value, from ``start`` up to ``end``; ``members`` are those of an object."""

    start: int
    end: int
    value: Any
    members: list[_Member] | None = None
    by_name: dict[str, _Member] = field(default_factory=dict)


def read(text: str) -> Any:  # noqa: ANN401 - any JSON
    """The value of ``text``; an empty text is an empty object.

    Raises:
        BrokenDocumentError: If it is not JSON, comments and trailing commas aside.
    """
    return _parse(text).value


def with_member(text: str, path: Sequence[str], value: object) -> str:
    """``text`` with the member at ``path`` set to ``value``; objects on the way are made where missing.

    Raises:
        BrokenDocumentError: If ``text`` is not JSON, or something on the way is no object.
    """
    node, rest = _parse(text), list(path)
    if node.start == len(text):
        # Nothing is there yet, or nothing but comments.
        newline = _newline(text)
        head = text if not text.strip(_BLANKS) or text.endswith("\n") else text + newline
        return head + _dump(_nested(path, value), "  ", "", newline) + newline
    while True:
        if node.members is None:
            where = ".".join(path[: len(path) - len(rest)]) or "the document"
            raise BrokenDocumentError(f"{where} is no object")
        member = node.by_name.get(rest[0])
        if member is None:
            return _insert(text, node, rest[0], _nested(rest[1:], value))
        if len(rest) == 1:
            return _replace(text, node, member, value)
        node, rest = member.value, rest[1:]


def without_member(text: str, path: Sequence[str]) -> str:
    """``text`` without the member at ``path``, and the same text if there is none.

    Raises:
        BrokenDocumentError: If ``text`` is not JSON.
    """
    node = _parse(text)
    for name in path[:-1]:
        member = node.by_name.get(name)
        if member is None:
            return text
        node = member.value
    member = node.by_name.get(path[-1])
    return text if member is None or node.members is None else _remove(text, node, node.members, member)


def _nested(path: Sequence[str], value: object) -> object:
    for name in reversed(path):
        value = {name: value}
    return value


def _insert(text: str, node: _Node, name: str, value: object) -> str:
    newline = _newline(text)
    base = _indent_of_line(text, node.start)
    if not node.members:
        return _insert_first(text, node, name, value, base, newline)
    last = node.members[-1]
    own_line = _INDENT.search(text, 0, last.start)
    if own_line is None:
        # All on one line, as in {"a": 1}.
        put = f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
        if last.comma is None:
            return _spliced(text, (last.value.end, last.value.end, f", {put}"))
        return _spliced(text, (last.comma + 1, last.comma + 1, f" {put},"))
    indent = own_line[1]
    unit = _unit_of(text, node, indent)
    put = f"{newline}{indent}{json.dumps(name)}: {_dump(value, unit, indent, newline)}"
    # A comment on the last member's line stays with it.
    if last.comma is None:
        line_end = _rest_of_line(text, last.value.end)
        return _spliced(text, (last.value.end, last.value.end, ","), (line_end, line_end, put))
    line_end = _rest_of_line(text, last.comma + 1)
    return _spliced(text, (line_end, line_end, f"{put},"))


def _insert_first(text: str, node: _Node, name: str, value: object, base: str, newline: str) -> str:
    unit = _unit(text)
    put = f"{newline}{base}{unit}{json.dumps(name)}: {_dump(value, unit, base + unit, newline)}"
    inside = text[node.start + 1 : node.end - 1]
    position = node.start + 1 + len(inside.rstrip())
    tail = inside[len(inside.rstrip()) :]
    return _spliced(text, (position, position, put if "\n" in tail else f"{put}{newline}{base}"))


def _replace(text: str, node: _Node, member: _Member, value: object) -> str:
    old = member.value
    own_line = _INDENT.search(text, 0, member.start)
    if own_line is None:
        new = json.dumps(value, ensure_ascii=False)
    else:
        new = _dump(value, _unit_of(text, node, own_line[1]), own_line[1], _newline(text))
    return _spliced(text, (old.start, old.end, new))


def _remove(text: str, node: _Node, members: list[_Member], member: _Member) -> str:
    end = member.value.end if member.comma is None else member.comma + 1
    if not (text[node.start + 1 : member.start] + text[end : node.end - 1]).strip():
        return _spliced(text, (node.start, node.end, "{}"))
    index = members.index(member)
    cuts = [(member.start, end, "")]
    head = text[: member.start]
    if index > 0 and member.comma is None:
        previous = members[index - 1].comma
        if previous is not None:
            cuts.insert(0, (previous, previous + 1, ""))
    text_end = len(head.rstrip(_BLANKS))
    before_it = re.search(r"(?:\r?\n)?[ \t]*\Z", head)
    blank = before_it.start() if before_it else len(head)
    ends_line = re.match(r"[ \t]*(?:\r?\n|\Z)", text[end:])
    before = members[index - 1] if index else None
    # With a comment in between, the end of its line has to stay.
    is_next = before is not None and text_end == (
        before.value.end if before.comma is None else before.comma + 1
    )
    if ends_line or is_next:
        cuts[-1] = (blank, end, "")
    elif after := re.match(r"[ \t]+", text[end:]):
        cuts[-1] = (member.start, end + after.end(), "")
    return _spliced(text, *cuts)


def _spliced(text: str, *cuts: tuple[int, int, str]) -> str:
    """``text`` with each piece from a start up to an end replaced; the pieces come in order."""
    for start, end, new in reversed(cuts):
        text = text[:start] + new + text[end:]
    return text


def _dump(value: object, unit: str, indent: str, newline: str) -> str:
    lines = json.dumps(value, indent=unit, ensure_ascii=False).split("\n")
    return f"{newline}{indent}".join(lines)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unit_of(text: str, node: _Node, indent: str) -> str:
    """One step of indentation in an object whose members have ``indent``."""
    base = _indent_of_line(text, node.start)
    return indent[len(base) :] if indent.startswith(base) and len(indent) > len(base) else _unit(text)


def _unit(text: str) -> str:
    """One step of indentation: that of the first name that has any."""
    match = re.search(r'\n([ \t]+)"', text)
    if match is None:
        return "  "
    return "\t" if match[1].startswith("\t") else match[1]


def _indent_of_line(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _rest_of_line(text: str, position: int) -> int:
    """Where the comments that begin and end on this line end."""
    match = _REST_OF_LINE.match(text, position)
    end = match.end() if match else position
    # Something else may follow on the same line, such as the closing bracket.
    return end if re.match(r"[ \t]*(?:\r?\n|\Z)", text[end:]) else position


def _parse(text: str) -> _Node:
    reader = _Reader(text)
    reader.skip()
    if reader.position == len(text):
        return _Node(len(text), len(text), {}, [])
    node = reader.value(0)
    reader.skip()
    if reader.position != len(text):
        raise reader.broken("unexpected text after the end")
    return node


class _Reader:
    """Reads values from its position on."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.position = 0

    def broken(self, why: str) -> BrokenDocumentError:
        """The error at this position."""
        before = self._text[: self.position]
        line, column = before.count("\n") + 1, self.position - before.rfind("\n")
        return BrokenDocumentError(f"line {line}, column {column}: {why}")

    def skip(self) -> None:
        """Skip white space and comments."""
        while True:
            for pattern in (_BLANK, _LINE_COMMENT, _BLOCK_COMMENT):
                if match := pattern.match(self._text, self.position):
                    self.position = match.end()
                    break
            else:
                return

    def value(self, depth: int) -> _Node:
        """The value that begins here."""
        if depth > _DEEPEST:
            raise self.broken("nested too deeply")
        start = self.position
        match self._text[start : start + 1]:
            case "{":
                return self._object(depth)
            case "[":
                items = [item.value for item in self._items(depth)]
                return _Node(start, self.position, items)
            case '"':
                text = self._string()
                return _Node(start, self.position, text)
            case _:
                value = self._token(_SCALAR, "a value")
                return _Node(start, self.position, value)

    def _object(self, depth: int) -> _Node:
        start = self.position
        members: list[_Member] = []
        by_name: dict[str, _Member] = {}
        self.position += 1
        while not self._closed("}"):
            if members and members[-1].comma is None:
                raise self.broken("a comma is missing")
            member = self._member(depth)
            if member.name in by_name:
                raise self.broken(f"the name {echoed(member.name)} is there twice")
            members.append(member)
            by_name[member.name] = member
        value = {member.name: member.value.value for member in members}
        return _Node(start, self.position, value, members, by_name)

    def _member(self, depth: int) -> _Member:
        start = self.position
        name = self._string()
        self.skip()
        self._expect(":")
        self.skip()
        member = _Member(name, start, self.value(depth + 1))
        self.skip()
        if self._text.startswith(",", self.position):
            member.comma = self.position
            self.position += 1
        return member

    def _items(self, depth: int) -> Iterator[_Node]:
        self.position += 1
        comma = True
        while not self._closed("]"):
            if not comma:
                raise self.broken("a comma is missing")
            yield self.value(depth + 1)
            self.skip()
            comma = self._text.startswith(",", self.position)
            self.position += comma

    def _closed(self, bracket: str) -> bool:
        self.skip()
        if self._text.startswith(bracket, self.position):
            self.position += 1
            return True
        return False

    def _string(self) -> str:
        return str(self._token(_STRING, "a name or text in double quotes"))

    def _token(self, pattern: re.Pattern[str], expected: str) -> object:
        match = pattern.match(self._text, self.position)
        if match is None:
            raise self.broken(f"{expected} is missing")
        try:
            value: object = json.loads(match[0])
        except ValueError:
            raise self.broken(f"{echoed(match[0])} is no value") from None
        self.position = match.end()
        return value

    def _expect(self, mark: str) -> None:
        if not self._text.startswith(mark, self.position):
            raise self.broken(f"{mark!r} is missing")
        self.position += 1
