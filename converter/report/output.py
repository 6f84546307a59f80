"""Where a report goes: standard output, or a file that is replaced as a whole or not at all; and messages."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from pathlib import Path
from typing import TextIO

from converter.errors import InputError
from converter.report.terminal import fitted
from converter.report.words import encoded


def write(path: str | Path | None, content: bytes) -> None:
    """Put the bytes at `path`; None or "-" is standard output.

    A regular file is replaced atomically: whoever reads it sees the old content or the new, also after a full disk or
    an interrupt. A device or a FIFO is written to. A reader that closes the pipe early is no error. Raises InputError
    where the bytes cannot be written.
    """
    if path is None or str(path) == "-":
        _to_stdout(content)
        return
    target = Path(path)
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(content)
        else:
            _replace(target.resolve(), content)
    except OSError as error:
        raise InputError(f"{path}: cannot write: {error.strerror or error}; what was there is unchanged") from error


def write_text(path: str | Path | None, text: str | bytes) -> None:
    """As write(), for people: lines that end at the edge of the terminal, if it goes to one."""
    content = text if isinstance(text, bytes) else encoded(text)
    if path is None or str(path) == "-":
        content = encoded(fitted(content.decode("utf-8", "surrogateescape"), sys.stdout))
    write(path, content)


def say(message: str) -> None:
    """A message on standard error, one line that begins with the program's name."""
    tell(fitted(f"pgconv: {' '.join(message.split())}", sys.stderr))


def tell(text: str) -> None:
    """Text on standard error, for whoever reads it: that nobody does changes nothing."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)


def unwritten(error: OSError) -> InputError:
    """What to raise where standard output takes no more; what is left of a report is given up."""
    _discard(sys.stdout)
    closed = "it is closed; leave it open, or name a file with -o"
    why = closed if error.errno == errno.EBADF else error.strerror or error
    return InputError(f"standard output: cannot write: {why}")


def _replace(target: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(_mode(target))
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _mode(target: Path) -> int:
    """The permissions that a plain open(2) would leave: the file's own, or what the umask grants."""
    if target.exists():
        return target.stat().st_mode & 0o7777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _to_stdout(content: bytes) -> None:
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
    except OSError as error:
        raise unwritten(error) from error


def _discard(stream: TextIO) -> None:
    """What is left in Python's buffer must not be tried again when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
