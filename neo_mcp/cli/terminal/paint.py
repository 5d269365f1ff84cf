"""Words on a terminal, in colour where there is one."""

import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Self, TextIO

from neo_mcp.core.render.lines import Line, LineKind
from neo_mcp.core.sanitize import quoted
from neo_mcp.hidden_text import first_characters

_BOLD, _DIM, _RED, _GREEN, _YELLOW, _BLUE, _CYAN = "1", "2", "31", "32", "33", "34", "36"
_LABEL = 9
_INDENT = "    "
_PROSE = {
    LineKind.NEO: _BLUE,
    LineKind.USER: _CYAN,
    LineKind.TODO: _GREEN,
    LineKind.ERROR: _RED,
    LineKind.WARNING: _RED,
}
"""Styles of the kinds whose text is prose, which is quoted beside the kind's name."""

_STYLES = {**_PROSE, LineKind.REQUEST: _YELLOW}
_QUOTE = "> "
_DIFF = "Diff:"
"""The line of a form above a diff, which is quoted."""

_DIFF_STYLES = {"+": _GREEN, "-": _RED, "@": _CYAN}
_MARKS = {"ok": ("✓", _GREEN), "info": ("·", _DIM), "warn": ("!", _YELLOW), "fail": ("✗", _RED)}
_ROWS = {"head": _BOLD, "idle": _DIM}


@dataclass(frozen=True, slots=True)
class Painter:
    """Prints a conversation as it grows.

    Attributes:
        colour: Whether to print in colour.
        guard: Takes what must not be shown out of everything that is printed.
        moves: Whether lines can be drawn over.
    """

    out: TextIO
    colour: bool
    width: int = 100
    guard: Callable[[str], str] = str
    moves: bool = False

    @classmethod
    def for_terminal(cls, out: TextIO, environ: Mapping[str, str], guard: Callable[[str], str] = str) -> Self:
        """With what ``out`` can show.

        Args:
            out: Where to.
            environ: The environment.
            guard: Takes what must not be shown out of everything that is printed.
        """
        moves = out.isatty() and environ.get("TERM") != "dumb"
        return cls(out, colour=_has_colour(environ, otherwise=moves), guard=guard, moves=moves)

    def title(self, text: str) -> None:
        """Print a title."""
        self._print(f"\n{self._paint(_BOLD, text)}\n")

    def host(self, text: str) -> None:
        """Print an action of the agent in the host."""
        self._labelled("host", _CYAN, text)

    def person(self, text: str) -> None:
        """Print an action of the person."""
        self._labelled("person", _GREEN, text)

    def question(self, text: str, options: Sequence[str] = ()) -> None:
        """Neo's own words when it asks, quoted, and the answers that it offers, numbered."""
        self._labelled("neo asks", _YELLOW, text, mark=_QUOTE)
        for number, option in enumerate(options, 1):
            self._labelled("", "", f"{number}) {quoted(option)}")

    def attention(self, text: str) -> None:
        """Print in our words what Neo waits for."""
        self._labelled("neo asks", _YELLOW, text)

    def detail(self, text: str) -> None:
        """Print a detail."""
        self._labelled("", _DIM, text)

    def event(self, lines: Iterable[Line]) -> None:
        """Print the lines of an event."""
        for line in lines:
            style = _STYLES.get(line.kind, _DIM)
            if line.text is not None and line.kind in _PROSE:
                self._labelled(line.kind, style, line.text, mark=_QUOTE)
            elif line.text is not None and "\n" in line.text:
                self._labelled("", style, f"{line.label}:")
                self._labelled("", _DIM, line.text, mark=_QUOTE)
            else:
                self._labelled("", style, str(line))

    def output(self, text: str, *, failed: bool) -> None:
        """Print the result of a tool of the host."""
        for line in text.splitlines():
            self._labelled("", _RED if failed else _DIM, f"  {line}")

    def form(self, text: str) -> None:
        """Print a form: its first line is bold, and its diff is coloured.

        A host has nothing but a form's text, so this reads its marks, as any host may; only for colour.
        """
        in_diff = False
        for number, line in enumerate(text.splitlines()):
            # Quoted lines are Neo's: they keep their mark, outside of the colours.
            body = line.removeprefix(_QUOTE)
            mark = _QUOTE if body != line else ""
            in_diff = line == _DIFF or (in_diff and line.startswith(">"))
            style = _DIFF_STYLES.get(body[:1], "") if in_diff and mark else ""
            self._boxed(body, style if number else _BOLD, mark)

    def field(self, title: str, description: str, options: Sequence[str], default: str) -> None:
        """Print a field for the person to fill in."""
        self._boxed("", "")
        self._boxed(f"{title}: {description}" if description else title, _BOLD)
        for number, option in enumerate(options, 1):
            self._boxed(f"  {number}) {option}", "")
        if default:
            self._boxed(f"  ({default})", _DIM)

    def ask(self, hint: str) -> None:
        """Invite the person to type a line."""
        head = self._paint(_GREEN, f"{'you':>{_LABEL}}")
        print(f"{head} {self._paint(_DIM, f'[{hint}]')} ", end="", file=self.out, flush=True)

    def prompt(self, text: str) -> None:
        """Invite the person to type a line after ``text``."""
        print(f"{text} ", end="", file=self.out, flush=True)

    def plain(self, text: str) -> None:
        """Text as it is."""
        self._print(text)

    def good(self, text: str) -> None:
        """Print a success."""
        self._print(self._paint(_GREEN, text))

    def bad(self, text: str) -> None:
        """Print a failure or a warning."""
        self._print(self._paint(_RED, text))

    def patch(self, line: str) -> None:
        """One line of a diff."""
        style = _DIFF_STYLES.get(line[:1])
        self._print(self._paint(style, f"    {line}") if style else f"    {line}")

    def row(self, line: str, *, status: str) -> None:
        """One row of a table."""
        style = _ROWS.get(status)
        self._print(self._paint(style, line) if style else line)

    def finding(self, status: str, name: str, summary: str, advice: str) -> None:
        """The result of a check, and below it what to do."""
        mark, style = _MARKS[status]
        self._print(f"{self._paint(style, mark)} {name}  {summary}")
        if advice:
            self._print(f"{' ' * (len(name) + 2)}  {self._paint(_DIM if status == 'ok' else style, advice)}")

    def result(self, text: str, *, ended_well: bool, is_ours: bool = False) -> None:
        """How it ended: Neo's last words, quoted, or words of ours."""
        self._print("")
        label, style = ("done", _GREEN) if ended_well else ("failed", _RED)
        self._labelled(label, style, text, mark="" if is_ours else _QUOTE)
        self._print("")

    def _boxed(self, line: str, style: str, mark: str = "") -> None:
        bar, line = self._paint(_YELLOW, "│"), self.guard(line)
        # A line that goes on is marked as quoted, or indented: no part of it can pass for another one.
        available, further = self.width - _LABEL - 4 - len(mark), "" if mark else _INDENT
        for row in textwrap.wrap(line, available, subsequent_indent=further) or [""]:
            self._print(f"{' ' * _LABEL} {bar} {mark}{self._paint(style, row) if style else row}".rstrip())

    def _labelled(self, label: str, style: str, text: str, *, mark: str = "") -> None:
        """A label and a text beside it, with ``mark`` before every line of what is quoted."""
        head = self._paint(style, f"{label:>{_LABEL}}")
        available, further = self.width - _LABEL - 1 - len(mark), "" if mark else _INDENT
        for line in self.guard(text).splitlines() or [""]:
            # As above.
            for row in textwrap.wrap(line, available, subsequent_indent=further) or [""]:
                shown = row if label or not style else self._paint(style, row)
                self._print(f"{head} {mark}{shown}".rstrip())
                head = " " * _LABEL

    def _paint(self, style: str, text: str) -> str:
        return f"\033[{style}m{text}\033[0m" if self.colour else text

    def _print(self, text: str) -> None:
        print(self.guard(text), file=self.out, flush=True)


