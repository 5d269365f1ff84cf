"""The needs that were reported to a reader, small enough to travel in its cursor.

A need is identified by the event since which it holds, so one that changed, or that came back, is a new one.
Few are named one by one. Many are stored as a count and a digest: they are the first in the order of the
events, and if that no longer matches, nothing counts as reported, so that nothing is lost.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from neo_mcp.core.attention import OVER, Attention, AttentionKind
from neo_mcp.errors import InvalidArgumentError

MAX_KEYS = 12
"""Maximum number of needs that are named one by one."""

_KEY_BYTES = 4
_DIGEST_BYTES = 8
_COUNT_BYTES = 2
_IS_OVER, _IS_DIGEST = 0x80, 0x40
_MAX_COUNT = 2 ** (8 * _COUNT_BYTES) - 1


def key_of(need: Attention) -> bytes:
    """A short name of a need, the same in every process for as long as the need is unchanged."""
    about = need.request.id if need.request is not None else ""
    group = "over" if need.kind in OVER else need.kind is AttentionKind.LOCAL_TOOLS
    text = f"{group}\0{about}\0{need.source}"
    return hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).digest()


@dataclass(frozen=True, slots=True)
class Reported:
    """The needs that were reported and not resolved at that time.

    Attributes:
        keys: Keys of the needs, if they are few.
        count: Number of needs, if they are many; 0 otherwise.
        digest: Digest of the keys of these many.
        is_over: Whether it is the end of a turn, which is never resolved.
    """

    keys: tuple[bytes, ...] = ()
    count: int = 0
    digest: bytes = b""
    is_over: bool = False

    @classmethod
    def of(
        cls, reported: Collection[bytes], pending: Sequence[bytes], *, is_over: bool = False
    ) -> "Reported":
        """The needs of ``pending`` that are in ``reported``; if there are too many, the first of them."""
        keys = tuple(key for key in pending if key in reported)
        first = 0
        while first < min(len(pending), _MAX_COUNT) and pending[first] in reported:
            first += 1
        if first > MAX_KEYS:
            return cls(count=first, digest=_digest(pending[:first]))
        return cls(keys=keys[:MAX_KEYS], is_over=is_over and bool(keys))

    def known(self, pending: Sequence[bytes]) -> frozenset[bytes]:
        """The keys in ``pending`` that were reported."""
        if not self.count:
            return frozenset(self.keys).intersection(pending)
        first = pending[: self.count]
        return frozenset(first if _digest(first) == self.digest else ())

    def is_resolved(self, pending: Sequence[bytes], answered: Collection[bytes] = ()) -> bool:
        """True if a reported need is no longer pending, except for those in ``answered``."""
        if self.count:
            return not self.known(pending)
        return not self.is_over and any(key not in pending and key not in answered for key in self.keys)

    def pack(self) -> bytes:
        """The same as bytes, which encode their own length; empty if nothing was reported."""
        if self.count:
            return bytes([_IS_DIGEST]) + self.count.to_bytes(_COUNT_BYTES, "big") + self.digest
        head = len(self.keys) | (_IS_OVER if self.is_over else 0)
        return bytes([head]) + b"".join(self.keys) if self.keys else b""

    @classmethod
    def unpack(cls, raw: bytes) -> tuple["Reported", bytes]:
        """Read the result of :meth:`pack` from the beginning of the bytes; return it and the rest.

        Raises:
            ValueError: If it is not a result of ``pack``.
        """
        head = raw[0] if raw else 0
        if head == _IS_DIGEST:
            end = 1 + _COUNT_BYTES + _DIGEST_BYTES
            result = cls(
                count=int.from_bytes(raw[1 : 1 + _COUNT_BYTES], "big"), digest=raw[1 + _COUNT_BYTES : end]
            )
        else:
            end = 1 + _KEY_BYTES * (head & ~_IS_OVER)
            keys = tuple(raw[at : at + _KEY_BYTES] for at in range(1, end, _KEY_BYTES))
            result = cls(keys=keys, is_over=bool(head & _IS_OVER))
        if len(raw) < end or len(result.keys) > MAX_KEYS or result.pack() != raw[:end]:
            raise ValueError("damaged")
        return result, raw[end:]


def _digest(keys: Sequence[bytes]) -> bytes:
    return hashlib.blake2s(b"".join(keys), digest_size=_DIGEST_BYTES).digest()


NOTHING_REPORTED = Reported()


@dataclass(frozen=True, slots=True)
class Needs:
    """The needs of a task at one moment.

    Attributes:
        every: All needs; the requests that the service may still answer itself come last.
        keys: The keys of ``every``.
        count: How many of them need attention already.
    """

    every: tuple[Attention, ...] = ()
    keys: tuple[bytes, ...] = ()
    count: int = 0

    @classmethod
    def of(cls, due: Sequence[Attention], later: Sequence[Attention] = ()) -> "Needs":
        """Combine those that need attention already with those that may do so later."""
        every = (*due, *later)
        return cls(every, tuple(map(key_of, every)), len(due))

    @property
    def due(self) -> tuple[Attention, ...]:
        """The needs that require attention now."""
        return self.every[: self.count]

    @property
    def later(self) -> tuple[Attention, ...]:
        """The requests that the service may still answer itself."""
        return self.every[self.count :]

    def new(self, reported: Reported) -> tuple[Attention, ...]:
        """The needs that require attention now and were not reported."""
        if reported == NOTHING_REPORTED or not self.count:
            return self.due
        known = reported.known(self.keys)
        pairs = zip(self.due, self.keys, strict=False)
        return tuple(need for need, key in pairs if key not in known)

    def since(self, reported: Reported, answered: Collection[bytes] = ()) -> "Pending":
        """The same from a reader's point of view.

        Args:
            reported: The needs that were reported to it.
            answered: Keys of the needs that were answered through this process, which are not new.
        """
        if not self.every:
            return Pending(is_resolved=reported.is_resolved((), answered))
        known = reported.known(self.keys)
        pairs = list(zip(self.every, self.keys, strict=True))
        new = [pair for pair in pairs[: self.count] if pair[1] not in known]
        # Reported needs stay in view, even if the service might be about to answer them.
        old = [pair for pair in pairs if pair[1] in known]
        return Pending(
            tuple(need for need, _ in (*new, *old)),
            len(new),
            reported.is_resolved(self.keys, answered),
            tuple(key for _, key in (*new, *old)),
            self.keys,
        )


NEVER = Needs(count=-1)
"""Different from any real needs."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The needs of a task, compared with those that were reported before.

    Attributes:
        needs: New ones first.
        new: How many are new.
        is_resolved: Whether a reported need no longer needs attention.
        keys: The keys of ``needs``.
        order: The keys of all pending needs in the order of the events.
    """

    needs: tuple[Attention, ...] = ()
    new: int = 0
    is_resolved: bool = False
    keys: tuple[bytes, ...] = ()
    order: tuple[bytes, ...] = ()

    def first(self, request_id: str) -> "Pending":
        """The same with one request first, which counts as new.

        Raises:
            InvalidArgumentError: If it is not pending.
        """
        for index, need in enumerate(self.needs):
            if need.request is not None and need.request.id == request_id:
                order = [index, *(other for other in range(len(self.needs)) if other != index)]
                new = self.new + (index >= self.new)
                needs = tuple(self.needs[at] for at in order)
                return replace(self, needs=needs, keys=tuple(self.keys[at] for at in order), new=new)
        raise InvalidArgumentError(
            "There is no such request pending.", next_step="Leave request_id out to see what is."
        )

    def reported(self, shown: int) -> Reported:
        """The reported needs once the first ``shown`` ones have been reported."""
        keys = {*self.keys[:shown], *self.keys[self.new :]}
        is_over = any(need.kind in OVER for need in self.needs)
        return Reported.of(keys, self.order, is_over=is_over)
