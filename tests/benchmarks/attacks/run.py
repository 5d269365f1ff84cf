"""All attacks, one after the other."""

import sys
from collections.abc import Iterator, Sequence

from tests.benchmarks.attacks import access, inbound, outbound
from tests.benchmarks.attacks.play import Attack, Result, play
from tests.benchmarks.attacks.size import Size


def attacks() -> Iterator[Attack]:
    """Every attack, in the order of the table."""
    yield from inbound.attacks()
    yield from access.attacks()
    yield from outbound.attacks()


def play_all(python: str, size: Size, only: Sequence[str] = ()) -> list[Result]:
    """Play every attack whose name has one of the words ``only`` in it; all, if there are none."""
    results: list[Result] = []
    for attack in attacks():
        if not only or any(word.lower() in attack.name.lower() for word in only):
            sys.stderr.write(f"playing: {attack.name} ...\n")
            results.append(play(attack, python, size))
    return results
