"""Find the stacks that a call names, and those among them that the operator protects.

Owns where names are searched: every string at any depth, split into tokens. The grammar of patterns is
:mod:`neo_mcp.stack_patterns`. Pure; linear in the text, and without recursion.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from neo_mcp.stack_patterns import MAX_PARTS, StackPattern, matches

MAX_STACKS = 20
"""Maximum number of stacks that an operation lists."""

MAX_CHARACTERS = 400_000
"""Maximum text of a call, its request and its task that is searched, in characters and values."""

MAX_NAME = 100
"""Maximum characters of a stack's name at Pulumi."""

_TOKEN = re.compile(r"[A-Za-z0-9_./-]+")
_AROUND = " \t\r\n'\"/"
_PLAIN = re.compile(r"[\s'\"/]*[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*[\s'\"/]*")
_URN = re.compile(r"urn:pulumi:([^:\s]{1,200})::([^:\s]{1,200})(?:::)?", re.IGNORECASE)
_ENCODED = {"%2f": "/", "%3a": ":"}
_ENCODING = re.compile("%2f|%3a", re.IGNORECASE)
_SETTINGS_FILE = re.compile(r"pulumi\.(.+)\.(?:ya?ml|json)", re.IGNORECASE)
_STACK_OPTIONS = {"-s", "--stack", "select"}
_OPEN_OPTION = re.compile(r"(?:-s|--stack|\bselect)[=\s]*+[^\s$`%{;|&]{0,200}[$`%{]")
_NOT_A_LETTER = re.compile(r"[^a-z]")
_STACK_KEY = re.compile(r"[a-z]*?stacks?(?:(?:full)?names?|ids?|fqns?|ref(?:erence)?s?)?")
_PROJECT_KEY = re.compile(r"(?:pulumi)?projects?(?:names?)?")
_NAME_KEYS = {"name", "names", "fullname", "fqn", "id", "value"}
_MAX_PROJECTS = 20


class _Kind(Enum):
    """The kind of name that a string's position makes it."""

    STACK = "stack"
    PROJECT = "project"
    OTHER = "other"


class _Text(NamedTuple):
    """A string of a value, with the kind that its position gives it and the projects beside it."""

    text: str
    kind: _Kind
    projects: tuple[str, ...] = ()


@dataclass(slots=True)
class Names:
    """Names collected from any number of values.

    Attributes:
        tokens: Every token, by its parts.
        stacks: Stacks by their position, such as under a key ``stackName`` or after ``-s``; as
            ``project/name`` where the project is known.
        is_open: Whether a stack is given by something other than a name, such as ``$STACK``.
        is_cut: Whether there was too much text to search it all.
    """

    tokens: dict[tuple[str, ...], None] = field(default_factory=dict)
    stacks: dict[str, None] = field(default_factory=dict)
    is_open: bool = False
    is_cut: bool = False
    _remaining: int = MAX_CHARACTERS

    def add(self, value: object) -> None:
        """Collect the names in any JSON value, keys included."""
        for source in _strings(value):
            self._remaining -= len(source.text) + 1
            if self._remaining < 0:
                self.is_cut = True
                return
            self._add_text(source, _normal(source.text))

    def add_stack(self, project: str, stack: str) -> None:
        """Collect a stack that is known to be one."""
        name = f"{project}/{stack}"
        self.stacks[name] = None
        self.tokens[_parts(name)] = None

    def _add_text(self, source: _Text, text: str) -> None:
        is_name = _PLAIN.fullmatch(text) is not None
        parts = _parts(text.strip(_AROUND)) if is_name else ()
        if source.projects and len(parts) == 1:
            # A name beside its project is that project's alone, and a project is not a stack.
            if source.kind is _Kind.STACK:
                for project in source.projects:
                    self.add_stack(project, parts[0])
            return
        urns = _URN.findall(text)
        if source.kind is _Kind.STACK and text.strip() and not urns:
            # A value that is not a name is shown as it is; the arguments have all of it.
            self.stacks["/".join(parts[-2:]) or source.text.strip()[:MAX_NAME]] = None
            self.is_open |= not is_name or len(parts) > MAX_PARTS
        for stack, project in urns:
            self.add_stack(project, stack)
        self._add_tokens(_URN.sub(" ", text))

    def _add_tokens(self, text: str) -> None:
        names_stacks, before = "pulumi" in text.casefold(), ""
        self.is_open |= names_stacks and _OPEN_OPTION.search(text) is not None
        for token in _TOKEN.findall(text):
            self._add_token(token)
            if names_stacks and before in _STACK_OPTIONS and (parts := _parts(token)):
                self.stacks["/".join(parts[-2:])] = None
            before = token

    def _add_token(self, token: str) -> None:
        parts = _parts(token)
        if not parts:
            return
        if token.startswith("//"):
            # An address goes on after the stack: /organization/project/stack/updates/7.
            for end in range(1, len(parts) + 1):
                self.tokens[parts[max(end - MAX_PARTS, 0) : end]] = None
        self.tokens[parts] = None
        if token.startswith("-"):
            # Options may be joined to their value, as in -sprod.
            for rest in (token.lstrip("-"), token.partition("s")[2]):
                self.tokens[_parts(rest)] = None
        if file := _SETTINGS_FILE.fullmatch(parts[-1]):
            for stack in ((file[1],), (*parts[:-1], file[1])):
                self.tokens[stack] = None
            self.stacks[file[1]] = None


