"""Access tokens in the configurations of hosts, and in the copies that this program makes of them.

Owns what counts as a token in an entry, and that no copy holds one that an entry of ours brought.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from neo_mcp.cli import files
from neo_mcp.cli.install.document import BrokenDocumentError, Format, entry_in, with_entry, without_entry
from neo_mcp.cli.install.entry import is_ours
from neo_mcp.cli.install.hosts import Host
from neo_mcp.config import TOKEN_ENV
from neo_mcp.core.redact import redact
from neo_mcp.errors import NeoError

_REFERENCE = re.compile(r"\s*|\$\{[^}]*\}|\$\w+|%\w+%|\{\{[^}]*\}\}")
_SHAPE = "[redacted: Pulumi token]"


def without_token(entry: Mapping[str, Any], token: str) -> dict[str, Any]:
    """``entry`` without the environment variables that hold an access token.

    Args:
        entry: A server in a host's configuration.
        token: The access token that is known; another one is known by its variable or its shape.
    """
    env = entry.get("env")
    if not isinstance(env, dict):
        return dict(entry)
    left = {name: value for name, value in env.items() if not _is_token(name, value, token)}
    rest = {name: value for name, value in entry.items() if name != "env"}
    # In its old place, so that as little as possible changes.
    return {name: left if name == "env" else value for name, value in entry.items()} if left else rest


def holds_token(entry: Mapping[str, Any], token: str) -> bool:
    """True if ``entry`` holds an access token, rather than a reference to one."""
    return without_token(entry, token) != entry or any(
        _is_token("", text, token) for text in _texts(list(entry.values()))
    )


def copy_of(text: str, host: Host, token: str) -> str:
    """``text``, a configuration of ``host``, without the tokens in entries of ours.

    Raises:
        BrokenDocumentError: If they cannot be taken out.
    """
    for name, entry in _own_entries(text, host.form, host.container):
        keys = [*host.container, name]
        left = without_token(entry, token)
        if left != entry:
            text = with_entry(text, host.form, keys, left)
        if holds_token(left, token):
            text = without_entry(text, host.form, keys)
    return text


def clean_copies(path: Path, host: Host, token: str) -> list[Path]:
    """Take the tokens that entries of ours brought out of the copies of ``path``; returns the copies changed.

    A copy that cannot be edited is deleted.

    Raises:
        FileRefusedError: If a copy cannot be written.
    """
    changed = []
    for copy in files.backups(path):
        content = files.read(copy)
        if content is None:
            continue
        try:
            text = files.as_text(copy, content)
            left = copy_of(text, host, token)
        except (NeoError, BrokenDocumentError):
            if not token or token.encode() not in content:
                continue
            files.remove(copy, expected=content)
            changed.append(copy)
            continue
        if left != text:
            files.replace(copy, left, expected=content, private=True, within=copy.parent.resolve())
            changed.append(copy)
    return changed


def holders(path: Path, host: Host, token: str) -> list[Path]:
    """Which of ``path`` and its copies hold an access token, anywhere in them."""
    return [file for file in (path, *files.backups(path)) if _holds(file, host, token)]


def _holds(file: Path, host: Host, token: str) -> bool:
    try:
        text = files.as_text(file, files.read(file))
        if (token and token in text) or _SHAPE in redact(text):
            return True
        entries = _own_entries(text, host.form, host.container)
        return any(holds_token(entry, token) for _, entry in entries)
    except (NeoError, BrokenDocumentError):
        return False


def _own_entries(text: str, form: Format, container: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    servers = entry_in(text, form, container) or {}
    return [(name, entry) for name, entry in servers.items() if isinstance(entry, dict) and is_ours(entry)]


def _is_token(name: str, value: object, token: str) -> bool:
    if not isinstance(value, str):
        return False
    is_value = name == TOKEN_ENV and _REFERENCE.fullmatch(value) is None
    return is_value or bool(token and token in value) or _SHAPE in redact(value)


def _texts(values: list[Any]) -> Iterator[str]:
    while values:
        value = values.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            values += [*value, *value.values()]
        elif isinstance(value, list):
            values += value
