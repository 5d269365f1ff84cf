"""The end of the process: clean-up runs, and whatever hangs in it, the process is gone within two seconds."""

import logging
import os
import threading

from neo_mcp.standard_streams import Sink

logger = logging.getLogger(__name__)

_CLEAN_UP_SECONDS = 1.5
_LEAVE_SECONDS = 0.3
"""For what is none of ours: threads that look up a host's name, or that a dependency left behind."""
_LAST_WORDS_SECONDS = 0.1


class End:
    """Sees to it that the process ends once it is time, whatever it is stuck in.

    Attributes:
        has_begun: From then on nothing is worth waiting for.
    """

    def __init__(self, log: Sink) -> None:
        self.has_begun = False
        self._log = log
        self._timer: threading.Timer | None = None

    def begin(self) -> None:
        """Begin the end: the host left or a signal came; there is so much time for the clean-up."""
        if not self.has_begun:
            self.has_begun = True
            self._leave_after(_CLEAN_UP_SECONDS, status=1)

    def clean_up_is_over(self) -> None:
        """Record that nothing is left that is ours."""
        self.has_begun = True
        if self._timer is not None:
            self._timer.cancel()
        self._leave_after(_LEAVE_SECONDS, status=0)

    def _leave_after(self, seconds: float, *, status: int) -> None:
        self._timer = threading.Timer(seconds, self._leave, [status])
        self._timer.daemon = True
        self._timer.start()

    def _leave(self, status: int) -> None:
        if status:
            logger.error("the clean-up does not end; leaving without it")
            self._log.flush(_LAST_WORDS_SECONDS)
        os._exit(status)