def protected_stacks(
    names: Names, known: Sequence[str], patterns: Iterable[StackPattern], organization: str
) -> tuple[str, ...]:
    """The protected stacks among ``names``, as ``project/name`` where the project is known.

    Args:
        names: All names in the call, its request and its task.
        known: Names as they are shown; a bare name is listed as the first of these that ends with it.
        patterns: The operator's.
        organization: The task's; empty if it is unknown, which matches every pattern's.
    """
    listed: dict[str, None] = {}
    endings = {name.rpartition("/")[2].casefold(): name for name in reversed(known)}
    spelled = {name.casefold(): name for name in reversed(known)}
    for pattern in patterns:
        matcher = _Matcher(pattern, names, organization)
        for parts in filter(matcher.protects, names.tokens):
            name = "/".join(parts[-2:])
            listed[(endings if len(parts) == 1 else spelled).get(name.casefold(), name)] = None
            if len(listed) >= MAX_STACKS:
                return tuple(listed)
    return tuple(listed)


class _Matcher:
    """Matches tokens with one pattern."""

    def __init__(self, pattern: StackPattern, names: Names, organization: str) -> None:
        self._pattern = pattern
        self._is_in_organization = not organization or matches(organization, pattern.organization)
        self._stacks = {stack.casefold() for stack in names.stacks}
        self._is_any_stack = not pattern.stack.strip("*")

    def protects(self, parts: tuple[str, ...]) -> bool:
        """True if a token is a stack that the pattern protects."""
        if not parts or not matches(parts[-1], self._pattern.stack):
            return False
        if len(parts) == 1:
            # A stack without its project may be any project's. If the pattern does not restrict the stack,
            # a word is one only by its position.
            is_stack = not self._is_any_stack or parts[0].casefold() in self._stacks
            return is_stack and self._is_in_organization
        is_in_organization = self._is_in_organization or (
            len(parts) >= MAX_PARTS and matches(parts[-3], self._pattern.organization)
        )
        return matches(parts[-2], self._pattern.project) and is_in_organization


def _strings(value: object) -> Iterator[_Text]:
    """Every string in a JSON value, keys included."""
    rest: list[tuple[object, _Kind, tuple[str, ...]]] = [(value, _Kind.OTHER, ())]
    while rest:
        part, kind, projects = rest.pop()
        match part:
            case str():
                yield _Text(part, kind, projects)
            case Mapping():
                yield from (_Text(str(key), _Kind.OTHER) for key in part)
                rest.extend(reversed([*_members(part, kind, projects)]))
            case list() | tuple():
                rest.extend((inner, kind, projects) for inner in reversed(part))
            case _:
                pass


def _members(
    part: Mapping[object, object], outer: _Kind, beside: tuple[str, ...]
) -> Iterator[tuple[object, _Kind, tuple[str, ...]]]:
    kinds = [_kind(str(key), outer) for key in part]
    projects = beside
    if _Kind.STACK in kinds:
        given = [v for v, kind in zip(part.values(), kinds, strict=True) if kind is _Kind.PROJECT]
        own = tuple(dict.fromkeys(_project(value) for value in given))
        # A project that cannot be read may be any.
        projects = (own or beside) if all(own) and len(own) <= _MAX_PROJECTS else ()
    for inner, kind in zip(part.values(), kinds, strict=True):
        yield inner, kind, () if kind is _Kind.OTHER else projects


def _project(value: object) -> str:
    """The name of a project; empty if the value is not a single name."""
    text = _normal(value).strip(_AROUND) if isinstance(value, str) else ""
    return text if _TOKEN.fullmatch(text) and "/" not in text else ""


def _kind(key: str, outer: _Kind) -> _Kind:
    word = _NOT_A_LETTER.sub("", key.casefold())
    if _STACK_KEY.fullmatch(word):
        return _Kind.STACK
    if _PROJECT_KEY.fullmatch(word):
        return _Kind.PROJECT
    return outer if word in _NAME_KEYS else _Kind.OTHER


def _normal(text: str) -> str:
    """The text in the spelling of a stack's name: plain letters, nothing invisible or encoded."""
    if "%" in text:
        text = _ENCODING.sub(lambda match: _ENCODED[match[0].lower()], text)
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text)
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def _parts(token: str) -> tuple[str, ...]:
    parts = (part.strip(".") for part in token.split("/"))
    return tuple(part for part in parts if part)
