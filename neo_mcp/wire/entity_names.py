"""Names of entities as people and models write them, and as they are shown: ``stack billing/prod``.

What :func:`describe` writes, :func:`parse_entity` reads as the same entity. A slash within an organization is
written as ``%2F``, a blank in a name as ``%20``. A repository elsewhere has its forge and its host behind it,
such as ``repository org/name on gitlab at git.acme.com``.
"""

import re
from collections.abc import Callable

from neo_mcp.hidden_text import without_hidden
from neo_mcp.wire.entities import Entity, PolicyIssue, PullRequest, Repository, Stack
from neo_mcp.wire.entity_pages import (
    CONSOLE,
    FORGES,
    entity_of_page,
    is_console,
    page_owner,
    plain_part,
    repository_around,
)
from neo_mcp.wire.ids import bare_name, organization_key

_MAX_NAME = 500
_MAX_SHOWN = 100
_ON = r"(?: on (?P<forge>[\w.-]{1,60}))?(?: at (?P<host>[\w.:-]{1,255}))?"
_HOSTS = (*FORGES, CONSOLE)
_ESCAPES = {ord(quote): f"%{ord(quote):02X}" for quote in " \"'`<>*"}

_KINDS = {
    "stack": re.compile(r"stack"),
    "repository": re.compile(r"repository|repo"),
    "pull request": re.compile(r"pull[ _-]?request|merge[ _-]?request|pr|mr"),
    "policy issue": re.compile(r"policy[ _-]?issue"),
}
"""Kinds of entities, and the words for each."""

_FORMS = {
    "stack": "'stack project/name'",
    "repository": "'repository org/name'",
    "pull request": "'pull request org/name#12'",
    "policy issue": "'policy issue id'",
}
_ANY_FORM = f"Write it as {', '.join(_FORMS.values())}, or the address of a repository or pull request."
_OTHER = "other entity: "
_OF_OTHER_KIND = (
    "Its kind is not known to this version, so it can be added and removed only at the task's page. Leave it "
    "out here: it stays with its task. For Neo to consider it, name it in the prompt or message."
)
_KIND = re.compile(
    "(?:"
    + "|".join(f"(?P<k{n}>{words.pattern})" for n, words in enumerate(_KINDS.values()))
    + r")(?:\s*:\s*|\s+)",
    re.IGNORECASE,
)


def describe(entity: Entity) -> str:
    """One line that names ``entity``, such as ``stack billing/prod``.

    One of a kind or in a shape that is unknown here is named as such, or it could pass for another one.
    """
    match entity:
        case Stack():
            return f"stack {_written(entity.project)}/{_written(entity.name)}"
        case Repository():
            return f"repository {_path(entity)}{_place(entity)}"
        case PullRequest():
            state = " (merged)" if entity.merged else ""
            return f"pull request {_path(entity.repo)}#{entity.number}{_place(entity.repo)}{state}"
        case PolicyIssue():
            return f"policy issue {_written(entity.id)}" + (f" ({entity.name})" if entity.name else "")
        case _:
            name = (entity.model_extra or {}).get("name") or (entity.model_extra or {}).get("id") or ""
            shown = f"{entity.type} {name}".strip()
            is_known = entity.type.replace("_", " ") in _KINDS and parse_entity(shown) is None
            return shown if is_known else _OTHER + shown


def name_within(entity: Entity) -> str:
    """The name of ``entity`` without its kind."""
    return describe(entity).removeprefix(_OTHER).removeprefix(f"{entity.type.replace('_', ' ')} ")


def parse_entity(
    text: str, kind: str | None = None, *, organization: str | None = None, console: str = CONSOLE
) -> Entity | None:
    """The entity that ``text`` names, if any; all but policy issues also by their pages' addresses.

    Args:
        text: The name; quotation marks around it are none of it.
        kind: The kind of entity that it has to be; its word may then be left out.
        organization: The Pulumi organization in which a stack's page has to be, if that is known.
        console: The host of the console in use.
    """
    text = bare_name(text)
    if not text.isprintable() or without_hidden(text)[0] != text or len(text) > _MAX_NAME:
        return None
    named, words = _split(text)
    if named is None and kind is None:
        return entity_of_page(text, organization, console)
    if kind is not None and named not in {None, kind}:
        return None
    kind = kind or named or ""
    page = entity_of_page(words, organization, console)
    if page is not None:
        return page if page.type.replace("_", " ") == kind else None
    if _is_address(words):
        return None
    return _PARSERS[kind](_without_owner(words, organization) if kind == "stack" else words)


def stack_owner(text: str, *, console: str = CONSOLE) -> str | None:
    """The Pulumi organization in front of a stack's name, or in the address of its page."""
    _, words = _split(bare_name(text))
    if _is_address(words) or is_console(words, console):
        return page_owner(words, console)
    owner, _, rest = words.partition("/")
    return owner if "/" in rest else None


