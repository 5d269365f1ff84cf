"""The ``install`` command: sets this server up in the hosts on this machine, and takes it out again.

Owns what is asked of the person and in which order. What is known of each host is
:mod:`neo_mcp.cli.install.hosts`, how its configuration is edited :mod:`neo_mcp.cli.install.document`, how
files are replaced :mod:`neo_mcp.cli.files`.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neo_mcp.cli import files
from neo_mcp.cli.install.document import BrokenDocumentError, entry_in, with_entry, without_entry
from neo_mcp.cli.install.entry import is_ours, server_for
from neo_mcp.cli.install.hosts import ANY_HOST, BY_NAME, HOSTS, URL_KEYS, Host, Machine, Server, TokenWay
from neo_mcp.cli.install.patch import changes
from neo_mcp.cli.install.restrictions import MARK
from neo_mcp.cli.install.tokens import clean_copies, copy_of, holders, holds_token, without_token
from neo_mcp.cli.terminal.paint import Painter
from neo_mcp.cli.terminal.wording import TERMINAL
from neo_mcp.cli.usage import did_you_mean
from neo_mcp.config import Settings, home_folder
from neo_mcp.constants import PROGRAM
from neo_mcp.errors import InvalidArgumentError, NeoError
from neo_mcp.hidden_text import echoed

_FAILED = 1
_TRANSPORT_KEYS = {"type", "source", "command", "args", "env_vars", *URL_KEYS}


@dataclass(frozen=True, slots=True)
class Plan:
    """A planned change to one host's file.

    Attributes:
        before: What is in the file; ``None`` if there is none.
        after: What would be in it; ``None`` to delete it.
        spent: The copy that ``after`` is, which is of no use any more then.
        drops_token: Whether an access token goes from our entry.
    """

    host: Host
    path: Path
    before: bytes | None
    after: str | None
    spent: Path | None = None
    drops_token: bool = False

    @property
    def drops_mark(self) -> bool:
        """True if a byte-order mark goes."""
        mark = MARK.encode()
        return (self.before or b"").startswith(mark) and not (self.after or MARK).startswith(MARK)

    @property
    def changes_something(self) -> bool:
        """True if there is anything to write."""
        return self.after is None or self.before is None or self.after.encode() != self.before


def install(options: argparse.Namespace, settings: Settings) -> int:
    """Set up or take out, print, or link.

    Returns:
        0, or 1 if something that was asked for could not be done.
    """
    machine = Machine(platform.system(), home_folder(), os.environ)
    if options.undo:
        return _Session(options, settings, machine, Server()).run(_undo_plan)
    server = server_for(options, settings, os.environ)
    if options.print or options.links:
        return _print(options, server)
    return _Session(options, settings, machine, server).run(_plan)


def _named(names: Sequence[str]) -> list[Host]:
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        known = f"Known: {', '.join(BY_NAME)}. For others: {PROGRAM} install --print"
        raise InvalidArgumentError(
            f"There is no host {echoed(unknown[0])} here.",
            next_step=f"{did_you_mean(unknown[0], BY_NAME)} {known}".strip(),
        )
    return [BY_NAME[name] for name in names]


def _print(options: argparse.Namespace, server: Server) -> int:
    if options.with_token:
        raise InvalidArgumentError("This would show the access token.", next_step="Leave out --with-token.")
    # What is to be copied goes to standard output, all the rest beside it.
    say, out = Painter.for_terminal(sys.stderr, os.environ), Painter(sys.stdout, colour=False)
    hosts = _named(options.hosts) or ([h for h in HOSTS if h.link] if options.links else [ANY_HOST])
    for host in hosts:
        _check_transport(host, server)
        entry = host.entry(server)
        say.title(host.title)
        if options.print:
            out.plain(with_entry("", host.form, [*host.container, options.name], entry).rstrip("\n"))
        if host.link is not None:
            out.plain(host.link(options.name, entry))
        elif options.links:
            say.detail("It has no links.")
        if options.print:
            say.detail(host.then)
    return 0


def _check_transport(host: Host, server: Server) -> None:
    if server.url is not None and host.url_key is None:
        raise InvalidArgumentError(
            f"{host.title} takes no address in its configuration.", next_step="Leave out --http."
        )


class _Session:
    """One run, at a terminal or not."""

    def __init__(
        self, options: argparse.Namespace, settings: Settings, machine: Machine, server: Server
    ) -> None:
        self.options = options
        self.machine = machine
        self.server = server
        self._settings = settings
        self.token = settings.token.get_secret_value() if settings.token else ""
        self._paint = Painter.for_terminal(sys.stdout, os.environ)
        self._project = Path.cwd().resolve()
        self._failed = False

    def run(self, plan: Callable[["_Session", Host], Plan | None]) -> int:
        """Plan for every host, show it, ask, and write it."""
        hosts = _named(self.options.hosts) or [h for h in HOSTS if h.is_on(self.machine)]
        if not hosts:
            self._paint.plain("This machine has no host that I know.")
            self._paint.detail(f"For any host: {PROGRAM} install --print")
            return _FAILED
        for host in hosts:
            self._paint.title(host.title)
            try:
                planned = plan(self, host)
                if planned is not None:
                    self._carry_out(planned)
                self._report_tokens(host)
                self._report_left_out(host)
            except NeoError as error:
                self._fail(error.text(TERMINAL))
        return _FAILED if self._failed else 0

    def path_of(self, host: Host) -> Path | None:
        """The file of ``host`` that is meant."""
        if not self.options.project:
            return self.machine.path(host.file) if host.file else None
        if host.project is None:
            raise InvalidArgumentError(f"{host.title} has no file for a project.")
        # A project may come from anyone: a link in it must not have another file written.
        path, folder = self._project / host.project, self._project
        leads_to = Path(os.path.realpath(path))
        if not leads_to.is_relative_to(folder):
            raise InvalidArgumentError(
                f"{path} leads out of this project, to {leads_to}; nothing was written.",
                next_step="Remove the link, or set that file up by its own host without --project.",
            )
        return path

    def say(self, text: str) -> None:
        """Print a detail."""
        self._paint.detail(text)

    def show_snippet(self, host: Host) -> None:
        """Print the entry for the person to add by hand."""
        entry = host.entry(self.server)
        text = with_entry("", host.form, [*host.container, self.options.name], entry)
        self._paint.plain(text.replace(self.token, "[access token]") if self.token else text)
        self.say(host.then)

    def _carry_out(self, plan: Plan) -> None:
        if not plan.changes_something:
            self._paint.plain(f"is set up already in {plan.path}")
            return
        what = "new file" if plan.before is None else "file deleted" if plan.after is None else "changes"
        self._paint.plain(f"{plan.path} ({what}):")
        self._show(files.as_text(plan.path, plan.before), plan.after or "")
        if plan.drops_mark:
            self._paint.bad("The byte-order mark at its start is taken out: some hosts read no server then.")
        if not self.options.undo:
            self._advise(plan)
        if not self._may_write():
            return
        backup = self._write(plan)
        self._paint.good("done" + (f"; what was there is in {backup.name}" if backup else ""))
        if not self.options.undo:
            self.say(plan.host.then)

    def _write(self, plan: Plan) -> Path | None:
        # What a link leads to may have changed while a person read.
        self.path_of(plan.host)
        if plan.after is None and plan.before is not None:
            files.remove(plan.path, expected=plan.before)
            return None
        backup = None
        if plan.before is not None and plan.spent is None:
            old = files.as_text(plan.path, plan.before)
            with _document_errors(plan.path):
                content = copy_of(old, plan.host, self.token)
            backup = files.back_up(plan.path, content.encode())
        private = self.options.with_token and not self.options.undo
        within = self._project if self.options.project else None
        files.replace(plan.path, plan.after or "", expected=plan.before, private=private, within=within)
        if plan.spent is not None:
            plan.spent.unlink(missing_ok=True)
        return backup

    def _report_tokens(self, host: Host) -> None:
        """Take access tokens out of copies of ours, and name the files that hold one."""
        path = self.path_of(host)
        if path is None:
            return
        for copy in clean_copies(path, host, self.token):
            self.say(f"the access token was taken out of {copy.name}")
        for holder in holders(path, host, self.token):
            self._paint.bad(f"{holder} holds an access token.")

    def _report_left_out(self, host: Host) -> None:
        """Name the settings by which the host does not use the entry that is there."""
        path, name = self.path_of(host), self.options.name
        if path is None or self.options.undo:
            return
        with _document_errors(path):
            entry = entry_in(files.as_text(path, files.read(path)), host.form, [*host.container, name])
        folder = str(self._project) if self.options.project else ""
        for reason in host.left_out(self.machine, name, path, entry, folder) if entry else ():
            self._paint.bad(f"{host.title} will not use it: {reason}")

    def _may_write(self) -> bool:
        if self.options.yes:
            return True
        if not sys.stdin.isatty():
            self._fail("Nothing was written: there is no terminal to ask at. Add --yes to write it.")
            return False
        try:
            answer = input("Write it? [y/N] ")
        except EOFError:
            answer = ""
        if answer.strip().lower() in {"y", "yes"}:
            return True
        self.say("Nothing was written.")
        return False

    def _advise(self, plan: Plan) -> None:
        if plan.drops_token:
            self._paint.bad("The access token is taken out of it; to leave it there, add --with-token.")
        if self.options.with_token:
            self._paint.bad(f"Everyone who can read {plan.path} will have your access token.")
        elif self.server.url is None and not self.options.sandbox:
            if not self.token:
                self._paint.bad("There is no access token: run `pulumi login` before you use it.")
            elif self.server.passes_token and plan.host.token_way is TokenWay.NOT_AT_ALL:
                self._paint.bad(
                    f"{plan.host.title} does not see your shell's environment, where your access token is: "
                    "run `pulumi login`, or give --token-file."
                )

    def _show(self, before: str, after: str) -> None:
        for line in changes(before, after, [self.token] if self.token else []):
            self._paint.patch(line)

    def _fail(self, text: str) -> None:
        self._failed = True
        self._paint.bad(text)


def _plan(session: _Session, host: Host) -> Plan | None:
    _check_transport(host, session.server)
    path = session.path_of(host)
    if path is None:
        session.show_snippet(host)
        return None
    before = files.read(path)
    keys = [*host.container, session.options.name]
    text = files.as_text(path, before)
    with _document_errors(path):
        there = entry_in(text, host.form, keys)
        entry = host.entry(session.server)
        if there is not None:
            if not is_ours(there, session.server.url):
                raise InvalidArgumentError(
                    f"{path} has another server of the name {session.options.name!r}.",
                    next_step="Choose another name with --name.",
                )
            entry = _merged(without_token(there, session.token), entry)
        after = text if there == entry else with_entry(text, host.form, keys, entry)
        after = after.removeprefix(MARK)
    drops = bool(there and holds_token(there, session.token) and not holds_token(entry, session.token))
    return Plan(host, path, before, after, drops_token=drops)


def _undo_plan(session: _Session, host: Host) -> Plan | None:
    path = session.path_of(host)
    before = files.read(path) if path is not None else None
    if path is None or before is None:
        session.say("is not set up")
        return None
    keys = [*host.container, session.options.name]
    text = files.as_text(path, before)
    with _document_errors(path):
        there = entry_in(text, host.form, keys)
        if there is None:
            session.say("is not set up")
            return None
        if not is_ours(there, session.server.url):
            raise InvalidArgumentError(f"{path}: the server {session.options.name!r} is another program.")
        copy = _copy_without(host, path, keys, text, there)
        if copy is not None:
            return Plan(host, path, before, files.as_text(copy, files.read(copy)), copy)
        if with_entry("", host.form, keys, there) == text and _was_never_without(host, path, keys):
            # The file came with the entry, and goes with it.
            return Plan(host, path, before, None)
        return Plan(host, path, before, without_entry(text, host.form, keys))


def _copy_without(
    host: Host, path: Path, keys: Sequence[str], text: str, entry: dict[str, Any]
) -> Path | None:
    """The copy to which nothing but our entry has come since it was made."""
    for copy in files.backups(path):
        try:
            old = files.as_text(copy, files.read(copy))
            if (
                entry_in(old, host.form, keys) is None
                and with_entry(old, host.form, keys, entry).removeprefix(MARK) == text
            ):
                return copy
        except (NeoError, BrokenDocumentError):
            continue
    return None


def _was_never_without(host: Host, path: Path, keys: Sequence[str]) -> bool:
    """True if every copy has the entry as well; copies that cannot be read are ignored."""
    try:
        texts = (files.as_text(copy, files.read(copy)) for copy in files.backups(path))
        return all(entry_in(text, host.form, keys) is not None for text in texts)
    except (NeoError, BrokenDocumentError):
        return False


def _merged(there: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """The new entry, with what a person has added to the old one."""
    added = {key: value for key, value in there.items() if key not in _TRANSPORT_KEYS}
    merged = {**entry, **{key: value for key, value in added.items() if key not in entry}}
    if isinstance(there.get("env"), dict) and "env" in entry:
        merged["env"] = {**there["env"], **entry["env"]}
    return merged


@contextmanager
def _document_errors(path: Path) -> Iterator[None]:
    """Name the file in errors about a broken document."""
    try:
        yield
    except BrokenDocumentError as error:
        raise InvalidArgumentError(
            f"{path} cannot be edited: {error}; nothing was written.",
            next_step=f"Fix it, or put in by hand what `{PROGRAM} install --print` prints.",
        ) from None
