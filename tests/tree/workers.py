"""What other processes of the tests run; they import this module and not the tests."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from converter.errors import InputError, RulesError
from converter.tree import Entry, Reader
from converter.tree.entry import blob_id
from converter.tree.pool import Worker

SIZES = [0, 1, *range(2, 1500, 12), 20_000]  # the last is longer than a page of the cache's file
VALUES = {blob_id(b"%d" % size): random.Random(size).randbytes(size) for size in SIZES}


def doubling() -> Worker[Any, list[Any]]:
    """Items are numbers, to be doubled, or words that say what happens to the worker."""
    return _double


def _double(chunk: Sequence[Any]) -> list[Any]:
    return [ACTIONS[item](item) if item in ACTIONS else item * 2 for item in chunk]


def _raise(error: BaseException, _: object) -> Any:
    raise error


def _allocate(_: object) -> Any:
    return bytearray(1 << 62)


def _recurse(item: object) -> Any:
    return _recurse(item)


ACTIONS: dict[Any, Any] = {
    "exit": lambda _: os._exit(7),
    "killed": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "crashed": lambda _: os.kill(os.getpid(), signal.SIGSEGV),
    "memory": _allocate,
    "recursion": _recurse,
    "error": partial(_raise, ValueError("two\nlines")),
    "input": partial(_raise, RulesError("rules/x.toml: broken")),
    "unpicklable": lambda _: lambda: None,
}


def dying_once(marks: Path) -> Worker[int, list[int]]:
    """Dies on each item the first time that it meets it."""

    def work(chunk: Sequence[int]) -> list[int]:
        for item in chunk:
            mark = marks / str(item)
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return [item * 2 for item in chunk]

    return work


def refused() -> Worker[int, int]:
    raise InputError("no rules")


def stillborn() -> Worker[int, int]:
    os._exit(9)


def measured() -> Worker[bytes, tuple[int, bytes]]:
    """The length of each chunk, and something long to send back."""
    return lambda chunk: (sum(map(len, chunk)), b"x" * 1_000_000)


def slow(pids: Path, seconds: float) -> Worker[int, int]:
    """Leaves its process id in a directory and takes its time."""
    (pids / str(os.getpid())).touch()

    def work(chunk: Sequence[int]) -> int:
        time.sleep(seconds)
        return len(chunk)

    return work


def reading(reader: Reader) -> Worker[Entry, int]:
    """The bytes in each chunk."""
    return lambda chunk: sum(len(data) for _, data in reader.read_many(chunk) if isinstance(data, bytes))
