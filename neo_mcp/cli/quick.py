"""Starting quickly: a host starts the server, and waits for it, every time it starts itself."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import much within this block, for a process that uses little of it at first.

    Much of the time would go into building the validators of a thousand pydantic models, most of which no
    connection ever uses, and into looking for garbage where there is none. So models defined within the block
    are built when they are first used (pydantic's ``defer_build``), and the garbage collector rests; at what
    was imported it never looks again.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    BaseModel.model_config["defer_build"] = True
    try:
        yield
    finally:
        del BaseModel.model_config["defer_build"]
        gc.freeze()
        if was_enabled:
            gc.enable()
