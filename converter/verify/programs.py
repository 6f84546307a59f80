"""Runs what takes minutes, make and qemu: whatever ends us ends them too, with all that they have started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GRACE = 10
"""Seconds for make to take away what is half written."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit code, what it said on both outputs, and whether its time was over."""

    code: int
    said: str
    late: bool


def run(command: Sequence[str], environment: Mapping[str, str] | None = None, seconds: float | None = None) -> Ended:
    """Run a command, for so many seconds at most.

    It is the leader of a process group of its own, for the compilers below make are no children of ours. Raises
    FileNotFoundError where there is no such program.
    """
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
    ) as child:
        late = False
        try:
            said, _ = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as over:
            late, said = True, over.output or b""  # and not what it says of its end
            _end(child)
        except BaseException:
            _end(child)
            raise
    return Ended(child.returncode, said.decode("utf-8", "replace"), late)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the group: politely, then for good."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, how)
            child.wait(GRACE)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
