"""The differences between two texts, to show to a person. Pure.

Owns that secrets beside a change are not shown with it.
"""

import difflib
import re
from collections.abc import Iterator, Sequence

_CONTEXT = 3
_SECRET = re.compile(
    r"""((?:token|key|secret|passw(?:or)?d|authorization|credential)[\w-]*["']?\s*[:=]\s*).+?(,?\s*)$""",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"""[:=]\s*["']?(?:\$|\[access token\])""")


def changes(before: str, after: str, secrets: Sequence[str] = ()) -> Iterator[str]:
    """The lines of a unified diff, without its headings.

    Args:
        before: The text as it is.
        after: The text as it would be.
        secrets: Texts that are not shown anywhere.
    """
    old, new = before.splitlines(), after.splitlines()
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    # Most of a large file is the same on both sides: only the rest is compared.
    start = max(same - _CONTEXT, 0)
    lines = difflib.unified_diff(*_without_common_end(old[start:], new[start:]), lineterm="", n=_CONTEXT)
    for line in lines:
        if not line.startswith(("---", "+++", "@@")):
            yield masked(line, secrets)


def masked(line: str, secrets: Sequence[str] = ()) -> str:
    """``line`` without ``secrets``, and without what its name says is one, unless it refers to a variable."""
    for secret in secrets:
        line = line.replace(secret, "[access token]")
    match = _SECRET.search(line)
    if match is None or _REFERENCE.search(match[0]):
        return line
    return f"{line[: match.start()]}{match[1]}[not shown]{match[2]}"


def _without_common_end(old: list[str], new: list[str]) -> tuple[list[str], list[str]]:
    end = 0
    while end < min(len(old), len(new)) and old[-1 - end] == new[-1 - end]:
        end += 1
    cut = max(end - _CONTEXT, 0)
    return old[: len(old) - cut], new[: len(new) - cut]
