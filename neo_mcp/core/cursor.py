"""Cursors: where a reader is in a task's events, or in a list of tasks.

A cursor is opaque text built on the last event's id, so it survives restarts and works on every replica.
It also carries a digest of itself and of the task it belongs to, so that a damaged one, or one of another
task, is refused, not misread.
"""

import base64
import binascii
import hashlib
import uuid
from collections.abc import Iterable, Mapping

from neo_mcp.errors import InvalidArgumentError

_TAG_BYTES = 5
_UUID, _TEXT = b"\x01", b"\x02"
_RESTART = "Leave the cursor out to start from the beginning of the task."
_FIRST_PAGE = "Leave the cursor out to start from the first page."
_PAGES = "\0pages"  # no task has such an id


def encode_cursor(organization: str, task_id: str, event_id: str) -> str:
    """The cursor of a reader that has seen ``event_id`` and all before; empty ``event_id``: nothing yet."""
    return _armor(_tag(organization, task_id, event_id) + _pack(event_id))


def decode_cursor(cursor: str, organization: str, task_id: str) -> str:
    """The id of the last event that the cursor's owner has seen; empty for none.

    Raises:
        InvalidArgumentError: If it is no cursor, damaged, or another task's.
    """
    tag, event_id = _open(cursor)
    if tag != _tag(organization, task_id, event_id):
        raise InvalidArgumentError("This cursor is damaged, or belongs to another task.", next_step=_RESTART)
    return event_id


def join_cursors(organization: str, event_ids: Mapping[str, str]) -> str:
    """One cursor for many tasks of an organization, from the last event seen of each."""
    return ".".join(encode_cursor(organization, task_id, event) for task_id, event in event_ids.items())


def split_cursor(cursor: str, organization: str, task_ids: Iterable[str]) -> dict[str, str]:
    """The last event seen of each of the tasks; empty for those that the cursor says nothing about.

    What it says about tasks that are not among them is left aside, so that a wait can go on without a task
    that is done.

    Raises:
        InvalidArgumentError: If a part of it is no cursor, or damaged, or if it lacks one of the tasks and
            has others in their place.
    """
    seen = dict.fromkeys(task_ids, "")
    found: set[str] = set()
    strange = False
    for part in cursor.split(".") if cursor else ():
        tag, event_id = _open(part)
        owner = next((task_id for task_id in seen if tag == _tag(organization, task_id, event_id)), None)
        if owner is None:
            strange = True
        else:
            seen[owner] = event_id
            found.add(owner)
    if strange and not found:
        raise InvalidArgumentError("This cursor is damaged, or belongs to another task.", next_step=_RESTART)
    # A part that is nobody's may be the damaged one of a task that has none.
    if strange and len(found) < len(seen):
        missing = next(task_id for task_id in seen if task_id not in found)
        raise InvalidArgumentError(
            f"This cursor is damaged, or of other tasks: it says nothing about {missing}.",
            next_step=f"Leave tasks out or add some, not both in one call. {_RESTART}",
        )
    return seen


def encode_page(organization: str, token: str) -> str:
    """The cursor of a page of an organization's tasks; ``token`` is the API's name for the page."""
    return _armor(_tag(organization, _PAGES, token) + _TEXT + token.encode("utf-8", "surrogatepass"))


def decode_page(cursor: str, organization: str) -> str:
    """The API's name for the page.

    Raises:
        InvalidArgumentError: If it is no cursor of this list.
    """
    try:
        tag, token = _open(cursor)
    except InvalidArgumentError as error:
        error.next_step = _FIRST_PAGE
        raise
    if tag != _tag(organization, _PAGES, token):
        raise InvalidArgumentError("This cursor is damaged, or of another list.", next_step=_FIRST_PAGE)
    return token


def _open(cursor: str) -> tuple[bytes, str]:
    """A cursor's digest and event id, unchecked."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return raw[:_TAG_BYTES], _unpack(raw[_TAG_BYTES:])
    except (ValueError, binascii.Error):
        raise InvalidArgumentError(f"{cursor[:60]!a} is not a cursor.", next_step=_RESTART) from None


def _tag(organization: str, task_id: str, event_id: str) -> bytes:
    text = f"{organization}\0{task_id}\0{event_id}"
    return hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=_TAG_BYTES).digest()


def _pack(event_id: str) -> bytes:
    if not event_id:
        return b""
    try:
        value = uuid.UUID(event_id)
    except ValueError:
        return _TEXT + event_id.encode("utf-8", "surrogatepass")
    # Only the canonical spelling can be restored from the 16 bytes.
    return (
        _UUID + value.bytes if str(value) == event_id else _TEXT + event_id.encode("utf-8", "surrogatepass")
    )


def _unpack(raw: bytes) -> str:
    match raw[:1]:
        case b"":
            return ""
        case b"\x01":
            return str(uuid.UUID(bytes=raw[1:]))
        case b"\x02":
            return raw[1:].decode("utf-8", "surrogatepass")
        case _:
            raise ValueError("unknown kind")


def _armor(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
