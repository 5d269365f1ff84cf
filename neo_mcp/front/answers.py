"""The prepared answers: results of requests, as the server gives them.

Made by ``python -m tests.generate.answers``. Each line of the file has the names of a result, separated by
commas, a tab, and the result.
"""

from pathlib import Path

FILE = Path(__file__).with_name("answers.txt")


def name_of(method: str, version: str, *, read_only: bool, shows_apps: bool) -> str:
    """The name of a result: all that it depends on."""
    mode = "read-only" if read_only else "read-write"
    return f"{method} {version} {mode} {'apps' if shows_apps else 'plain'}"


def load() -> dict[str, bytes]:
    """Results by name."""
    answers: dict[str, bytes] = {}
    for line in FILE.read_bytes().splitlines():
        names, _, result = line.partition(b"\t")
        answers.update(dict.fromkeys(names.decode().split(","), result))
    return answers
