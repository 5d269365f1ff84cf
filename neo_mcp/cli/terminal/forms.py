"""The person at the demo's host, who fills in forms: at this terminal, or played.

A form is an object of plain fields (MCP's elicitation); how it looks is :mod:`neo_mcp.cli.terminal.paint`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, TextIO

from mcp.client.context import ClientRequestContext
from mcp_types import ElicitRequestParams, ElicitResult

from neo_mcp.cli.terminal.lines import read_line
from neo_mcp.cli.terminal.paint import Painter
from neo_mcp.service.approvals.questions import CONFIRMATION

Value = str | int | float | bool | list[str] | None

_PLAYED_ANSWER = "Do what you think is best, and keep it cheap."
_YES_OR_NO: Mapping[str, bool] = {"yes": True, "no": False}
_READERS: Mapping[str, Callable[[str], Value]] = {"integer": int, "number": float}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form.

    Attributes:
        kind: Its JSON type.
        options: What there is to choose from; empty where it is filled in freely.
        default: Its initial value.
    """

    name: str
    title: str
    description: str
    kind: str
    options: tuple[str, ...]
    default: str
    required: bool

    @classmethod
    def of(cls, name: str, schema: Mapping[str, Any], *, required: bool) -> Self:
        """Read a field's JSON schema."""
        kind = str(schema.get("type", "string"))
        options = tuple(_YES_OR_NO) if kind == "boolean" else tuple(map(str, schema.get("enum", ())))
        return cls(
            name,
            str(schema.get("title") or name.replace("_", " ").capitalize()),
            str(schema.get("description", "")),
            kind,
            options,
            str(schema.get("default", "")),
            required,
        )

    def read(self, typed: str) -> Value:
        """Interpret ``typed`` for this form.

        Raises:
            ValueError: If it means nothing.
        """
        if not self.options:
            return _READERS.get(self.kind, str)(typed)
        chosen = [option for option in self.options if option.casefold() == typed.casefold()]
        if not chosen and typed.isdecimal() and 1 <= int(typed) <= len(self.options):
            chosen = [self.options[int(typed) - 1]]
        if not chosen:
            raise ValueError(typed)
        return _YES_OR_NO[chosen[0]] if self.kind == "boolean" else chosen[0]


def fields_of(params: ElicitRequestParams) -> list[Field]:
    """The fields of a form, in their order."""
    schema: Mapping[str, Any] = getattr(params, "requested_schema", {})
    required = schema.get("required", ())
    return [
        Field.of(name, field, required=name in required)
        for name, field in schema.get("properties", {}).items()
    ]


class Person(Protocol):
    """A person who answers the server's forms.

    Attributes:
        errs: Whether what they fill in may be wrong, so that they are asked again.
        left: Whether they dismissed a form, and want no more of it.
    """

    errs: bool
    left: bool

    async def fill_in(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        """Answer a form."""
        ...


class PlayedPerson:
    """Agrees to everything, and types what a form wants typed."""

    errs = False
    left = False

    def __init__(self, paint: Painter) -> None:
        self._paint = paint

    async def fill_in(
        self,
        context: ClientRequestContext,  # noqa: ARG002 - the SDK passes it by name
        params: ElicitRequestParams,
    ) -> ElicitResult:
        """Answer a form."""
        self._paint.form(params.message)
        content: dict[str, Value] = {}
        for field in fields_of(params):
            if field.options:
                content[field.name] = field.read(field.options[0])
                self._paint.person(f"chooses “{field.options[0]}”")
            elif field.required or field.name == CONFIRMATION:
                is_given = field.name == CONFIRMATION
                typed = field.description if is_given else field.default or _PLAYED_ANSWER
                content[field.name] = typed
                self._paint.person(f"types “{typed}”")
        return ElicitResult(action="accept", content=content)


class TerminalPerson:
    """A person at a terminal, asked field by field; nothing, or Ctrl-D, dismisses the form."""

    errs = True

    def __init__(self, paint: Painter, stdin: TextIO) -> None:
        self.left = False
        self._paint = paint
        self._stdin = stdin

    async def fill_in(
        self,
        context: ClientRequestContext,  # noqa: ARG002 - the SDK passes it by name
        params: ElicitRequestParams,
    ) -> ElicitResult:
        """Answer a form."""
        self._paint.form(params.message)
        content: dict[str, Value] = {}
        for field in fields_of(params):
            self._paint.field(field.title, field.description, field.options, field.default)
            typed = await self._type(field)
            if typed is None:
                self.left = True
                self._paint.person("dismisses the form")
                return ElicitResult(action="cancel")
            if typed:
                content[field.name] = field.read(typed)
        return ElicitResult(action="accept", content=content)

    async def _type(self, field: Field) -> str | None:
        """A line that ``field`` can read; empty to leave it out, ``None`` to dismiss the form."""
        while True:
            self._paint.ask("Enter: dismiss" if field.required and not field.default else "Enter: leave it")
            line = await read_line(self._stdin)
            typed = (line or "").strip() or field.default
            if line is None or (field.required and not typed):
                return None
            try:
                if typed:
                    field.read(typed)
            except ValueError:
                self._paint.detail(f"“{typed}” is none of the choices. Ctrl-D dismisses the form.")
            else:
                return typed
