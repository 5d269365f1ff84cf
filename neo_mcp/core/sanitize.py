"""Text from Neo, its tools and people, made safe to show.

Owns the order: what a reader cannot see is removed first, then secrets get a note in their place, and what is
cut is cut last. Letters, code and diffs stay as they are. What shows nothing is
:mod:`neo_mcp.hidden_text`'s to say, what is secret :mod:`neo_mcp.core.redact`'s.
"""

import json
import re
from typing import Any

from neo_mcp.core.disguise import redact_disguised
from neo_mcp.core.masking import masked
from neo_mcp.core.redact import redact, redact_json
from neo_mcp.hidden_text import (
    MARGIN,
    beginning,
    first_characters,
    whole_words,
    with_escapes,
    without_hidden,
)

_PLAIN = re.compile(r"[\w.:/@#+-]{1,200}", re.ASCII)
_LONGEST_NAME = 200


def clean(text: str) -> str:
    """``text`` without anything invisible or secret; line ends become line feeds."""
    return count_removed(text)[0]


def count_removed(text: str) -> tuple[str, int]:
    """``text`` likewise, and how many invisible characters and sequences that took away."""
    shown, removed = without_hidden(text)
    return redact_disguised(shown), removed


def cut(text: str, limit: int) -> str:
    """Clean ``text`` in ``limit`` characters, the last of which says that there is more."""
    return text if len(text) <= limit else first_characters(text, limit - 1) + "…"


def one_line(text: str, limit: int = 160) -> str:
    """``text`` cleaned, on one line, in ``limit`` characters; costs no more for a longer ``text``."""
    return Tally().one_line(text, limit)


class Tally:
    """Cleans text, and counts what was removed from all of it.

    Attributes:
        removed: How many invisible characters and terminal sequences so far.
    """

    __slots__ = ("removed",)

    def __init__(self) -> None:
        self.removed = 0

    def clean(self, text: str) -> str:
        """As :func:`clean`."""
        cleaned, removed = count_removed(text)
        self.removed += removed
        return cleaned

    def head(self, text: str, limit: int) -> tuple[str, bool]:
        """The beginning of ``text``, cleaned, with more than ``limit`` characters where it is longer.

        Returns:
            The beginning, and whether it is all of ``text``.
        """
        if len(text) <= limit + MARGIN:
            return self.clean(text), True
        length, shown, removed = beginning(text, limit + MARGIN)
        self.removed += removed
        shown = redact_disguised(shown)
        return (shown, True) if length == len(text) else (_known(shown, limit), False)

    def one_line(self, text: str, limit: int = 160) -> str:
        """As :func:`one_line`."""
        shown, is_whole = self.head(text, max(4 * limit - MARGIN, limit))
        line = " ".join(shown.split())
        return cut(line if is_whole else f"{_known(line, limit)}…", limit)


def raw_head(text: str, limit: int) -> str:
    """The beginning of ``text``, as it is, with more than ``limit`` characters to show, to a word's end."""
    length = beginning(text, limit + MARGIN).length
    return text if length == len(text) else whole_words(text[:length])


def _known(shown: str, limit: int) -> str:
    """``shown``, the beginning of a text, without what may be a secret that is only known whole."""
    # Its end comes into view where notes and single spaces are shorter than what they stand for.
    return shown if len(shown) >= limit + MARGIN else whole_words(shown)


def removed_note(count: int) -> str:
    """Says that sanitising took something away: somebody may have meant to hide it."""
    return f"[Removed: {count} invisible characters or terminal sequences.]"


def named(text: str) -> str:
    """A name or an id from outside: as it is where it is one plain word, else quoted, on one line."""
    return text if is_word(text) else quoted(text)


def is_word(text: str) -> bool:
    """Whether ``text`` is one plain word, which cannot be taken for a sentence and holds nothing secret."""
    return _PLAIN.fullmatch(text) is not None and redact(text) == text


def quoted(text: str, limit: int = _LONGEST_NAME) -> str:
    """A title or a sentence from outside, on one line, in quotes that nothing in it can close."""
    return json.dumps(one_line(text, limit), ensure_ascii=False)


def quotation(text: str) -> str:
    """Clean ``text`` with a mark before every line, so that none can pass for a line of somebody else's."""
    return "\n".join(f"> {line}".rstrip() for line in text.strip().split("\n"))


def redacted_json(value: Any) -> Any:  # noqa: ANN401 - any JSON in, the same shape out
    """``value`` with its secrets redacted, those too that invisible characters split; else unchanged."""
    return redact_json(masked(value), _redact_split)


def _redact_split(text: str) -> str:
    seen, _ = without_hidden(text)
    shown = redact_disguised(seen)
    return shown if seen == text or shown != seen else redact_disguised(text)


def holds_secret(value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether :func:`redacted_json` leaves anything of ``value`` out."""
    return json.dumps(redacted_json(value)) != json.dumps(value)


def ascii_json(value: Any, *, indent: int) -> str:  # noqa: ANN401 - any JSON
    """JSON of ``value``, but for secrets, that nothing can act on: for a program, a file or a terminal."""
    # The one control that JSON leaves as it is.
    return json.dumps(redacted_json(value), indent=indent).replace("\x7f", "\\u007f")


def exact_json(value: Any, *, indent: int | None = None) -> str:  # noqa: ANN401 - any JSON
    """JSON that means exactly ``value``, but for secrets; escapes stand for what a reader could not see."""
    return with_escapes(json.dumps(redacted_json(value), ensure_ascii=False, indent=indent))