def _without_owner(words: str, organization: str | None) -> str:
    """The name of a stack without the organization in front, if that is the one in use."""
    owner, slash, rest = words.partition("/")
    is_own = organization is not None and organization_key(owner) == organization_key(organization)
    return rest if is_own and slash and "/" in rest else words


def entity_form(text: str, only: str | None = None, *, console: str = CONSOLE) -> str:
    """The way to write what ``text``, which names no entity, may mean.

    Args:
        text: The text.
        only: The kind of entity that it has to be.
        console: The host of the console in use.
    """
    if bare_name(text).startswith(_OTHER) and only is None:
        return _OF_OTHER_KIND
    kind, words = _split(bare_name(text))
    kind = only or kind
    if _is_address(words):
        form = _form_of_page(words, console)
        return form if only is None or f"'{only} " in form else f"Write it as {_FORMS[only]}."
    if kind is not None:
        return f"Write it as {_FORMS[kind]}."
    if re.fullmatch(r"[^\s/]+/[^\s#!]+[#!]\d+", words):
        return f"If it is a pull request, write it as {_FORMS['pull request']}."
    if re.fullmatch(r"[^\s/]+/[^\s/]+", words):
        return f"Write its kind in front of it: {_FORMS['stack']} or {_FORMS['repository']}."
    return _ANY_FORM


def _form_of_page(address: str, console: str) -> str:
    page = entity_of_page(address, console=console)
    form = describe(page) if page else ""
    if page is None and (around := repository_around(address)):
        form = describe(around)
    if isinstance(page, Stack):
        return f"If a stack of the organization in use is meant, write it as {_FORMS['stack']}."
    if form and len(form) <= _MAX_SHOWN and form.isascii() and form.isprintable():
        return f"If '{form}' is meant, write it so."
    return (
        f"A stack of the console is written as {_FORMS['stack']}."
        if is_console(address, console)
        else _ANY_FORM
    )


def _split(text: str) -> tuple[str | None, str]:
    """The kind that the first word is, if it is one, and the bare rest."""
    match = _KIND.match(text)
    if match is None:
        return None, text
    kind = next(kind for n, kind in enumerate(_KINDS) if match[f"k{n}"] is not None)
    return kind, bare_name(text[match.end() :])


def _is_address(words: str) -> bool:
    return (
        re.match(r"\w+://|git@|(?:www\.)?(?:" + "|".join(map(re.escape, _HOSTS)) + ")/", words, re.IGNORECASE)
        is not None
    )


def _written(part: str) -> str:
    # A colon in front of a slash is an address's.
    return part.replace("%", "%25").replace("/", "%2F").replace(":", "%3A").translate(_ESCAPES)


def _path(repository: Repository) -> str:
    # Forges nest repositories: all of the name but the organization.
    name = repository.name.replace("%", "%25").translate(_ESCAPES)
    org = _written(repository.org)
    return f"{org.replace('.', '%2E') if org.lower().removeprefix('www.') in _HOSTS else org}/{name}"


def _place(repository: Repository) -> str:
    on = f" on {repository.forge}" if repository.forge else ""
    return on + (f" at {repository.host}" if repository.host else "")


def _part(written: str) -> str | None:
    """A name, or ``None`` for what is none as it is written."""
    return None if re.search(r"[\s\"'`<>*]", written) else plain_part(written)


def _stack(words: str) -> Entity | None:
    project, slash, name = words.partition("/")
    parts = _part(project), _part(name)
    if not slash or "/" in name or parts[0] is None or parts[1] is None:
        return None
    return Stack(project=parts[0], name=parts[1])


def _repository(words: str) -> Repository | None:
    match = re.fullmatch(rf"(?P<org>[^/]+)/(?P<name>.+?){_ON}", words)
    if match is None or ":" in match["org"] or _KIND.match(words):
        return None
    org, name = _part(match["org"]), _part(match["name"])
    if org is None or name is None:
        return None
    return Repository(org=org, name=name, forge=match["forge"], host=match["host"])


def _pull_request(words: str) -> Entity | None:
    match = re.fullmatch(
        rf"(?P<path>[^/]+/.+?)[#!](?P<number>[1-9]\d{{0,8}})(?P<place>{_ON})(?P<merged> \(merged\))?", words
    )
    if match is None:
        return None
    repository = _repository(match["path"] + match["place"])
    if repository is None:
        return None
    return PullRequest(number=int(match["number"]), repo=repository, merged=bool(match["merged"]))


def _policy_issue(words: str) -> Entity | None:
    match = re.fullmatch(r"(?P<id>\S+)(?: \((?P<name>.+)\))?", words)
    issue = _part(match["id"]) if match else None
    return PolicyIssue(id=issue, name=match["name"]) if match and issue else None


_PARSERS: dict[str, Callable[[str], Entity | None]] = {
    "stack": _stack,
    "repository": _repository,
    "pull request": _pull_request,
    "policy issue": _policy_issue,
}
