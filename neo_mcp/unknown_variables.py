"""Environment variables that look like settings and are none, each with the nearest setting.

Loaded before the first answer to a host: imports nothing that takes time.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from neo_mcp.options import SETTINGS

_NOT_ALPHANUMERIC = re.compile(r"[^A-Z0-9]")
# Kubernetes sets these for a service of that name.
_SERVICE_LINK = r"(?:PULUMI_)?NEO_MCP_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT\w*|PORT(?:_\d+_\w+)?)"


def unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """Warnings of variables that look like settings and are none, each with the nearest setting."""
    known = {setting.env for setting in SETTINGS}
    for name, value in environ.items():
        folded = _NOT_ALPHANUMERIC.sub("", name.upper())
        if not folded.startswith(("NEOMCP", "PULUMINEOMCP")) or name in known:
            continue
        if re.fullmatch(_SERVICE_LINK, name) and (not name.endswith("_PORT") or "://" in value):
            continue
        from neo_mcp.hidden_text import echoed  # noqa: PLC0415 - only where something is wrong

        nearest = _nearest(folded.removeprefix("PULUMI"), known)
        hint = f"; did you mean {nearest}?" if nearest else "."
        yield f"The environment variable {echoed(name)} is no setting and is not used{hint}"


def _nearest(folded: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only needed where something is misspelled

    spellings = {name.replace("_", "").removeprefix("NEOMCP"): name for name in known}
    close = get_close_matches(folded.removeprefix("NEOMCP")[:100], spellings, n=1, cutoff=0.7)
    return spellings[close[0]] if close else ""
