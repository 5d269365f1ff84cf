"""Bounds the time of a search for secrets in several texts."""

MAX_TOKENS_OF_ALL = 100_000
"""Maximum number of tokens that are read of the values in all texts of one JSON value."""

_MIN_TOKENS_OF_HEAD = 1000
_TOKENS_OF_TEXT = 20
"""Tokens that take as long as what is done once for a text."""


class Effort:
    """Counts the tokens that are read in the texts of one JSON value, to bound the time."""

    __slots__ = ("_left",)

    def __init__(self, tokens: float = MAX_TOKENS_OF_ALL) -> None:
        self._left = tokens

    @classmethod
    def for_head(cls, characters: int) -> "Effort":
        """Return the effort for a value of which only so many characters are shown."""
        return cls(min(_MIN_TOKENS_OF_HEAD + characters, MAX_TOKENS_OF_ALL))

    @property
    def is_spent(self) -> bool:
        """True if no other text is to be read."""
        return self._left <= 0

    def spend(self, tokens: int) -> None:
        """Count the tokens of a text."""
        if tokens > 0:
            self._left -= _TOKENS_OF_TEXT + tokens
