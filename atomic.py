"""Files and folders that are written whole or not at all; what was there before stays until then.

This module stands below every layer, beside ``errors``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError

__all__ = ["check_folder", "replacing", "write_by_rename"]


def check_folder(folder: Path) -> None:
    """Raise ``UserError`` if something is there that is no folder."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError("is there already and is no folder", where=str(folder), remedy="name another folder with -o")


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder beside ``folder``, which takes its place if all goes well. Sweeps up what killed runs left.

    Raises
    ------
    UserError
        If the place cannot be written, or holds what is no folder.
    """
    folder = folder.absolute()
    check_folder(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.{os.getpid()}-", dir=folder.parent))
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", where=str(folder.parent),
                        remedy="name a folder that you may write with -o") from None
    try:
        new.chmod(0o755)
        yield new
        old = _aside(folder)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        _put_back(folder)
        raise UserError(f"cannot be written: {error.strerror}", where=str(folder),
                        remedy="free some space, or name another folder with -o") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)


def write_by_rename(path: Path, content: bytes) -> None:
    """Write a file whole, or leave what was there.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(content)
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise UserError(f"cannot be written: {error.strerror}", where=str(path)) from None


def _aside(folder: Path) -> Path:
    """Where an earlier folder is while the new one takes its name."""
    return folder.parent / f".{folder.name}.old"


def _put_back(folder: Path) -> None:
    """The earlier folder, if it was moved away and nothing took its place."""
    if _aside(folder).exists() and not folder.exists():
        _aside(folder).rename(folder)


def _sweep(folder: Path) -> None:
    """Put back what a run killed while replacing had moved away; remove unfinished work whose process is gone."""
    _put_back(folder)
    shutil.rmtree(_aside(folder), ignore_errors=True)
    for left in folder.parent.glob(f".{folder.name}.*-*"):
        process = left.name.removeprefix(f".{folder.name}.").partition("-")[0]
        if process.isdigit() and not _alive(int(process)):
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
