"""Limits of one user of this server, over all of the access tokens that they use.

Owns who shares an allowance. A user is identified by their own access to this server (OAuth); where all
share one secret, by the API's name of the user of their Pulumi access token.
"""

from dataclasses import dataclass
from weakref import WeakValueDictionary

from neo_mcp.server.tenants.sessions import Sessions
from neo_mcp.service.quotas import Quotas


@dataclass(slots=True, eq=False, weakref_slot=True)
class Allowance:
    """The quotas and sessions of one user.

    Attributes:
        key: Names the user; opaque.
        quotas: How much the user may have at a time.
        sessions: The user's sessions of the handshake eras.
    """

    key: str
    quotas: Quotas
    sessions: Sessions


class Allowances:
    """The allowances in use; one that no tenant refers to is forgotten."""

    def __init__(self, requests: int) -> None:
        """Begin with none.

        Args:
            requests: How many requests one user may have in flight.
        """
        self._requests = requests
        self._known: WeakValueDictionary[str, Allowance] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._known)

    def of(self, principal: str, *, is_person: bool, user: str) -> Allowance:
        """The allowance of a user.

        Args:
            principal: Who they are to this server.
            is_person: Whether that is one person.
            user: The API's name of the user of their token; empty if it is not known.
        """
        key = principal if is_person or not user else f"{principal}\0{user}"
        allowance = self._known.get(key)
        if allowance is None:
            quotas = Quotas.of(self._requests)
            allowance = self._known[key] = Allowance(key, quotas, Sessions(quotas.sessions))
        return allowance
