"""A result's two forms: text and structured content.

Hosts differ in which of the two they pass to their model, so each alone is enough to act on. Foreign text is
delimited by JSON itself; in the text, by frames and quotes.
"""

import hashlib
import itertools
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from neo_mcp.core.render.lines import estimate_tokens
from neo_mcp.hints import LIBRARY, NextStep, Wording, to_text


class Frame:
    """Marks where foreign text begins and ends in a result's text.

    All frames of a result have one key that is nowhere else in it: text in a frame can neither close it nor
    begin another. The same result has the same key, in every process.
    """

    def __init__(self, key: str, wording: Wording = LIBRARY) -> None:
        self._key = key
        self._wording = wording
        self._marks = 0

    def around(self, text: str) -> str:
        """Put ``text`` in a frame."""
        self._marks += 2
        return f"<neo-{self._key}>\n{text}\n</neo-{self._key}>"

    def step(self, step: NextStep) -> str:
        """A next step in the words of the surface."""
        return to_text(step, self._wording)

    def is_all_of(self, text: str) -> bool:
        """True if the key is nowhere in ``text`` but in the frames' own marks."""
        return text.count(self._key) == self._marks

    def with_key(self, key: str, text: str) -> str | None:
        """Put another key into the frames of ``text``; ``None`` if it is elsewhere in it."""
        keyed = text.replace(self._key, key)
        return keyed if keyed.count(key) == self._marks else None


@dataclass(frozen=True)
class Rendered:
    """A result in the words of a surface.

    Attributes:
        text: As text.
        structured: As JSON.
    """

    wording: Wording
    text: str
    structured: dict[str, Any]

    @cached_property
    def tokens(self) -> int:
        """Tokens of both together."""
        return estimate_tokens(self.text) + estimate_tokens(json.dumps(self.structured, ensure_ascii=False))


class Result(BaseModel):
    """Base of the tools' results. An absent field means that there is nothing to report."""

    model_config = ConfigDict(frozen=True)
    # No field, so that a changed copy does not have it.
    __slots__ = ("_rendered",)

    def rendered(self, wording: Wording = LIBRARY) -> Rendered:
        """The result in the words of a surface; made once, as its size is asked for several times."""
        rendered: Rendered | None = getattr(self, "_rendered", None)
        if rendered is None or rendered.wording is not wording:
            rendered = Rendered(wording, self._text(wording), self.structured(wording))
            object.__setattr__(self, "_rendered", rendered)
        return rendered

    def text(self, wording: Wording = LIBRARY) -> str:
        """The result as text, in the words of a surface."""
        return self.rendered(wording).text

    def _text(self, wording: Wording) -> str:
        # Foreign text is cleaned of control characters: nearly always the first one is in frames alone.
        frames = (Frame(chr(code), wording) for code in itertools.count())
        frame, text = next((each, text) for each in frames if each.is_all_of(text := self.words(each)))
        # Content that predicts a key does not matter: a key that it holds is not used.
        keys = (hashlib.sha256(f"{n}{text}".encode()).hexdigest()[:8] for n in itertools.count())
        return next(keyed for key in keys if (keyed := frame.with_key(key, text)))

    def words(self, frame: Frame) -> str:
        """The result as text, with foreign text in ``frame``."""
        raise NotImplementedError

    def with_note(self, note: str) -> Self:
        """The result with one more note, if it is of a kind that has notes."""
        if "note" not in type(self).model_fields:
            return self
        notes = [each for each in (getattr(self, "note", None), note) if each]
        return self.model_copy(update={"note": " ".join(notes)})

    def structured(self, wording: Wording = LIBRARY) -> dict[str, Any]:
        """The result as JSON, in the words of a surface."""
        return self.model_dump(mode="json", exclude_none=True, context=wording)
