"""Text from Neo, its tools and people, made safe to show.

Removes what a reader cannot see but a terminal or a model would act on: control characters, terminal
sequences, bidirectional overrides, invisible and tag characters. Letters, code and diffs stay as they are.
"""

import re

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
_UNWANTED = re.compile(f"{_TERMINAL_SEQUENCE}|{_INVISIBLE}")
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029]")


def clean(text: str) -> str:
    """``text`` without anything invisible; line ends become line feeds."""
    return count_removed(text)[0]


def count_removed(text: str) -> tuple[str, int]:
    """``text`` without anything invisible, and how many sequences or characters that took away."""
    return _UNWANTED.subn("", _LINE_ENDS.sub("\n", text))


def one_line(text: str, limit: int = 160) -> str:
    """``text`` cleaned, on one line, in ``limit`` characters; costs no more for a longer ``text``."""
    head = text[: limit * 4]
    line = " ".join(clean(head).split())
    return line if len(line) <= limit and len(head) == len(text) else line[: limit - 1] + "…"
