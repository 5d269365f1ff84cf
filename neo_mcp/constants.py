"""The generations of the API, for settings and client alike. Imports nothing of the package."""

from enum import StrEnum


class Generation(StrEnum):
    """Which generation of the API a server speaks."""

    AUTO = "auto"
    FIRST = "first"
    SECOND = "second"
