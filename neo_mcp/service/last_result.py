"""The last result of a command, given again to those that ask for the same.

An event answers hundreds of waits at one moment, and hosts ask again for tasks that have not changed. Each
command states the basis of its results: all that they depend on, but no bodies, as it stays in memory.
"""

from typing import Generic, TypeVar

_T = TypeVar("_T")

Basis = tuple[object, ...]


class LastResult(Generic[_T]):
    """One result, and its basis."""

    def __init__(self) -> None:
        self._last: tuple[Basis, _T] | None = None

    def get(self, basis: Basis) -> _T | None:
        """The last result, if it has this basis."""
        return self._last[1] if self._last is not None and self._last[0] == basis else None

    def put(self, basis: Basis, result: _T) -> None:
        """Replace it."""
        self._last = (basis, result)
