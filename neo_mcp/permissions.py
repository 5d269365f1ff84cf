"""The other users who can read or change a file that holds a secret, by its permissions.

Owns which owners and groups count as this user's own, and the sentences about all others. Reads no content.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

_ROOT = 0
_MAX_LINKS = 40
_MAX_ENTRIES = 10_000
_MAX_NAMED = 5


def exposures(path: Path) -> list[str]:
    """Warnings about ``path``, a file or a folder that holds secrets: one for each fault, with its remedy.

    Where permissions mean something else, as on Windows, there are none; nor are there any about what is not
    there, or is neither a file, a folder nor a pipe.
    """
    if not hasattr(os, "getuid"):
        return []
    try:
        info = path.stat()
    except (OSError, ValueError):
        return []
    if not (stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode) or stat.S_ISFIFO(info.st_mode)):
        return []
    warnings = [*_of_file(path, info)]
    if stat.S_ISDIR(info.st_mode):
        warnings += _of_entries(path)
    return [*warnings, *_of_way(path)]


def _of_file(path: Path, info: os.stat_result) -> Iterator[str]:
    if _is_readable_by_others(info):
        own = "700" if stat.S_ISDIR(info.st_mode) else "600"
        yield f"{path} can be read by other users; run `chmod {own} {path}`."
    if _is_writable_by_others(info):
        yield f"{path} can be changed by other users; run `chmod go-w {path}`."
    if not _is_trusted(info.st_uid):
        yield f"{path} belongs to another user ({info.st_uid}), who can change it; make it your own."


def _of_entries(folder: Path) -> Iterator[str]:
    """Warnings about the files in a folder, one for all of the same fault."""
    faults: dict[str, list[str]] = {}
    try:
        with os.scandir(folder) as entries:
            for _, entry in zip(range(_MAX_ENTRIES), entries, strict=False):
                for fault in _faults_of(entry):
                    faults.setdefault(fault, []).append(entry.name)
    except OSError:
        return
    for fault, names in faults.items():
        more = f" and {len(names) - _MAX_NAMED:,} more" if len(names) > _MAX_NAMED else ""
        shown = ", ".join(ascii(name)[1:-1] for name in sorted(names)[:_MAX_NAMED])
        yield f"Files in {folder} {fault}: {shown}{more}."


def _faults_of(entry: os.DirEntry[str]) -> Iterator[str]:
    try:
        info = entry.stat()
    except OSError:
        return
    if not stat.S_ISREG(info.st_mode):
        return
    if _is_readable_by_others(info):
        yield "can be read by other users (`chmod 600`)"
    if _is_writable_by_others(info):
        yield "can be changed by other users (`chmod go-w`)"
    if not _is_trusted(info.st_uid):
        yield "belong to another user, who can change them"


def _of_way(path: Path) -> Iterator[str]:
    """Warnings about folders in which others can replace ``path``."""
    reported: set[Path] = set()
    for folder, info, entry in _steps(path):
        if folder in reported:
            continue
        if _is_writable_by_others(info) and not (info.st_mode & stat.S_ISVTX and _is_trusted(entry.st_uid)):
            reported.add(folder)
            yield (
                f"Other users can replace {path}, because they can write to the folder {folder}; "
                f"run `chmod go-w {folder}`."
            )
        elif not _is_trusted(info.st_uid):
            reported.add(folder)
            yield f"Another user ({info.st_uid}) can replace {path}: the folder {folder} is theirs."


def _steps(path: Path) -> Iterator[tuple[Path, os.stat_result, os.stat_result]]:
    """Every folder on the way to ``path`` with what is looked up in it, links included, in that order."""
    root = Path(os.sep)
    left, folder, links = [*reversed(path.absolute().parts[1:])], root, 0
    while left and links <= _MAX_LINKS:
        name = left.pop()
        if name == os.pardir:
            folder = folder.parent
            continue
        try:
            entry = (folder / name).lstat()
            yield folder, folder.lstat(), entry
            if not stat.S_ISLNK(entry.st_mode):
                folder /= name
                continue
            target = (folder / name).readlink()
        except OSError:
            return
        links += 1
        folder = root if target.is_absolute() else folder
        left += reversed(target.parts[1:] if target.is_absolute() else target.parts)


def _is_readable_by_others(info: os.stat_result) -> bool:
    # An orchestrator's secrets are root's, and a container reads them through its group.
    is_ours = info.st_uid == os.getuid()
    return bool(info.st_mode & (stat.S_IRGRP | stat.S_IROTH if is_ours else stat.S_IROTH))


def _is_writable_by_others(info: os.stat_result) -> bool:
    by_group = info.st_mode & stat.S_IWGRP and not _is_own_group(info.st_gid)
    return bool(info.st_mode & stat.S_IWOTH or by_group)


def _is_trusted(user: int) -> bool:
    # In a namespace of its own, the machine's root may have another number; the root folder is theirs anyway.
    return user in {_ROOT, os.getuid(), Path(os.sep).stat().st_uid}


def _is_own_group(group: int) -> bool:
    """True if only this user and root are in ``group``, as in the group that many systems give each user."""
    if group == _ROOT:
        return True
    import grp  # noqa: PLC0415 - not everywhere
    import pwd  # noqa: PLC0415 - likewise

    try:
        user, entry = pwd.getpwuid(os.getuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return entry.gr_name == user.pw_name and set(entry.gr_mem) <= {user.pw_name}
