"""Names that every layer shares: the program's, the API's address and its generations.

Imports nothing of the package.
"""

from enum import StrEnum

PROGRAM = "pulumi-neo-mcp"
"""The name of the command and of the distribution."""

DEFAULT_API_URL = "https://api.pulumi.com"
"""The managed Pulumi Cloud."""


class Generation(StrEnum):
    """The generation of the API that a server speaks."""

    AUTO = "auto"
    FIRST = "first"
    SECOND = "second"
