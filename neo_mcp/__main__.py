"""``pulumi-neo-mcp``, and ``python -m neo_mcp``, which is the same.

Little is imported before an interrupt ends the process quietly: until then it shows Python's traceback.
"""

import signal
import sys

from neo_mcp.signals import leave


def main() -> int:
    """Run the command line, which an interrupt ends from the beginning."""
    # One that is ignored stays so.
    if callable(signal.getsignal(signal.SIGINT)):
        signal.signal(signal.SIGINT, leave)
    from neo_mcp.cli import main as run  # noqa: PLC0415 - see the module's docstring

    return run()


if __name__ == "__main__":
    sys.exit(main())
