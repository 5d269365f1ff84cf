"""Cursors: where a reader is in a task's events, or in a list of tasks.

A cursor is opaque text built on the last event's id, so it survives restarts and works on every replica. It
also records which needs were reported, so that no wait ends for one of them again; a cursor of an older
version, without that part, counts as one with nothing reported. It also carries a digest of itself and of the
task it belongs to, so that a damaged cursor, or one of another task, is refused, not misread.
"""

import base64
import binascii
import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from neo_mcp.core.reported import NOTHING_REPORTED, Reported
from neo_mcp.errors import InvalidArgumentError
from neo_mcp.hidden_text import echoed
from neo_mcp.wire.ids import organization_key

_TAG_BYTES = 5
_UUID, _TEXT, _REPORTED = b"\x01", b"\x02", b"\x03"
_RESTART = "Leave the cursor out to start from the beginning of the task."
_FIRST_PAGE = "Leave the cursor out to start from the first page."
_SKIP = re.compile("[0-9]{1,6}")
_PAGES = "\0pages"  # no task has such an id


@dataclass(frozen=True, slots=True)
class Position:
    """A reader's position in a task.

    Attributes:
        event_id: The last event that it has seen; empty for none.
        reported: The needs that were reported to it.
    """

    event_id: str = ""
    reported: Reported = NOTHING_REPORTED


def encode_cursor(
    organization: str, task_id: str, event_id: str, reported: Reported = NOTHING_REPORTED
) -> str:
    """The cursor of a reader that has seen ``event_id`` and all before it; empty for no event."""
    packed = reported.pack()
    content = (_REPORTED + packed if packed else b"") + _pack(event_id)
    return _armor(_tag(organization, task_id, event_id, packed) + content)


def decode_cursor(cursor: str, organization: str, task_id: str) -> Position:
    """The position of the cursor's owner.

    Raises:
        InvalidArgumentError: If it is not a cursor, is damaged, or is another task's.
    """
    part = _open(cursor)
    if not part.is_of(organization, task_id):
        raise InvalidArgumentError("This cursor is damaged, or belongs to another task.", next_step=_RESTART)
    return part.position


def join_cursors(organization: str, positions: Mapping[str, Position]) -> str:
    """Join the reader's positions in many tasks of an organization into one cursor."""
    return ".".join(
        encode_cursor(organization, task_id, position.event_id, position.reported)
        for task_id, position in positions.items()
    )


def split_cursor(cursor: str, organization: str, task_ids: Iterable[str]) -> dict[str, Position]:
    """The reader's position in each of the tasks: the start of those that are not in the cursor.

    Its positions in other tasks are ignored, so that a wait can go on without a task that is done.

    Raises:
        InvalidArgumentError: If a part of it is not a cursor or is damaged, or if it lacks one of the tasks
            and has others instead.
    """
    seen = dict.fromkeys(task_ids, Position())
    matched: set[str] = set()
    strange = False
    for text in cursor.split(".") if cursor else ():
        part = _open(text)
        owner = next((task_id for task_id in seen if part.is_of(organization, task_id)), None)
        if owner is None:
            strange = True
        else:
            seen[owner] = part.position
            matched.add(owner)
    if strange and not matched:
        raise InvalidArgumentError("This cursor is damaged, or belongs to another task.", next_step=_RESTART)
    # A part of no given task may be the damaged one of a task that has none.
    if strange and len(matched) < len(seen):
        missing = next(task_id for task_id in seen if task_id not in matched)
        raise InvalidArgumentError(
            f"This cursor is damaged, or belongs to other tasks: it has no position in {missing}.",
            next_step=f"Leave tasks out or add some, not both in one call. {_RESTART}",
        )
    return seen


@dataclass(frozen=True, slots=True)
class PagePlace:
    """A reader's position in an organization's tasks.

    Attributes:
        token: The API's token of the page; empty for the first.
        skip: How many tasks of the page it has seen.
    """

    token: str = ""
    skip: int = 0


def encode_page(organization: str, page: PagePlace) -> str:
    """The cursor of a reader of an organization's tasks."""
    text = f"{page.skip}\0{page.token}" if page.skip or "\0" in page.token else page.token
    return _armor(_tag(organization, _PAGES, text) + _TEXT + text.encode("utf-8", "surrogatepass"))


def decode_page(cursor: str | None, organization: str) -> PagePlace:
    """The reader's position; the beginning without a cursor.

    Raises:
        InvalidArgumentError: If it is not a cursor of this list.
    """
    if not cursor:
        return PagePlace()
    part = _open(cursor, next_step=_FIRST_PAGE)
    if not part.is_of(organization, _PAGES):
        raise InvalidArgumentError("This cursor is damaged, or of another list.", next_step=_FIRST_PAGE)
    skip, mark, token = part.position.event_id.partition("\0")
    if mark and not _SKIP.fullmatch(skip):
        raise InvalidArgumentError("This cursor is damaged.", next_step=_FIRST_PAGE)
    return PagePlace(token, int(skip)) if mark else PagePlace(skip)


@dataclass(frozen=True, slots=True)
class _Part:
    """A cursor of one task, whose digest is not checked yet."""

    tag: bytes
    position: Position

    def is_of(self, organization: str, task_id: str) -> bool:
        """True if it is intact, and belongs to that task."""
        rest = task_id, self.position.event_id, self.position.reported.pack()
        # Earlier versions told spellings of the organization apart.
        return self.tag in {_tag(organization, *rest), _digest(organization, *rest)}


def _open(cursor: str, *, next_step: str = _RESTART) -> _Part:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        tag, content = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        reported = NOTHING_REPORTED
        if content[:1] == _REPORTED:
            reported, content = Reported.unpack(content[1:])
        return _Part(tag, Position(_unpack(content), reported))
    except (ValueError, binascii.Error):
        raise InvalidArgumentError(f"{echoed(cursor)} is not a cursor.", next_step=next_step) from None


def _tag(organization: str, task_id: str, event_id: str, packed: bytes = b"") -> bytes:
    return _digest(organization_key(organization), task_id, event_id, packed)


def _digest(organization: str, task_id: str, event_id: str, packed: bytes) -> bytes:
    text = f"{organization}\0{task_id}\0{event_id}".encode("utf-8", "surrogatepass")
    # The reported needs encode their own length, so no other input reads the same.
    person = b"reported" if packed else b""
    return hashlib.blake2s(packed + text, digest_size=_TAG_BYTES, person=person).digest()


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