class LiveLine:
    """A line below everything else that is drawn over and over; nothing where there is no terminal."""

    def __init__(self, paint: Painter) -> None:
        self._out, self._guard = paint.out, paint.guard
        self.is_on = paint.moves
        self._drawn = False

    def draw(self, text: str) -> None:
        """Show ``text``, which has to fit into one line, in place of the line before."""
        if self.is_on:
            self._out.write(f"\r\033[2K{self._guard(text)}")
            self._out.flush()
            self._drawn = True

    def clear(self) -> None:
        """Remove the line, for others."""
        if self._drawn:
            self._out.write("\r\033[2K")
            self._out.flush()
            self._drawn = False


def _has_colour(environ: Mapping[str, str], *, otherwise: bool) -> bool:
    """True if a person wants it: no-color.org before force-color.org, as Python does; empty is absent."""
    if environ.get("NO_COLOR"):
        return False
    return bool(environ.get("FORCE_COLOR")) or otherwise


def width_of(text: str) -> int:
    """How many columns ``text`` takes on a terminal: many scripts take two each, and accents none."""
    return sum(map(_columns, text))


def cut_to_width(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns."""
    if width_of(text) <= width:
        return text
    columns = accumulate(map(_columns, text))
    fits = sum(1 for _ in takewhile(lambda column: column < width, columns))
    return f"{first_characters(text, fits)}…"


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
