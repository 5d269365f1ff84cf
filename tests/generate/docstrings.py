"""The library's reference, made of signatures and docstrings."""

import dataclasses
import inspect
import re
import types
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Annotated, Any, Literal, Protocol, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

import neo_mcp.api
import neo_mcp.watch
import neo_mcp.wire
from neo_mcp import NeoClient

_SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):")
_OF_THE_CLIENT = (
    *("Creation", "Timeouts", "RetryPolicy", "Generation", "Clock"),
    *("StreamStatus", "StreamState", "OversizedEvent"),
)
_OF_WATCHING = (
    *("Hub", "Watcher", "Reader", "Until", "wait", "until_true", "status", "News", "Since"),
    *("Attention", "AttentionKind", "EventLog", "TaskState"),
)
_WITHIN = {
    *("Hub.peek", "Reader.locate", "Reader.is_placed", "Reader.read_to", "RetryPolicy.delay"),
    *("EventLog.__init__", "EventLog.append", "TaskState.apply"),
    *("Watcher.__init__", "Watcher.fail", "Watcher.lacks", "Watcher.run", "Watcher.stopped"),
}
"""What the server's own layers use, and no promise is made about."""


def api_page() -> str:
    """What is stable, name by name."""
    client = [(name, getattr(neo_mcp.api, name)) for name in _OF_THE_CLIENT]
    watch = [(name, getattr(neo_mcp.watch, name)) for name in _OF_WATCHING]
    wire = [(name, getattr(neo_mcp.wire, name)) for name in neo_mcp.wire.__all__]
    lines = [
        "# API",
        "",
        "Generated from the docstrings.",
        "How the parts go together, and what is stable, is in [the library's page](library.md).",
        "The errors are in [the reference](reference.md#errors).",
        *("", "## `neo_mcp`", "", *_entry("NeoClient", NeoClient)),
        *("", "## `neo_mcp.api`: what the client takes and gives", ""),
        *(line for name, value in client for line in _entry(name, value)),
        *("", "## `neo_mcp.watch`", "", _first_line(neo_mcp.watch.__doc__), ""),
        *(line for name, value in watch for line in _entry(name, value)),
        *("", "## `neo_mcp.wire`", "", _first_line(neo_mcp.wire.__doc__), ""),
        *(line for name, value in wire for line in _entry(name, value)),
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def sections(text: str) -> dict[str, str]:
    """A Google-style docstring's parts by their heading; what comes first is under the empty one."""
    parts: dict[str, list[str]] = {"": []}
    current = ""
    for line in text.splitlines():
        if match := _SECTION.fullmatch(line):
            current = match[1]
            parts[current] = []
        else:
            parts[current].append(line)
    return {name: inspect.cleandoc("\n".join(["", *lines])) for name, lines in parts.items()}


def _entry(name: str, value: object) -> Iterator[str]:
    yield from (f"### `{name}`", "")
    if inspect.isclass(value):
        yield from _class(value)
    elif inspect.isfunction(value):
        yield from (f"`{_signature(name, value)}`", "", *_doc(value))
    else:
        yield from (f"`{type_name(value)}`", "")


def _class(cls: type) -> Iterator[str]:
    bases = [base.__name__ for base in cls.__mro__[1:] if base in {BaseModel, Enum} or base is Exception]
    if issubclass(cls, Enum):
        yield from (*_doc(cls), ", ".join(f"`{member.value}`" for member in cls), "")
        return
    yield from _doc(cls)
    if issubclass(cls, BaseModel):
        fields = {name: field.annotation for name, field in cls.model_fields.items()}
        yield from _fields(fields)
    elif dataclasses.is_dataclass(cls):
        yield from _fields({field.name: field.type for field in dataclasses.fields(cls)})
    elif not bases and not issubclass(cls, Protocol) and _has_own_init(cls):
        yield from (f"`{_signature(cls.__name__, vars(cls)['__init__'])}`", "")
        yield from _doc(vars(cls)["__init__"])
    for name, member in vars(cls).items():
        if not name.startswith("_") and f"{cls.__name__}.{name}" not in _WITHIN:
            yield from _member(cls, name, member)


def _has_own_init(cls: type) -> bool:
    return "__init__" in vars(cls) and f"{cls.__name__}.__init__" not in _WITHIN


def _fields(fields: dict[str, Any]) -> Iterator[str]:
    shown = (
        f"`{name}: {type_name(annotation)}`"
        for name, annotation in fields.items()
        if name != "model_config" and not name.startswith("_")
    )
    if listed := ", ".join(shown):
        yield from (f"Fields: {listed}.", "")


def _member(cls: type, name: str, member: object) -> Iterator[str]:
    if isinstance(member, property):
        yield from (f"#### `{cls.__name__}.{name}`", "", *_doc(member))
        return
    function = inspect.unwrap(getattr(member, "__func__", member))  # type: ignore[arg-type]  # anything may come
    if inspect.isfunction(function) and function.__doc__:
        is_context = function is not member and inspect.isasyncgenfunction(function)
        yield from (
            f"#### `{cls.__name__}.{name}`",
            "",
            f"`{_signature(name, function, is_context=is_context)}`",
            "",
            *_doc(function),
        )


def _signature(name: str, function: Callable[..., Any], *, is_context: bool = False) -> str:
    signature = inspect.signature(function)
    parts: list[str] = []
    is_keyword = False
    for parameter in signature.parameters.values():
        if parameter.name in {"self", "cls"}:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not is_keyword:
            is_keyword = True
            parts.append("*")
        annotation = parameter.annotation
        text = parameter.name + ("" if annotation is parameter.empty else f": {type_name(annotation)}")
        default = parameter.default
        parts.append(text if default is parameter.empty else f"{text} = {_default(default)}")
    returns = signature.return_annotation
    if is_context:
        (returns,) = get_args(returns)
    gives = "" if returns in {signature.empty, None} else f" -> {type_name(returns)}"
    word = "async with " if is_context else "await " if inspect.iscoroutinefunction(function) else ""
    return f"{word}{name}({', '.join(parts)}){gives}"


def _default(value: object) -> str:
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, str | int | float | tuple | None):
        return repr(value)
    return f"{type(value).__name__}()"


