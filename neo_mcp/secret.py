"""Secrets that no text, log or traceback shows by accident.

They behave as pydantic's of the same names do, which take a fifth of a second to load.
"""

import sys
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

_T = TypeVar("_T", str, bytes)
_MASK = "**********"


class _Secret(Generic[_T]):
    __slots__ = ("_value",)
    _value: _T

    def __init__(self, value: _T) -> None:
        self._value = value

    def get_secret_value(self) -> _T:
        """The secret itself."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self._value == other.get_secret_value()

    def __hash__(self) -> int:
        return hash(self._value)

    def __str__(self) -> str:
        return _MASK if self._value else ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class SecretStr(_Secret[str]):
    """A secret text."""

    __slots__ = ()


class SecretBytes(_Secret[bytes]):
    """A secret of bytes."""

    __slots__ = ()


def command_that_makes(file: "Path | str") -> str:
    """The shell command that makes a secret of 32 random bytes, for its owner alone; it needs only Python."""
    if sys.platform == "win32":
        # For either shell, of which one would write UTF-16; a folder there is its owner's alone already.
        make = f"import pathlib, secrets; pathlib.Path(r'{file}').write_text(secrets.token_hex())"
        return f'python -c "{make}"'
    import shlex  # noqa: PLC0415 - only where something is wrong

    return f"(umask 077; python3 -c 'import secrets; print(secrets.token_hex())' > {shlex.quote(str(file))})"
