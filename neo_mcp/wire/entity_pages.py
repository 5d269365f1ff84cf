"""Addresses of entities' pages: of repositories and pull requests at forges, of stacks in a console.

An address of something else is refused rather than cut to what it may mean, but for the files of a
repository, which are plainly a part of it.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from neo_mcp.wire.entities import Entity, PullRequest, Repository, Stack
from neo_mcp.wire.ids import organization_key

CONSOLE = "app.pulumi.com"
FORGES = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "bitbucket.org": "bitbucket",
    "dev.azure.com": "azuredevops",
}
"""The forges of well-known hosts, which are not named beside them."""

_OTHER_HOSTS = re.compile(
    r".+\.(?:github\.com|gitlab\.com|bitbucket\.org|dev\.azure\.com|githubusercontent\.com|pulumi\.com)"
)
"""Hosts of the same companies that have no repositories at their addresses."""

_HOST = re.compile(r"[\w.-]{1,200}(?::\d{1,5})?", re.ASCII)
_USER = re.compile(r"^(https?://)[^/?#]*@", re.IGNORECASE)
_CLONE = re.compile(r"(?:ssh://)?git@([\w.-]+)(?::\d{1,5}/|[:/])", re.ASCII)
_AZURE_CLONES = (
    re.compile(r"(?:ssh://)?git@ssh\.dev\.azure\.com(?::22/|[:/])v3/([^/]+)/([^/]+)/([^/]+)", re.IGNORECASE),
    re.compile(r"https://([^/@]+)@dev\.azure\.com/\1/([^/]+)/_git/([^/]+)", re.IGNORECASE),
)
"""Addresses of clones that are not those of pages."""

_BITBUCKET_USER = re.compile(
    r"https://[\w.-]+@(?=bitbucket\.org/[^/]+/[^/]+\.git$)", re.ASCII | re.IGNORECASE
)
"""Bitbucket shows the address of a clone with the name of the user who looks at it."""

_VISUAL_STUDIO = re.compile(r"(?P<org>[a-z0-9-]+)\.visualstudio\.com")
"""The older host of an organization at Azure DevOps."""

_NO_SCHEME = re.compile(rf"(?:www\.)?(?:{'|'.join(map(re.escape, (*FORGES, CONSOLE)))})/", re.IGNORECASE)
_NUMBER = r"(?P<number>[1-9]\d{0,8})(?:/.*)?"
_PULL_PATHS = (
    ("github", re.compile(rf"/(?P<org>[^/]+)/(?P<repo>[^/]+)/pull/{_NUMBER}")),
    ("gitlab", re.compile(rf"/(?P<org>[^/]+)/(?P<repo>.+?)(?:/-)?/merge_requests/{_NUMBER}")),
    ("bitbucket", re.compile(rf"/(?P<org>[^/]+)/(?P<repo>[^/]+)/pull-requests/{_NUMBER}")),
    ("azuredevops", re.compile(rf"/(?P<org>[^/]+/[^/]+)/_git/(?P<repo>[^/]+)/pullrequest/{_NUMBER}")),
)
_AZURE = re.compile(r"(?P<org>[^/]+/[^/]+)/_git/(?P<repo>[^/]+)")
_AZURE_DEFAULT = re.compile(r"/(?P<org>[^/]+)/_git/(?P<repo>[^/]+)(?P<rest>/.*)?")
"""The repository of a project's own name, in whose address the project is left out."""
_BITBUCKET_SERVER = re.compile(
    r"/(?:projects/(?P<project>[^/]+)|users/(?P<user>[^/]+))/repos/(?P<repo>[^/]+)"
    rf"(?:/pull-requests/{_NUMBER}|/(?:browse|commits|branches)(?:/.*)?|/?)"
)
"""Pages at Bitbucket's own servers: `~name` is the project of a user."""

_BITBUCKET_AROUND = re.compile(r"(?:/[^/]+)*?(?P<path>/(?:projects|users)/[^/]+/repos/[^/]+)(?:/.*)?")
_BITBUCKET_CLONE = re.compile(r"/scm/(?P<project>[^/]+)/(?P<repo>[^/]+)\.git")
_GITEA = re.compile(rf"/(?P<org>[^/]+)/(?P<repo>[^/]+)/pulls/{_NUMBER}")
"""A pull request at Gitea or Forgejo, which people host themselves."""