def type_name(annotation: Any) -> str:  # noqa: ANN401, PLR0911 - any annotation; one arm for each kind
    """An annotation as people write it, without modules and metadata."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(args[0])
    if origin in {Union, types.UnionType}:
        return " | ".join(dict.fromkeys(type_name(arg) for arg in args))
    if origin is Literal:
        return " | ".join(map(repr, args))
    if annotation is None or annotation is type(None):
        return "None"
    if annotation is Ellipsis:
        return "..."
    if isinstance(annotation, list):
        return f"[{', '.join(map(type_name, annotation))}]"
    if isinstance(annotation, TypeVar):
        return type_name(annotation.__bound__) if annotation.__bound__ else "Any"
    if isinstance(annotation, str):
        return annotation
    name = getattr(origin or annotation, "__name__", str(annotation))
    return f"{name}[{', '.join(map(type_name, args))}]" if args else name


def _doc(value: object) -> Iterator[str]:
    # Not what is inherited from Python's own classes.
    if value.__doc__ is not None:
        for name, text in sections(inspect.getdoc(value) or "").items():
            if not text:
                continue
            if not name:
                yield from (_markdown(text), "")
            elif name in {"Returns", "Yields"}:
                yield from (f"{name}: {_markdown(' '.join(text.split()))}", "")
            else:
                yield from (f"{name}:", "", *_items(text), "")


def _items(text: str) -> Iterator[str]:
    joined = re.sub(r"\n[ ]+", " ", text)
    for line in joined.splitlines():
        name, colon, rest = line.partition(": ")
        yield f"- `{name}`: {_markdown(rest)}" if colon else f"- {_markdown(line)}"


def _markdown(text: str) -> str:
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return re.sub(r"``([^`]+)``", r"`\1`", text)


def _first_line(text: str | None) -> str:
    return (text or "").splitlines()[0]
