"""Names of entities as people and models write them, and as they are shown: ``stack billing/prod``.

What :func:`describe` writes, :func:`parse_entity` reads as the same entity. A slash within an organization is
written as ``%2F``. A repository elsewhere has its forge and its host behind it, such as
``repository org/name on gitlab at git.acme.com``.
"""

import re
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from neo_mcp.hidden_text import without_hidden
from neo_mcp.wire.entities import Entity, PolicyIssue, PullRequest, Repository, Stack

_MAX_NAME = 500
_ON = r"(?: on (?P<forge>[\w.-]{1,60}))?(?: at (?P<host>[\w.:-]{1,255}))?"
_BEFORE_PLACE = re.compile(r" (?=(?:on|at) |\(merged\))")
_FORGES = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "bitbucket.org": "bitbucket",
    "dev.azure.com": "azuredevops",
}
"""The forges of well-known hosts, which are not named beside them."""

_PULL_PATHS = (
    ("github", re.compile(r"/(?P<org>[^/]+)/(?P<repo>[^/]+)/pull/(?P<number>\d{1,9})(?:/.*)?")),
    ("gitlab", re.compile(r"/(?P<org>[^/]+)/(?P<repo>.+?)/-/merge_requests/(?P<number>\d{1,9})(?:/.*)?")),
    ("bitbucket", re.compile(r"/(?P<org>[^/]+)/(?P<repo>[^/]+)/pull-requests/(?P<number>\d{1,9})(?:/.*)?")),
    (
        "azuredevops",
        re.compile(r"/(?P<org>[^/]+/[^/]+)/_git/(?P<repo>[^/]+)/pullrequest/(?P<number>\d{1,9})(?:/.*)?"),
    ),
)


def describe(entity: Entity) -> str:
    """One line that names ``entity``, such as ``stack billing/prod``."""
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
            return f"{entity.type} {name}".strip()


def parse_entity(text: str) -> Entity | None:
    """The entity that ``text`` names, if any: a repository or a pull request also by its page's address."""
    text = text.strip()
    if not text.isprintable() or without_hidden(text)[0] != text or len(text) > _MAX_NAME:
        return None
    kind = next((kind for kind in _PARSERS if text.lower().startswith(f"{kind} ")), None)
    if kind is None:
        return _of_page(text)
    return _PARSERS[kind](text[len(kind) + 1 :].strip())


def _written(part: str) -> str:
    # A colon in front of a slash is an address's.
    return part.replace("%", "%25").replace("/", "%2F").replace(":", "%3A")


def _path(repository: Repository) -> str:
    # Forges nest repositories: all of the name but the organization.
    name = _BEFORE_PLACE.sub("%20", repository.name.replace("%", "%25"))
    return f"{_written(repository.org)}/{name}"


def _place(repository: Repository) -> str:
    on = f" on {repository.forge}" if repository.forge else ""
    return on + (f" at {repository.host}" if repository.host else "")


def _part(written: str) -> str | None:
    """A name, or ``None`` for what would lead elsewhere in a path."""
    part = unquote(written)
    return part if part.strip() and all(piece not in {"", ".", ".."} for piece in part.split("/")) else None


def _stack(words: str) -> Entity | None:
    project, slash, name = words.partition("/")
    parts = _part(project), _part(name)
    if not slash or "/" in name or parts[0] is None or parts[1] is None:
        return None
    return Stack(project=parts[0], name=parts[1])


def _repository(words: str) -> Repository | None:
    match = re.fullmatch(rf"(?P<org>[^/]+)/(?P<name>.+?){_ON}", words)
    if match is None:
        page = _of_page(words)
        return page if isinstance(page, Repository) else None
    org, name = _part(match["org"]), _part(match["name"])
    if org is None or name is None or ":" in match["org"]:
        page = _of_page(words)
        return page if isinstance(page, Repository) else None
    return Repository(org=org, name=name, forge=match["forge"], host=match["host"])


def _pull_request(words: str) -> Entity | None:
    match = re.fullmatch(
        rf"(?P<path>[^/]+/.+?)#(?P<number>\d{{1,9}})(?P<place>{_ON})(?P<merged> \(merged\))?", words
    )
    if match is None:
        page = _of_page(words)
        return page if isinstance(page, PullRequest) else None
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


def _of_page(address: str) -> Entity | None:
    """The pull request or the repository whose page, or whose clone, is at ``address``."""
    address = re.sub(r"^(?:ssh://)?git@([\w.-]+)[:/]", r"https://\1/", address)
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.netloc or "@" in parts.netloc:
        return None
    host = parts.netloc.lower().removeprefix("www.")
    known = _FORGES.get(host)
    for forge, pattern in _PULL_PATHS:
        match = pattern.fullmatch(parts.path)
        if match is not None and known in {None, forge}:
            repository = _at(host, forge, match["org"], match["repo"])
            return PullRequest(number=int(match["number"]), repo=repository) if repository else None
    org, _, name = parts.path.strip("/").removesuffix(".git").partition("/")
    return _at(host, known, org, name)


def _at(host: str, forge: str | None, org: str, name: str) -> Repository | None:
    parts = _part(org), _part(name)
    if parts[0] is None or parts[1] is None:
        return None
    elsewhere = None if host in _FORGES else host
    return Repository(org=parts[0], name=parts[1], forge=forge, host=elsewhere)