_NOT_OF_A_REPOSITORY = frozenset(
    {
        *("admin", "apps", "dashboard", "enterprise", "explore", "features", "groups", "marketplace"),
        *("notifications", "orgs", "projects", "search", "settings", "sponsors", "topics", "users"),
    }
)
"""First parts of paths at forges that are no organization."""

_FILES = frozenset({"blame", "blob", "branch", "commit", "commits", "raw", "src", "tree"})
"""Pages of a repository's files, which are behind its name."""

_PAGES = frozenset(
    {
        *(
            "actions",
            "branches",
            "compare",
            "discussions",
            "downloads",
            "issues",
            "merge_requests",
            "milestones",
        ),
        *("packages", "pipelines", "projects", "pull", "pull-requests", "pullrequest", "pulls", "releases"),
        *("security", "settings", "tags", "wiki", "wikis"),
    }
)
"""Other pages of it, each of which may be about something else."""

_NOT_OF_A_STACK = frozenset(
    {
        *("agents", "audit-logs", "billing", "dashboard", "deployments", "environments", "esc", "insights"),
        *("integrations", "members", "neo", "policies", "policy", "projects", "registry", "resources"),
        *("settings", "stacks", "teams", "templates", "tokens", "usage"),
    }
)
"""Pages of an organization in the console, at the place of a project."""


class _Address(NamedTuple):
    host: str
    path: str


def entity_of_page(address: str, organization: str | None = None, console: str = CONSOLE) -> Entity | None:
    """The stack, pull request or repository whose page, or whose clone, is at ``address``.

    Args:
        address: The address; of well-known hosts also without its scheme.
        organization: The Pulumi organization in which a stack has to be, if that is known.
        console: The host of the console in use, if it is not Pulumi Cloud's own.
    """
    page = _read(address)
    if page is None:
        return None
    if page.host in {CONSOLE, console}:
        return _stack(page, organization)
    if page.host not in FORGES and (entity := _at_server(page)):
        return entity
    for forge, pattern in _PULL_PATHS:
        match = pattern.fullmatch(page.path)
        if match is not None and FORGES.get(page.host) in {None, forge}:
            repository = _at(page.host, forge, match["org"], match["repo"])
            return PullRequest(number=int(match["number"]), repo=repository) if repository else None
    return _repository(page)


def repository_around(address: str) -> Repository | None:
    """The repository that a page at a forge is in, or whose address has a user in front of its host."""
    plain = _USER.sub(r"\1", address)
    page = _read(plain)
    if page is None or page.host == CONSOLE:
        return None
    if plain != address and isinstance(entity := entity_of_page(plain), Repository):
        return entity
    if page.host not in FORGES:
        if match := _BITBUCKET_AROUND.fullmatch(page.path):
            entity = _at_server(_Address(page.host, match["path"]))
            return entity if isinstance(entity, Repository) else None
        *name, behind = [*page.path.split("/"), "", "", ""][:4]
        return _repository(_Address(page.host, "/".join(name))) if behind in _PAGES else None
    path = page.path.partition("/-/")[0] if FORGES[page.host] == "gitlab" else page.path
    parts = path.split("/")
    return _repository(_Address(page.host, path if "/-/" in page.path else "/".join(parts[:3])))


def is_console(address: str, console: str = CONSOLE) -> bool:
    """True for the address of a page in a console."""
    page = _read(address)
    return page is not None and page.host in {CONSOLE, console}


def page_owner(address: str, console: str = CONSOLE) -> str | None:
    """The Pulumi organization whose page in a console is at ``address``."""
    page = _read(address)
    if page is None or page.host not in {CONSOLE, console}:
        return None
    return plain_part(page.path.strip("/").partition("/")[0])


def plain_part(written: str) -> str | None:
    """A name, or ``None`` for what would lead elsewhere in a path."""
    part = unquote(written)
    return part if part.strip() and all(piece not in {"", ".", ".."} for piece in part.split("/")) else None


