"""Text from Neo, its tools and people, made safe to show.

Removes what a reader cannot see but a terminal or a model would act on: control characters, terminal
sequences, bidirectional overrides, invisible and tag characters. Takes out secrets, with a note in their
place. Letters, code and diffs stay as they are.
"""

import json
import re
from typing import Any

from neo_mcp.core.redact import masked, redact, redact_json

# Possessive quantifiers: no part ever gives back what it took, so the time is linear in the text. A string
# sequence counts only when it is closed on its own line: an open one must not hide the rest of the text.
_TERMINAL_SEQUENCE = (
    r"\x1b\[[0-?]*+[ -/]*+[@-~]"  # CSI: colours, the cursor
    r"|\x1b[\]PX^_][^\x07\x1b\n]*+(?:\x07|\x1b\\)"  # OSC, DCS, SOS, PM, APC: titles, links, images
    r"|\x1b[ -/]*+[0-~]"  # all others, and what is left of an open one
)
_INVISIBLE = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but tab and line feed
    "\u00ad\u034f\u061c\u180e\u200b\u200e\u200f"  # soft hyphen, joiners that show nothing, direction marks
    "\u115f\u1160\u17b4\u17b5\u3164\uffa0"  # letters that show nothing
    "\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # bidirectional controls, invisible operators
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # controls of shorthand and musical notation
    "\ud800-\udfff\U000e0000-\U000e0fff]"  # lone surrogates, tags and supplementary variation selectors
)
# Characters that show nothing but shape their neighbours: kept where those need one, and one at a time.
_EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u27bf\u2934\u2935\u2b05-\u2b55"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_JOINING = (
    "\u0620-\u06ff\u0710-\u07ff\u0840-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af\u1a20-\u1aaf\u1b00-\u1c4f"
    "\ua840-\ua8ff\ua980-\ua9ff\uaa00-\uaadf\ufb50-\ufdff\ufe70-\ufefe"
)
_JOINERS = "\u180b-\u180d\u180f\u200c\u200d\ufe00-\ufe0f\ufff0-\ufff8"
_NEEDED = (
    f"(?<=[{_EMOJI}])[\ufe0e\ufe0f]|(?<=[0-9#*])\ufe0f(?=\u20e3)"
    f"|(?:(?<=[{_EMOJI}])|(?<=[{_EMOJI}]\ufe0f))\u200d(?=[{_EMOJI}])|(?<=[{_JOINING}])[\u200c\u200d](?=[{_JOINING}])"
    "|(?<=[\u1820-\u18aa])[\u180b-\u180d\u180f]"
)
_UNWANTED = re.compile(f"({_NEEDED})|{_TERMINAL_SEQUENCE}|{_INVISIBLE}|[{_JOINERS}]")
# Every terminal sequence begins with a control character, so a text without these needs no other look.
_SUSPICIOUS = re.compile(f"{_INVISIBLE}|[{_JOINERS}]")
_OPEN_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\n]*\x1b?|[ -/]*)\Z")
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029]")
_UNSEEN = re.compile(f"{_INVISIBLE}|[{_JOINERS}\u2028\u2029]")
_PLAIN = re.compile(r"[\w.:/@#+-]{1,200}", re.ASCII)
_LONGEST_NAME = 200


def clean(text: str) -> str:
    """``text`` without anything invisible or secret; line ends become line feeds."""
    return count_removed(text)[0]


def count_removed(text: str) -> tuple[str, int]:
    """``text`` likewise, and how many invisible characters and sequences that took away."""
    removed = 0
    if "\r" in text or not text.isascii():
        text = _LINE_ENDS.sub("\n", text)
    if _SUSPICIOUS.search(text):
        text, total = _UNWANTED.subn(r"\1", text)
        removed = total - sum(bool(needed[1]) for needed in _UNWANTED.finditer(text))
    return redact(text), removed


def head(text: str, count: int) -> str:
    """The first ``count`` characters of ``text``, without a terminal sequence that this cuts in two."""
    return text if len(text) <= count else _OPEN_SEQUENCE.sub("", text[:count])


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

    def one_line(self, text: str, limit: int = 160) -> str:
        """As :func:`one_line`."""
        whole = len(text) <= limit * 4
        words = self.clean(head(text, limit * 4)).split()
        line = " ".join(words)
        if not whole and len(line) < limit:
            # What the end of the head cuts off may be a secret that is only known whole.
            line = " ".join([*words[:-1], ""])
        return line if len(line) <= limit and whole else line[: limit - 1] + "…"


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
    if _SUSPICIOUS.search(text):
        seen = _UNWANTED.sub(r"\1", text)
        if (shown := redact(seen)) != seen:
            return shown
    return redact(text)


def exact_json(value: Any, *, indent: int | None = None) -> str:  # noqa: ANN401 - any JSON
    """JSON that means exactly ``value``, but for secrets; escapes stand for what a reader could not see."""
    text = json.dumps(redacted_json(value), ensure_ascii=False, indent=indent)
    return _UNSEEN.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return "".join(json.dumps(char)[1:-1] for char in match[0])
