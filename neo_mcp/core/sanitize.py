"""Text from Neo, its tools and people, made safe to show.

Removes what a reader cannot see but a terminal or a model would act on: control characters, terminal
sequences, bidirectional overrides, invisible and tag characters. Letters, code and diffs stay as they are.
"""

import re

_TERMINAL_SEQUENCE = (
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])"
)
_INVISIBLE = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but tab and line feed
    "\u00ad\u034f\u061c\u180e\u200b\u200e\u200f"  # soft hyphen, joiners that show nothing, direction marks
    "\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # separators, bidirectional controls, invisible operators
    "\ud800-\udfff\U000e0000-\U000e0fff]"  # lone surrogates, tags and supplementary variation selectors
)
_UNWANTED = re.compile(f"{_TERMINAL_SEQUENCE}|{_INVISIBLE}")
_CARRIAGE_RETURNS = re.compile(r"\r\n?")


def clean(text: str) -> str:
    """``text`` without anything invisible; line ends become line feeds."""
    return count_removed(text)[0]


def count_removed(text: str) -> tuple[str, int]:
    """``text`` without anything invisible, and how many sequences or characters that took away."""
    if "\r" in text:
        text = _CARRIAGE_RETURNS.sub("\n", text)
    return _UNWANTED.subn("", text)
