"""The documentation as resources: ``neo-docs://{page}``, a scheme of its own that no organization can be in.

Owns the addresses. The pages are :mod:`neo_mcp.docs`; nothing upstream is asked for.
"""

from mcp_types import ReadResourceResult, Resource, TextResourceContents

from neo_mcp.constants import PROGRAM
from neo_mcp.docs import PAGES, page
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hidden_text import echoed

_SCHEME = "neo-docs://"
_MARKDOWN = "text/markdown"


def is_document(uri: str) -> bool:
    """True if an address is of this kind, even without such a page."""
    return uri.startswith(_SCHEME)


def list_documents() -> list[Resource]:
    """Every page."""
    return [
        Resource(
            uri=f"{_SCHEME}{name}",
            name=f"{PROGRAM} {name}",
            description=content,
            mime_type=_MARKDOWN,
        )
        for name, content in PAGES.items()
    ]


def read_document(uri: str) -> ReadResourceResult:
    """Read one page.

    Raises:
        InvalidArgumentError: If there is no such page.
    """
    name = uri.removeprefix(_SCHEME)
    if name not in PAGES:
        raise InvalidArgumentError(
            f"There is no page {echoed(name)}.", next_step=f"The pages are: {', '.join(PAGES)}."
        )
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=page(name), mime_type=_MARKDOWN)])
