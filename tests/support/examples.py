"""How much of a matrix, and how many examples, is part of every run; the rest is run with what takes long."""

from collections.abc import Iterable

import pytest
from hypothesis import settings

_FULL = 100


def examples(full: int) -> int:
    """So many under Hypothesis's profile ``full``, in proportion under others; for ``max_examples``."""
    return max(3, full * settings().max_examples // _FULL)


def some(cases: Iterable[object], *, every: int) -> list[object]:
    """All the cases of a matrix, of which each in so many, the first included, is part of every run."""
    return [case if n % every == 0 else long(case) for n, case in enumerate(cases)]


def long(case: object) -> object:
    """A case for ``parametrize`` that is run only with what takes long."""
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.long)
