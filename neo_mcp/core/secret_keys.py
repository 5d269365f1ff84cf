"""The key of a value, as it was found in a text."""

from typing import NamedTuple


class Key(NamedTuple):
    """A key that was found.

    Attributes:
        kind: The group of its name.
        name: It, as it is written.
        is_quoted: True if it is in quotation marks.
        separator: What separates it from its value.
        column: Its distance from the beginning of its line; -1 if it does not begin a line.
        is_code: True if it is assigned to, as code does.
        begins: True if an entry or a text may begin with it.
        is_in_text: True if the quotation mark before it is not that of the key alone.
        around: The quotation mark of the text that it is in, and the number of backslashes before that.
        is_weak: True if only what looks like a secret is one under this name.
    """

    kind: str
    name: str
    is_quoted: bool
    separator: str
    is_code: bool
    column: int
    begins: bool
    is_in_text: bool
    around: tuple[str, int] | None
    is_weak: bool = False

    @property
    def names_secrets(self) -> bool:
        """True if the name is one such as of a secret in a cluster, and may be that of another such name."""
        return self.is_weak and self.name.lower() == "ecret"


BESIDE = Key(
    "field",
    "value",
    is_quoted=False,
    separator=":",
    is_code=False,
    column=-1,
    begins=True,
    is_in_text=False,
    around=None,
)
"""The key of a value that is masked for a field beside it."""
