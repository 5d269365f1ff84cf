"""Text from Neo, its tools and people, made safe to show.

Owns the order: invisible characters are removed first, then secrets are replaced by a note, and cutting comes
last. Letters, code and diffs stay as they are. Invisible characters are defined by
:mod:`neo_mcp.hidden_text`, secrets by :mod:`neo_mcp.core.redact`.
"""

import json
import math
import operator
import re
from functools import lru_cache, partial
from typing import Any

from neo_mcp.core.disguise import redact_disguised
from neo_mcp.core.effort import MAX_TOKENS_OF_ALL, Effort
from neo_mcp.core.masking import masked
from neo_mcp.core.redact import redact_json
from neo_mcp.core.secret_names import MASK
from neo_mcp.hidden_text import (
    MARGIN,
    beginning,
    count_sequences,
    first_characters,
    has_sequences,
    sequences_as_text,
    whole_words,
    with_escapes,
    with_line_feeds,
    without_hidden,
    without_introducers,
)

_PLAIN = re.compile(r"[\w.:/@#+-]{1,200}", re.ASCII)
_MAX_NAME = 200
_SHORT = 200
"""Maximum characters of a text whose cleaned form is remembered."""

_TOKENS_OF_SEQUENCES = 200
"""Effort of a text with a secret and terminal sequences, which is searched several times."""

_NOTE = "[redacted: "
_MIN_SEQUENCES, _CHARACTERS_PER_SEQUENCE, _MAX_SEQUENCES = 4, 400, 200
"""Terminal sequences in a text with a secret that are each tried as text: more, the longer it is."""

_LINES_BEFORE = 2
_TOO_MANY_SEQUENCES = f"{_NOTE}a secret among many terminal sequences]"


def clean(text: str) -> str:
    """Return ``text`` without anything invisible or secret; line ends become line feeds."""
    return count_removed(text)[0]


def count_removed(text: str) -> tuple[str, int]:
    """Clean ``text``, and count the invisible characters and sequences that were removed."""
    return _of_short(text) if len(text) <= _SHORT else _count_removed(text)


@lru_cache(maxsize=1024)
def _of_short(text: str) -> tuple[str, int]:
    # Names, states and last lines come again with each result, and hundreds may wait for the same one.
    return _count_removed(text)


def _count_removed(text: str) -> tuple[str, int]:
    whole, kept = _with_whole_secrets(text, Effort())
    shown, removed = without_hidden(whole)
    return redact_disguised(shown), removed + kept


