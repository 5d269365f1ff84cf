"""Find the words in the body of an error, in the forms in which APIs, gateways and RFC 9457 write them.

Owns which members hold words, and which address is shown beside them. The caller cleans and cuts them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from neo_mcp.wire.json_limits import without_depth

MAX_LINK = 200
"""Maximum characters of an address that is shown."""

_MAX_TEXT = 2000
_MAX_DETAILS = 5
_MAX_LEVELS = 4
# By their letters alone, as spellings differ. Of several, the first says most.
_WORDS = (
    *("message", "detail", "errordescription", "errormessage", "error", "title", "faultstring", "fault"),
    *("description", "reason", "msg"),
)
_DETAILS = ("errors", "details")
_LINKS = ("documentationurl", "docurl", "docsurl", "helpurl", "moreinfo", "type")
_PLACES = ("field", "path", "pointer", "parameter", "name", "property")
_TITLE = re.compile(r"<(title|message|faultstring)\b[^>]{0,200}>([^<]{1,2000})<", re.IGNORECASE)
_MEMBER = re.compile(r'"(?:message|detail|title|error)"\s*:\s*("(?:[^"\\]|\\.)*+")')
_ADDRESS = re.compile(r"https?://[!#-;=?-\[\]_a-z~]+", re.ASCII)


class Words(NamedTuple):
    """The words of an error's body.

    Attributes:
        text: Its words; empty if it has none.
        link: The address of an explanation; empty if it has none that is safe to show.
        is_page: Whether the words are the title of a web page, which no API writes.
    """

    text: str
    link: str = ""
    is_page: bool = False


def words_in(body: bytes) -> Words:
    """The words of an error's body, which may be cut off or in any form."""
    text = body.decode("utf-8-sig", "replace").strip()
    if text.startswith("<"):
        title = _TITLE.search(text)
        return Words(unescape(title[2]).strip(), is_page=True) if title else Words("")
    try:
        value = json.loads(without_depth(text.encode("utf-8", "replace")))
    except (ValueError, RecursionError):
        return Words(_in_broken(text))
    if isinstance(value, list):
        value = {"errors": value}
    if isinstance(value, dict):
        return Words(_in_object(value), next(_links(value), ""))
    return Words(value if isinstance(value, str) else "")


def _in_broken(text: str) -> str:
    """The words of what is no JSON: plain text, or JSON that was cut off."""
    if not text.startswith(("{", "[")):
        return text[:_MAX_TEXT]
    match = _MEMBER.search(text)
    try:
        return str(json.loads(match[1])) if match else ""
    except ValueError:
        return ""


def _in_object(value: Mapping[str, Any]) -> str:
    main, members = _main(value), _members(value)
    title = members.get("title")
    if isinstance(title, str) and title.strip() and not main.startswith(title):
        # What happened comes before what was wrong this time (RFC 9457).
        main = f"{title.strip().removesuffix('.')}: {main}" if "detail" in members else main
    inner = members.get("error")
    found = [*_details(members), *(_details(_members(inner)) if isinstance(inner, dict) else ())]
    details = list(dict.fromkeys(text for text in found if text and text not in main))[:_MAX_DETAILS]
    return ": ".join(filter(None, (main.removesuffix(".") if details else main, "; ".join(details))))


def _main(value: object) -> str:
    """The words that say most, where objects are within one another."""
    for _ in range(_MAX_LEVELS):
        if not isinstance(value, dict):
            break
        members = _members(value)
        value = next((members[name] for name in _WORDS if _may_hold_words(members.get(name))), None)
    return _text(value)


def _may_hold_words(value: object) -> bool:
    return bool(_text(value)) or (isinstance(value, dict) and bool(_main_name(value)))


def _main_name(value: Mapping[str, Any]) -> str:
    return next((name for name in _members(value) if name in _WORDS), "")


def _details(members: Mapping[str, Any]) -> Iterator[str]:
    """The words of each item in the lists of errors."""
    for name in (*_DETAILS, "message", "detail", "error"):
        items = members.get(name)
        if isinstance(items, list):
            for item in items[:_MAX_DETAILS]:
                yield _detail(item)
        elif isinstance(items, dict) and name in _DETAILS:
            for key, item in list(items.items())[:_MAX_DETAILS]:
                text = (
                    ", ".join(filter(None, map(_text, item[:3]))) if isinstance(item, list) else _main(item)
                )
                yield f"{key}: {text}" if text else ""


def _detail(item: object) -> str:
    text = _main(item)
    if not isinstance(item, dict) or not text:
        return text
    members = _members(item)
    place = next((_text(members[name]) for name in _PLACES if _text(members.get(name))), "")
    where = members.get("loc")
    if not place and isinstance(where, list):
        place = ".".join(filter(None, map(_text, where[:_MAX_DETAILS])))
    return f"{place}: {text}" if place else text


def _text(value: object) -> str:
    """``value`` as words; empty for what is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value.strip()[:_MAX_TEXT] if isinstance(value, str) else ""


def _members(value: Mapping[str, Any]) -> dict[str, Any]:
    """The members by the letters of their names."""
    return {re.sub(r"[\W_]", "", key).lower(): item for key, item in reversed(list(value.items()))}


def _links(value: Mapping[str, Any]) -> Iterator[str]:
    for each in (value, value.get("error"), value.get("fault")):
        members = _members(each) if isinstance(each, dict) else {}
        for name in _LINKS:
            if is_safe_address(members.get(name)):
                yield members[name]


def is_safe_address(value: object) -> bool:
    """True for the address of a web page, without credentials and characters that may end a quotation."""
    if not isinstance(value, str) or len(value) > MAX_LINK or not _ADDRESS.fullmatch(value):
        return False
    try:
        parts = urlsplit(value)
        # Brackets are part of an address of IPv6, and elsewhere of Markdown.
        is_plain = not {"[", "]"} & set(parts.path + parts.query + parts.fragment)
        return bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0 and is_plain
    except ValueError:
        return False
