"""How a simulator is set up, and the people and organisations it knows.

Owns: `SimulatorConfig`, the fixed cast (tokens, memberships) and the catalogues that requests are checked
against.
Not here: anything that happens at run time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from neo_mcp.simulator.faults import Fault


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    """Settings of one simulator.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 takes any free one.
        time_scale: Multiplies every scripted pause; 0 means no pauses at all.
        resolve_after: Seconds between an approval request or a question and the service's own response to it,
            in approval modes where it gives one; not scaled. 0: at once.
        keep_alive_seconds: Distance between two comment lines on a quiet stream; not scaled.
        first_generation: Speak only the older dialect of the API.
        page_size: Items on a page when the request names no `pageSize`.
        last_page_token: How the last page of a list shows its end; the description leaves the token out.
        default_organization: The one that `GET /api/user/organizations/default` names for its members, the
            others get their first one. Empty: none is set. None: as older services, without that path.
        faults: What shall go wrong from the start.
        approval_modes: Default approval modes of organisations that differ from `DEFAULT_APPROVAL_MODE`.
    """

    host: str = "127.0.0.1"
    port: int = 0
    time_scale: float = 1.0
    resolve_after: float = 0.1
    keep_alive_seconds: float = 5.0
    first_generation: bool = False
    page_size: int = 100
    last_page_token: Literal["absent", "empty", "null"] = "absent"  # noqa: S105 - names a page
    default_organization: str | None = "acme"
    faults: tuple[Fault, ...] = ()
    approval_modes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Person:
    """A user with an access token."""

    login: str
    name: str
    organizations: tuple[str, ...]
    may_use_neo: bool = True

    @property
    def token(self) -> str:
        """The person's access token: made up, and the same in every simulator."""
        return f"pul-sim-{self.login if self.may_use_neo else 'nobody'}"

    def info(self) -> dict[str, Any]:
        """The person as other people see them (`UserInfo`)."""
        return {"name": self.name, "githubLogin": self.login, "avatarUrl": _avatar(self.login)}

    def default_organization(self, chosen: str) -> str:
        """The organization that clients start in: `chosen`, where the person is a member of it."""
        return chosen if not chosen or chosen in self.organizations else self.organizations[0]

    def profile(self) -> dict[str, Any]:
        """The person as they see themselves (`User`)."""
        return {
            **self.info(),
            "id": f"user-{self.login}",
            "email": f"{self.login}@example.com",
            "hasMFA": True,
            "identities": ["github.com"],
            "isManagedByMultiOrg": False,
            "isOrgManaged": False,
            "organizations": [
                {"name": name, "githubLogin": name, "avatarUrl": _avatar(name), "role": "member"}
                for name in self.organizations
            ],
        }


def _avatar(login: str) -> str:
    return f"https://avatars.example.com/{login}.png"


PEOPLE: Final = {
    person.login: person
    for person in (
        Person("alice", "Alice Adams", ("acme", "acme-labs")),
        Person("bob", "Bob Brown", ("acme",)),
        Person("carol", "Carol Clark", ("globex",)),
        Person("dave", "Dave Davis", ("acme",), may_use_neo=False),
    )
}
BY_TOKEN: Final = {person.token: person for person in PEOPLE.values()}
DEFAULT_TOKEN: Final = PEOPLE["alice"].token
DEFAULT_ORGANIZATION: Final = "acme"

DEFAULT_APPROVAL_MODE: Final = {"acme": "manual", "acme-labs": "balanced", "globex": "manual"}
INTEGRATIONS: Final = frozenset({"datadog", "honeycomb", "pagerduty"})
CLI_INTEGRATIONS: Final = frozenset({("aws", "prod"), ("aws", "staging"), ("gcp", "analytics")})
ROLES: Final = {"role-deployer": "Deployer", "role-auditor": "Auditor"}
"""The roles that everybody holds, by id, with their names."""
