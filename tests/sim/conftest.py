"""What the tests of the simulator share: `pgconv sim` in this process, and mappings made by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pytest

from converter.cli import main
from converter.mmmodel.procfs import Area, Process, Residency

PTE = 4096


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Sim = Callable[..., Result]


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Sim:
    """Runs `pgconv sim ARGUMENTS` without a terminal."""

    def run(*arguments: object) -> Result:
        monkeypatch.setattr("sys.argv", ["pgconv", "sim", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return Result(int(ended.value.code or 0), out, err)

    return run


def mapping(
    start: int,
    pages: int,
    *,
    anon: Iterable[int] = (),
    file: Iterable[int] = (),
    inode: int = 0,
    offset: int = 0,
    file_size: int | None = None,
    path: str = "",
) -> Residency:
    """A VMA of `pages` PTE_SIZE pages at byte address `start`; anon and file: which of them (from 0) are present."""
    area = Area(
        start,
        start + pages * PTE,
        "rw-p",
        offset,
        "00:01" if inode else "00:00",
        inode,
        path,
        rss=(len(set(anon)) + len(set(file))) * PTE,
        anonymous=len(set(anon)) * PTE,
    )
    first = start // PTE
    return Residency(area, _indexes(first, anon), _indexes(first, file), file_size=file_size)


def process(*areas: Residency, pid: int = 1, name: str = "example") -> Process:
    return Process(pid, name, areas)


def _indexes(first: int, pages: Iterable[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(sorted({first + page for page in pages}), dtype=np.int64)
