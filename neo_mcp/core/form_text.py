"""The text of a form that a person reads before they decide.

Pure. Our own sentences and labels begin at the margin. What comes from Neo, its tools or a model is bounded
and quoted: a short value in quotation marks on the line of its label, a longer text in lines that begin with
``>``. Nothing in it can end the quotation.
"""

from collections.abc import Iterable

from neo_mcp.core.render import cut
from neo_mcp.core.sanitize import count_removed, quotation, quoted

MAX_VALUE = 200
"""Characters of one value."""

MAX_VALUES = 12
"""Values on one line."""


class FormText:
    """Composes a form, paragraph by paragraph.

    Attributes:
        removed: How many invisible characters and terminal sequences were removed from what is quoted.
    """

    def __init__(self, sentence: str) -> None:
        """Begin with a sentence of our own."""
        self.removed = 0
        self._paragraphs: list[list[str]] = [[sentence]]

    def say(self, sentence: str) -> None:
        """Add a paragraph of our own words."""
        self._paragraphs.append([sentence])

    def facts(self) -> None:
        """Begin a paragraph of facts."""
        self._paragraphs.append([])

    def fact(self, label: str, *values: str, note: str = "") -> None:
        """Add a line to the paragraph: a label, and values from outside in quotation marks.

        Args:
            label: Our name for it.
            values: What comes from outside; without any, the note alone is shown.
            note: Our own words behind it.
        """
        shown = [self._value(value) for value in values[:MAX_VALUES]]
        if len(values) > len(shown):
            shown.append(f"and {len(values) - len(shown)} more")
        words = " ".join(filter(None, [", ".join(shown), note]))
        self._paragraphs[-1].append(f"{label}: {words}")

    def change(self, label: str, before: str, after: str, *, note: str = "") -> None:
        """Add a line to the paragraph: a setting before and after."""
        old, new = self._value(before), self._value(after)
        # By what they are: what is cut off may differ.
        words = f"{old} → {new}" if before != after else f"{new}, as it is"
        self._paragraphs[-1].append(f"{label}: {words}" + (f" ({note})" if note else ""))

    def own(self, label: str, words: str) -> None:
        """Add a line that is ours altogether, such as the address of the task's page."""
        self._paragraphs[-1].append(f"{label}: {words}")

    def quote(self, label: str, text: str, *, tokens: int, rest: str) -> None:
        """Add a paragraph that quotes a text.

        Args:
            label: Our name for it.
            text: What comes from outside; a blank one adds nothing.
            tokens: What it may take.
            rest: Where the whole is, for one that is cut.
        """
        cleaned, removed = count_removed(text)
        self.removed += removed
        if cleaned.strip():
            self._paragraphs.append([f"{label}:", quotation(cut(cleaned.strip("\n"), tokens, rest))])

    @property
    def text(self) -> str:
        """The whole form; it says how much was removed from it."""
        paragraphs = list(self._paragraphs)
        if self.removed:
            # Somebody may have meant to hide it.
            what = f"{self.removed} invisible characters or terminal sequences"
            paragraphs.append([f"Removed from this form: {what}. Look twice."])
        return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)

    def _value(self, value: str) -> str:
        self.removed += count_removed(value)[1]
        return quoted(value, MAX_VALUE)


def changes_in_words(added: Iterable[str], removed: Iterable[str]) -> tuple[str, ...]:
    """Changes to a task's entities, each as one value of a form."""
    return (*(f"+ {name}" for name in added), *(f"- {name}" for name in removed))