def _with_whole_secrets(text: str, effort: Effort) -> tuple[str, int]:
    """Turn terminal sequences into text that would hide a part of a secret, so that it is recognised.

    Returns:
        The text, and the number of these sequences.
    """
    if not has_sequences(text):
        return text, 0
    if effort.is_spent:
        return MASK, 0
    bare = without_introducers(text)
    shown = redact_disguised(bare, effort)
    if shown == bare:
        return text, 0
    effort.spend(_TOKENS_OF_SEQUENCES)
    budget = min(_MIN_SEQUENCES + len(text) // _CHARACTERS_PER_SEQUENCE, _MAX_SEQUENCES)
    if count_sequences(text) <= budget:
        return sequences_as_text(text, _completes_secret)
    lines = with_line_feeds(text).split("\n")
    if bare.count("\n") + 1 != len(lines):
        # Gaps were closed, which moves lines.
        bare = "\n".join(map(without_introducers, lines))
        shown = redact_disguised(bare, effort)
    return _by_lines(lines, _differences(bare.split("\n"), shown.split("\n")), budget)


def _by_lines(lines: list[str], parts_with_secrets: list[tuple[int, int]], budget: int) -> tuple[str, int]:
    """Do the same only where secrets are; the rest of the lines stay."""
    parts: list[str] = []
    end = removed = 0
    for first, last in parts_with_secrets:
        # A name may be above its value.
        begin = max(first - _LINES_BEFORE, end)
        part = "\n".join(lines[begin:last])
        count = count_sequences(part)
        if count <= budget:
            budget -= count
            part, count = sequences_as_text(part, _completes_secret)
        else:
            part = _TOO_MANY_SEQUENCES
        parts += [*lines[end:begin], part]
        end, removed = last, removed + count
    return "\n".join([*parts, *lines[end:]]), removed


def _differences(lines: list[str], others: list[str]) -> list[tuple[int, int]]:
    """Where lines differ, or all from the first to the last such line if their numbers differ."""
    if len(lines) == len(others):
        differ = [n for n, pair in enumerate(zip(lines, others, strict=True)) if operator.ne(*pair)]
        begins = [n for at, n in enumerate(differ) if at == 0 or n - differ[at - 1] > _LINES_BEFORE + 1]
        ends = [
            n
            for at, n in enumerate(differ)
            if at + 1 == len(differ) or differ[at + 1] - n > _LINES_BEFORE + 1
        ]
        return [(first, last + 1) for first, last in zip(begins, ends, strict=True)]
    is_same = list(map(operator.eq, lines, others))
    is_same_end = list(map(operator.eq, reversed(lines), reversed(others)))
    first = is_same.index(False) if False in is_same else len(is_same)
    last = is_same_end.index(False) if False in is_same_end else len(is_same_end)
    return [(min(first, len(lines)), max(len(lines) - last, first))]


def _completes_secret(before: str, own: str, after: str) -> bool:
    """True if more secrets are found where a sequence's ``own`` text is shown."""
    return any(
        _notes(f"{before}{own}{rest}") > _notes(f"{before}{rest}")
        for rest in (without_hidden(after)[0], without_introducers(after))
    )


def _notes(text: str) -> int:
    return redact_disguised(without_hidden(text)[0]).count(_NOTE)


def cut(text: str, limit: int) -> str:
    """Cut clean ``text`` to ``limit`` characters, the last of which shows that there is more."""
    return text if len(text) <= limit else first_characters(text, limit - 1) + "…"


def one_line(text: str, limit: int = 160) -> str:
    """Clean ``text`` on one line, in ``limit`` characters; the cost does not grow with the text's length."""
    return Tally().one_line(text, limit)


class Tally:
    """Cleans texts, and counts the characters removed from all of them.

    Attributes:
        removed: How many invisible characters and terminal sequences so far.
    """

    __slots__ = ("removed",)

    def __init__(self) -> None:
        self.removed = 0

    def clean(self, text: str) -> str:
        """Like :func:`clean`."""
        cleaned, removed = count_removed(text)
        self.removed += removed
        return cleaned

    def head(self, text: str, limit: int) -> tuple[str, bool]:
        """The beginning of ``text``, cleaned, with more than ``limit`` characters if it is longer.

        Returns:
            The beginning, and whether it is all of ``text``.
        """
        if len(text) <= limit + MARGIN:
            return self.clean(text), True
        length = beginning(text, limit + MARGIN).length
        shown = self.clean(text[:length])
        return (shown, True) if length == len(text) else (_known(shown, limit), False)

    def one_line(self, text: str, limit: int = 160) -> str:
        """Like :func:`one_line`."""
        shown, is_whole = self.head(text, max(4 * limit - MARGIN, limit))
        line = " ".join(shown.split())
        return cut(line if is_whole else f"{_known(line, limit)}…", limit)


def raw_head(text: str, limit: int) -> str:
    """The beginning of ``text``, unchanged, with more than ``limit`` visible characters, to a word's end."""
    length = beginning(text, limit + MARGIN).length
    return text if length == len(text) else whole_words(text[:length])


def _known(shown: str, limit: int) -> str:
    """Return ``shown``, the beginning of a text, without a possible secret that is recognised only whole."""
    # Its end comes into view if notes and single spaces are shorter than the text they replace.
    return shown if len(shown) >= limit + MARGIN else whole_words(shown)


def removed_note(count: int) -> str:
    """A note that invisible characters were removed, which may have been hidden on purpose."""
    return f"[Removed: {count} invisible characters or terminal sequences.]"


def named(text: str) -> str:
    """A name or an id from outside: one plain word as it is, anything else quoted, on one line."""
    return text if is_word(text) else quoted(text)


def is_word(text: str) -> bool:
    """True if ``text`` is one plain word, which cannot be taken for a sentence and holds no secret."""
    return _PLAIN.fullmatch(text) is not None and clean(text) == text


def quoted(text: str, limit: int = _MAX_NAME) -> str:
    """A title or a sentence from outside, on one line, in quotes that nothing in it can close."""
    return json.dumps(one_line(text, limit), ensure_ascii=False)


def quotation(text: str) -> str:
    """Clean ``text`` with a mark before every line, so that none can pass for another speaker's."""
    return "\n".join(f"> {line}".rstrip() for line in text.strip().split("\n"))


def redacted_json(value: Any, *, tokens: float = MAX_TOKENS_OF_ALL) -> Any:  # noqa: ANN401 - any JSON in, the same shape out
    """Return ``value`` with its secrets redacted, including those split by invisible characters.

    Args:
        value: Any JSON.
        tokens: How much to read in search of secrets that their keys name; texts with such keys after that
            are masked unread.
    """
    return redact_json(masked(value, Effort(tokens)), partial(_redact_split, effort=Effort(tokens)))


def _redact_split(text: str, effort: Effort) -> str:
    seen, _ = without_hidden(_with_whole_secrets(text, effort)[0])
    shown = redact_disguised(seen, effort)
    return shown if seen == text or shown != seen else redact_disguised(text, effort)


def exact_json_of(value: Any) -> tuple[str, bool]:  # noqa: ANN401 - any JSON
    """Like :func:`exact_json`; and whether anything of ``value`` is not in it."""
    shown = redacted_json(value)
    text = with_escapes(json.dumps(shown, ensure_ascii=False))
    return text, shown is not value and json.dumps(shown) != json.dumps(value)


def holds_secret(value: Any) -> bool:  # noqa: ANN401 - any JSON
    """True if :func:`redacted_json` removes anything from ``value``."""
    return exact_json_of(value)[1]


def ascii_json(value: Any, *, indent: int) -> str:  # noqa: ANN401 - any JSON
    """ASCII JSON of ``value`` without secrets: safe for a program, a file or a terminal; however large."""
    text = json.dumps(redacted_json(value, tokens=math.inf), indent=indent)
    # The one control character that JSON leaves as it is.
    return text.replace("\x7f", "\\u007f")


def exact_json(value: Any, *, indent: int | None = None) -> str:  # noqa: ANN401 - any JSON
    """JSON of exactly ``value``, without secrets; invisible characters are escaped."""
    return with_escapes(json.dumps(redacted_json(value), ensure_ascii=False, indent=indent))
