"""How many files and connections the process may have open."""

import logging

logger = logging.getLogger(__name__)

_MIN_CONNECTIONS = 8


def connections_within_limits(count: int) -> int:
    """How many connections of clients there can be, of the ``count`` requested.

    What goes upstream needs descriptors as well, so a third is left for it. The soft limit is raised as far
    as that takes and as the hard one allows.
    """
    try:
        import resource  # noqa: PLC0415 - only where there is such a limit
    except ImportError:
        return count
    needed = count * 3 // 2 + 1
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        target = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
            soft = target
        except (OSError, ValueError):
            logger.debug("the limit of open files cannot be raised to %d", target)
    possible = count if soft == resource.RLIM_INFINITY else max(min(count, soft * 2 // 3), _MIN_CONNECTIONS)
    if possible < count:
        logger.warning(
            "at most %d connections at a time: this process may have %d files open (see ulimit -n)",
            possible,
            soft,
        )
    return possible
