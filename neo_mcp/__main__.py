"""``python -m neo_mcp`` is ``pulumi-neo-mcp``."""

import sys

from neo_mcp.cli import main

if __name__ == "__main__":
    sys.exit(main())
