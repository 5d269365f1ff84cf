"""Starting the server. A host on standard input is answered before the server is loaded.

Loading takes a second. So as long as a host asks nothing but what everyone asks first, it is answered by
:mod:`neo_mcp.front`. That is left out where there is more to do at once: serving HTTP, metrics, tracing,
settings that only the server can check.
"""

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING

from neo_mcp.cli.settings import Options, settings_of
from neo_mcp.config import Auth, LogFormat, Settings
from neo_mcp.constants import DEFAULT_API_URL, PROGRAM
from neo_mcp.signals import ENDING
from neo_mcp.standard_streams import Wire, claimed

if TYPE_CHECKING:
    from neo_mcp.front.conversation import Rest

# Compiled where they are needed, as it takes a while.
_PORT = r"(?::[1-5]?[0-9]{1,4})?"
_PATH = r"(?:/[A-Za-z0-9_./-]*)?"
_PLAIN_URL = (
    rf"https://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?{_PORT}{_PATH}"
    rf"|http://(?:localhost|127\.0\.0\.1|\[::1\]){_PORT}{_PATH}"
)
_PLAIN_TOKEN = r"[!-~]+"  # noqa: S105 - an expression, not a secret
_PLAIN_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"

_AT_TERMINAL = (
    f"{PROGRAM} serves MCP on standard input, for a host that starts it. Ctrl-C ends it; "
    f"`{PROGRAM} --help` lists what it does for people.\n"
).encode()


def launch(options: Options) -> int:
    """Run the ``serve`` command.

    Raises:
        NeoError: If the settings are inconsistent, or the port is unavailable.
    """
    if options.http:
        return _load_and_serve(settings_of(options, needs_account=not options.sandbox), options)
    with claimed() as wire, _ended_by_signals():
        if os.isatty(wire.incoming):
            wire.log.put(_AT_TERMINAL)
        settings = settings_of(options, needs_account=not options.sandbox)
        rest: Rest | None = None
        if is_plain(settings, options):
            if settings.warnings:
                # Before the first answer, though it takes a while.
                _log(settings, wire)
            rest = _converse(settings, wire)
            if rest is None:
                return 0
        return _load_and_serve(settings, options, wire, rest)


def is_plain(settings: Settings, options: Options) -> bool:
    """True if no setting requires loading the server first, not even to report an error."""
    return (
        not (options.http or options.open or settings.is_shared or _exports(settings))
        and settings.auth is Auth.NONE
        and (settings.api_url == DEFAULT_API_URL or bool(re.fullmatch(_PLAIN_URL, settings.api_url)))
        and (settings.token is None or bool(re.fullmatch(_PLAIN_TOKEN, settings.token.get_secret_value())))
        and (settings.organization is None or bool(re.fullmatch(_PLAIN_NAME, settings.organization)))
    )


def _converse(settings: Settings, wire: Wire) -> "Rest | None":
    """Answer the host; return the conversation to continue, or ``None`` if the host is gone."""
    from neo_mcp.front.answers import load  # noqa: PLC0415 - see the module's docstring
    from neo_mcp.front.conversation import Conversation  # noqa: PLC0415 - likewise
    from neo_mcp.front.host import converse  # noqa: PLC0415 - likewise

    wire.is_used = True
    conversation = Conversation(load(), read_only=settings.read_only)
    return converse(wire.incoming, wire.outgoing, conversation)


def _load_and_serve(
    settings: Settings, options: Options, wire: Wire | None = None, rest: "Rest | None" = None
) -> int:
    from functools import partial  # noqa: PLC0415 - see the module's docstring

    from neo_mcp.cli.startup import collect_rarely, quick_imports  # noqa: PLC0415 - likewise

    with quick_imports("mcp_types"):
        import anyio  # noqa: PLC0415 - likewise

        from neo_mcp.cli.serve import serve  # noqa: PLC0415 - likewise
    collect_rarely()
    if rest is None or not settings.warnings:
        _log(settings, wire)
    with _telemetry(settings):
        anyio.run(partial(serve, wire=wire, rest=rest), settings, options)
    return 0


def _log(settings: Settings, wire: Wire | None) -> None:
    """Start logging, with the settings' warnings."""
    import logging  # noqa: PLC0415 - see the module's docstring

    from neo_mcp.cli.shown import shown_without  # noqa: PLC0415 - likewise
    from neo_mcp.telemetry import configure_logging  # noqa: PLC0415 - likewise

    configure_logging(
        settings.log_level,
        wire.log if wire else None,
        shown_without(settings.token),
        as_json=settings.log_format is LogFormat.JSON,
    )
    for warning in settings.warnings:
        logging.getLogger(__name__).warning("%s", warning)


def _exports(settings: Settings) -> bool:
    """True if telemetry is exported, or its failure must be reported."""
    if settings.metrics_address is not None or not _is_traced():
        return settings.metrics_address is not None
    from importlib.util import find_spec  # noqa: PLC0415 - see the module's docstring

    # Without the extra, such variables are meant for other programs.
    return find_spec("opentelemetry.sdk") is not None


def _is_traced() -> bool:
    return any(name.startswith("OTEL_") for name in os.environ)


def _telemetry(settings: Settings) -> AbstractContextManager[None]:
    """Export spans and metrics, if configured."""
    if settings.metrics_address is None and not _is_traced():
        return nullcontext()
    from neo_mcp.exporters import exporting  # noqa: PLC0415 - see the module's docstring

    return exporting(os.environ, settings.metrics_address)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Exit cleanly on a signal until the server handles signals itself."""

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as handlers are called
        sys.exit(0)

    # On Windows no handler is called while the process waits for a pipe, so the system ends it.
    handler = signal.SIG_DFL if sys.platform == "win32" else end
    before = [(number, signal.signal(number, handler)) for number in ENDING]
    try:
        yield
    finally:
        for number, earlier in before:
            # There is none of Python's where another program embeds it.
            signal.signal(number, signal.SIG_DFL if earlier is None else earlier)
