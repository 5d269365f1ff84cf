"""Starting quickly, since a host waits for the server every time it starts itself; and staying quick."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from pydantic import BaseModel

_COLLECTOR = (5_000, 20, 50)
"""Thresholds of the three generations; Python's own are 700, 10 and 10."""


@contextmanager
def quick_imports(*built: str) -> Iterator[None]:
    """Import much within this block, for a process that uses little of it at first.

    Much of the time would go into building the validators of a thousand pydantic models, most of which no
    connection ever uses, and into collecting garbage where there is none. So models defined within the block
    are built when they are first used (pydantic's ``defer_build``), and the garbage collector rests; it never
    scans what was imported.

    Args:
        built: Modules to import first, with their models built: they have type adapters, which are built at
            once, and each would build all models of its own anew.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    for name in built:
        import_module(name)
    BaseModel.model_config["defer_build"] = True
    try:
        yield
    finally:
        del BaseModel.model_config["defer_build"]
        gc.freeze()
        if was_enabled:
            gc.enable()


def collect_rarely() -> None:
    """Run the garbage collector less often: a server's many waits allocate much that is not garbage.

    Measured with 500 waits that end at once: a third less time until the last one returns.
    """
    gc.set_threshold(*_COLLECTOR)
