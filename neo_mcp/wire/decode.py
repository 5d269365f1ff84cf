"""Decode JSON that strict parsers refuse, and drop the encrypted access token.

Owns what happens between bytes and models for unusual input: broken text, and the encrypted access token that
the API sends to Neo's runtime, which is dropped wherever in an event it is.
"""

import json
import re
from typing import Any

from neo_mcp.wire.json_limits import ANSWER, MAX_NUMBER, JsonLimits, is_within, without_depth

TOKEN_EVENT = "provide_pulumi_access_token"  # noqa: S105 - an event's type, no secret

_NAME = b"pulumiaccesstoken"
# ASCII letters are escaped only to hide them.
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")
_LOWER = bytes(range(256)).lower()
_TOKEN_IN_TEXT = re.compile(
    r"(encrypted[_-]?pulumi[_-]?access[_-]?token[\\\"']*\s*[:=]\s*[\\\"']*)[^\\\"'\s,}]+", re.IGNORECASE
)


def decode_json(data: bytes, limits: JsonLimits = ANSWER) -> object:
    """Decode JSON without tokens; accept a byte-order mark, invalid UTF-8 and lone surrogates.

    Values that are nested too deeply, and numbers that Python does not read, become text.

    Raises:
        ValueError: If ``data`` is not JSON, or has too many values.
    """
    data = without_depth(data, limits)
    try:
        value = json.loads(data.decode("utf-8-sig", "replace"), parse_int=_integer)
    except (ValueError, RecursionError):
        raise ValueError("not valid JSON") from None
    return drop_tokens(scrub_surrogates(value))


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= MAX_NUMBER else digits


def may_hold_token(data: bytes) -> bool:
    """True if ``data`` may hold the encrypted access token; a cheap check with false positives."""
    return _names_token(data) or (b"\\" in data and _ESCAPED_LETTER.search(data) is not None)


def is_plain(data: bytes) -> bool:
    """True if ``data``, events in which no letters are escaped, needs no treatment before validation."""
    return is_within(data) and not _names_token(data)


def _names_token(data: bytes) -> bool:
    return _NAME in data.translate(_LOWER, b"_-")


def drop_tokens(value: Any) -> Any:  # noqa: ANN401 - any JSON value in, the same shape out
    """Return ``value`` without the encrypted access token, wherever and however it is spelled."""
    match value:
        case str():
            return _TOKEN_IN_TEXT.sub(r"\1[removed]", value)
        case list():
            return [drop_tokens(item) for item in value]
        case dict() if any(_names_token_event(key, item) for key, item in value.items()):
            fields = {key: value[key] for key in ("id", "sequence") if isinstance(value.get(key), str | int)}
            return {**fields, "type": TOKEN_EVENT}
        case dict():
            return {
                drop_tokens(key): drop_tokens(item)
                for key, item in value.items()
                if "encryptedpulumiaccesstoken" not in _squash(key)
            }
        case _:
            return value


def scrub_surrogates(value: Any) -> Any:  # noqa: ANN401 - any JSON value in, the same shape out
    """Return ``value`` with lone surrogates, which UTF-8 cannot encode, replaced by U+FFFD."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [scrub_surrogates(item) for item in value]
        case dict():
            return {scrub_surrogates(key): scrub_surrogates(item) for key, item in value.items()}
        case _:
            return value


def _names_token_event(key: str, value: object) -> bool:
    return isinstance(value, str) and key.lower().endswith("type") and _squash(value) == _squash(TOKEN_EVENT)


def _squash(text: str) -> str:
    return "".join(filter(str.isalnum, text[:200])).lower()
