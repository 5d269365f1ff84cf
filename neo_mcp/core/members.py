"""Mask the values of keys that name a secret in any text.

Where they begin and end is in :mod:`neo_mcp.core.secret_members`.
"""

from neo_mcp.core.effort import Effort
from neo_mcp.core.secret_names import MASK, names_in


def mask_members(text: str, effort: Effort | None = None) -> str:
    """Return ``text`` with a note in place of the values whose keys name a secret.

    Reads text within other text, within JSON at any depth, and cut off. If that would take long, one note
    replaces all the rest.

    Args:
        text: Any text.
        effort: Bounds the time for several texts together.
    """
    names = names_in(text)
    if names is None:
        return text
    effort = effort or Effort()
    if effort.is_spent:
        return MASK
    from neo_mcp.core.secret_members import Scanner  # noqa: PLC0415 - large, and most texts name no secret

    return _with_notes(text, Scanner(names, text).spans(effort))


def shown_name(key: str) -> str:
    """Return ``key``, the name of a variable, without a value that is joined to it."""
    name, equals, _ = key.partition("=")
    return f"{name}={MASK}" if equals else key


def _with_notes(text: str, spans: list[tuple[int, int]]) -> str:
    parts: list[str] = []
    end = 0
    for first, last in sorted(spans):
        start = max(first, end)
        if start >= last or text[start:last] == MASK:
            continue
        parts += [text[end:start], MASK]
        end = last
    return "".join([*parts, text[end:]]) if parts else text
