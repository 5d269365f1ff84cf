"""The text of an approval form.

Pure. Our own sentences and labels begin at the margin, and are literals in the code, which a test checks.
Text from Neo, its tools or a model is bounded and quoted: a short value in quotation marks on a line of its
own behind a label, a longer text in lines that begin with ``>``. Nothing in it can end the quotation. Cuts
are reported outside of the quotation.
"""

import re
from collections.abc import Iterable, Mapping
from typing import LiteralString

from neo_mcp.core.links import safe_markdown
from neo_mcp.core.render.lines import cut_note, fitting
from neo_mcp.core.sanitize import count_removed, exact_json, is_word, quotation, quoted

MAX_VALUE = 200
"""Maximum characters of one value."""

MAX_VALUES = 12
"""Maximum values under one label."""

_REDACTED = "[redacted: "
_URL = re.compile(r"https?://[\w.:/@#%+~-]{1,500}", re.ASCII)


class FormText:
    """Composes a form, paragraph by paragraph.

    Attributes:
        removed: How many invisible characters and terminal sequences were removed from what is quoted.
    """

    def __init__(self, sentence: LiteralString) -> None:
        """Begin with a sentence of our own."""
        self.removed = 0
        self._paragraphs: list[list[str]] = [[sentence]]

    def add_sentence(self, sentence: LiteralString) -> None:
        """Add a paragraph of our own words."""
        self._paragraphs.append([sentence])

    def begin_values(self) -> None:
        """Begin a paragraph of values."""
        self._paragraphs.append([])

    def add_values(self, label: LiteralString, *values: str, note: LiteralString = "") -> None:
        """Add values from outside to the paragraph, each in quotation marks in a line of its own.

        Args:
            label: Our name for them.
            values: Foreign values; without any, only the note is shown.
            note: Our own words after it.
        """
        self._add(label, values, note)

    def add_settings(self, values: Mapping[str, object]) -> None:
        """Add settings of a request to the paragraph, by the program's names for them."""
        for name, value in values.items():
            items = value if isinstance(value, list | tuple) else [value]
            texts = [item if isinstance(item, str) else exact_json(item) for item in items]
            self._add(name.replace("_", " ").capitalize(), texts, "" if texts else "none")

    def add_change(
        self, label: LiteralString, before: str | None, after: str, *, note: LiteralString = ""
    ) -> None:
        """Add a line to the paragraph: a setting before, if known, and after."""
        old, new = self._value(before) if before else "unknown", self._value(after)
        # Compared by value: cut texts may differ in the rest.
        words = f"{old} → {new}" if before != after else f"{new}, unchanged"
        self._paragraphs[-1].append(f"{label}: {words}" + (f" ({note})" if note else ""))

    def add_own_line(self, label: LiteralString, words: LiteralString) -> None:
        """Add a line that is entirely our own."""
        self._paragraphs[-1].append(f"{label}: {words}")

    def add_url(self, label: LiteralString, url: str) -> None:
        """Add a URL that this program built; quote it if it is malformed."""
        shown = url if _URL.fullmatch(url) else self._value(url)
        self._paragraphs[-1].append(f"{label}: {shown}")

    def add_quote(
        self, label: LiteralString, text: str, *, tokens: int, rest: LiteralString, is_code: bool = False
    ) -> bool:
        """Add a paragraph that quotes a text.

        Args:
            label: Our name for it.
            text: Foreign text; a blank one adds nothing.
            tokens: Its budget.
            rest: Where to find the whole text, if it is cut.
            is_code: True for code; a host may show prose as Markdown.

        Returns:
            True if all of it was added.
        """
        cleaned, removed = count_removed(text)
        self.removed += removed
        whole = cleaned.strip("\n")
        if not whole.strip():
            return True
        shown = fitting(whole, tokens)
        quoted_text = safe_markdown(quotation(shown), has_code=is_code)
        lines = [f"{label}:", *([quoted_text] if shown.strip() else [])]
        is_whole = len(shown) == len(whole)
        self._paragraphs.append(lines if is_whole else [*lines, cut_note(whole[len(shown) :], rest)])
        return is_whole

    @property
    def text(self) -> str:
        """The whole form, with the number of removed characters, and whether a part is hidden."""
        paragraphs = list(self._paragraphs)
        if any(_REDACTED in line for lines in paragraphs for line in lines):
            # A person agrees to all of it.
            paragraphs.append(
                ["A part of this form is hidden, as it looks like a secret. Your answer covers it."]
            )
        if self.removed:
            # The characters may have been hidden on purpose.
            what = f"{self.removed} invisible characters or terminal sequences"
            paragraphs.append([f"Removed from this form: {what}. Review it carefully."])
        return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)

    def _add(self, label: str, values: Iterable[str], note: str) -> None:
        values = list(values)
        shown = [" ".join(filter(None, [self._value(value), note])) for value in values[:MAX_VALUES]]
        if len(values) > len(shown):
            shown.append(f"and {len(values) - len(shown)} more")
        self._paragraphs[-1] += [f"{label}: {words}" for words in shown or [note]]

    def _value(self, value: str) -> str:
        self.removed += count_removed(value)[1]
        shown = safe_markdown(quoted(value, MAX_VALUE), has_code=True)
        is_cut = len(value) > MAX_VALUE and shown.endswith('…"')
        return f"{shown} (cut)" if is_cut else shown


def confirmation_text(name: str | None, otherwise: str) -> str:
    """Return the text to type: ``name`` if it is a plain word, else ``otherwise``.

    It is shown without quotation marks, so that none are typed.
    """
    return name if name and is_word(name) else otherwise


def describe_changes(added: Iterable[str], removed: Iterable[str]) -> tuple[str, ...]:
    """Changes to a task's entities, each as one value of a form."""
    return (*(f"+ {name}" for name in added), *(f"- {name}" for name in removed))