def _read(address: str) -> _Address | None:
    for clone in _AZURE_CLONES:
        if match := clone.fullmatch(address):
            address = "https://dev.azure.com/{}/{}/_git/{}".format(*match.groups())
    address = _BITBUCKET_USER.sub("https://", address)
    address = _CLONE.sub(r"https://\1/", address, count=1) if _CLONE.match(address) else address
    if _NO_SCHEME.match(address):
        address = f"https://{address}"
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    host = parts.netloc.lower().removeprefix("www.")
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(host) or re.search(r"\s", address):
        return None
    if host != CONSOLE and _OTHER_HOSTS.fullmatch(host):
        return None
    return _at_azure(host, parts.path)


def _at_azure(host: str, path: str) -> _Address:
    """The page's address in the one form that Azure DevOps has today, if it is there."""
    if match := _VISUAL_STUDIO.fullmatch(host):
        rest = re.sub(r"^/DefaultCollection(?=/)", "", path, flags=re.IGNORECASE)
        host, path = "dev.azure.com", f"/{match['org']}{rest}"
    if FORGES.get(host) == "azuredevops" and (match := _AZURE_DEFAULT.fullmatch(path)):
        path = f"/{match['org']}/{match['repo']}/_git/{match['repo']}{match['rest'] or ''}"
    return _Address(host, path)


def _stack(page: _Address, organization: str | None) -> Stack | None:
    owner, _, rest = page.path.strip("/").partition("/")
    parts = [plain_part(part) for part in rest.split("/")[:2]]
    if len(parts) < 2 or not all(parts) or parts[0] in _NOT_OF_A_STACK or not plain_part(owner):  # noqa: PLR2004 - project and name
        return None
    if organization is not None and organization_key(owner) != organization_key(organization):
        return None
    return Stack(project=str(parts[0]), name=str(parts[1]))


def _at_server(page: _Address) -> Entity | None:
    """Read a page at one of the forges that people host themselves, where its address says which."""
    if match := _BITBUCKET_SERVER.fullmatch(page.path) or _BITBUCKET_CLONE.fullmatch(page.path):
        parts = match.groupdict()
        org, forge = parts["project"] or f"~{parts['user']}", "bitbucket"
    elif match := _GITEA.fullmatch(page.path):
        parts = match.groupdict()
        org, forge = parts["org"], None
    else:
        return None
    repository, number = _at(page.host, forge, org, parts["repo"]), parts.get("number")
    return PullRequest(number=int(number), repo=repository) if repository and number else repository


def _repository(page: _Address) -> Repository | None:
    path, cut, inside = page.path.strip("/").partition("/-/")
    known = FORGES.get(page.host)
    azure = _AZURE.fullmatch(path)
    if azure is not None and known in {None, "azuredevops"}:
        return _at(page.host, "azuredevops", azure["org"], azure["repo"])
    parts = path.split("/")
    if known == "azuredevops" or "_git" in parts or parts[0].lower() in _NOT_OF_A_REPOSITORY:
        return None
    if known is None and _BITBUCKET_AROUND.fullmatch(page.path):
        return None
    if inside.split("/")[0].lower() in _PAGES:
        return None
    behind = parts[2].lower() if len(parts) > 2 else ""  # noqa: PLR2004 - behind organization and name
    if known != "gitlab" and behind in _FILES and not cut:
        parts = parts[:2]
    elif behind and not cut and (known in {"github", "bitbucket"} or behind in _PAGES):
        return None
    org, _, name = "/".join(parts).removesuffix(".git").partition("/")
    # Only GitLab has a dash in front of its pages.
    return _at(page.host, known or ("gitlab" if inside else None), org, name)


def _at(host: str, forge: str | None, org: str, name: str) -> Repository | None:
    parts = plain_part(org), plain_part(name)
    if parts[0] is None or parts[1] is None:
        return None
    elsewhere = None if host in FORGES else host
    return Repository(org=parts[0], name=parts[1], forge=forge, host=elsewhere)
