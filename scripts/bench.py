"""Speed and memory of pgconv on a real kernel tree, as ratios measured in one run.

    python scripts/bench.py [--version 6.12]

The yardstick is a bare tree-sitter parse, by two processes, of exactly the .c and .h files that hold a use of the
family. Each figure is a fresh process with a cache of its own. The tree itself is never touched: the changed
file is one of a copy.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from converter.mmmodel.bench import figures
from scripts.bench_ci import commits
from scripts.bench_progress import months

ROOT = Path(__file__).resolve().parent.parent
FAMILY = re.compile(rb"\b(?:PAGE_SIZE|PAGE_SHIFT|PAGE_MASK|PAGE_ALIGN|PAGE_ALIGNED|PAGE_ALIGN_DOWN|offset_in_page)\b")
SAMPLE_SECONDS = 0.25
COARSEST_STAMP_SECONDS = 2.1
TICKS = os.sysconf("SC_CLK_TCK")

COLD_RATIO = 1.6
WARM_SECONDS = 2.0
CHANGED_SECONDS = 3.0
PEAK_MB = 1000.0


@dataclass(frozen=True)
class Run:
    """What one command took."""

    seconds: float
    cpu_seconds: float  # of all its processes
    peak_mb: float  # over all its processes, pages that they share counted once (PSS)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure pgconv on a kernel tree that `make kernel` fetched.")
    parser.add_argument("--version", default="6.12", help="of the kernel (default 6.12; PGCONV_KERNEL names a tree)")
    version = parser.parse_args().version
    tree = Path(os.environ.get("PGCONV_KERNEL") or ROOT / ".kernel" / f"linux-{version}").resolve()
    if not (tree / "mm").is_dir():
        print(f"bench: no kernel tree at {tree}: run `make kernel`, or set PGCONV_KERNEL", file=sys.stderr)
        return 2
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=build) as work:
        scans(tree, Path(work))
        commits(Path(work) / "tree", Path(work), measure)
        months(Path(work) / "tree", Path(work), measure)
    simulations()
    return 0


def scans(tree: Path, work: Path) -> None:
    """Print what scans of the tree take, beside the bare parse; `work` is for caches and copies."""
    files = files_with_a_use(tree)
    listing = "".join(f"{file}\n" for file in files)
    parse = [sys.executable, str(ROOT / "scripts/bare_parse.py")]
    load = os.getloadavg()[0]
    before = measure(parse, work, listing)
    cold = measure(scan(tree, work), work)
    after = measure(parse, work, listing)
    warm = measure(scan(tree, work), work)

    copy = work / "tree"
    copy_tree(tree, copy)
    measure(scan(copy, work), work)
    change_one_file(copy)
    changed = measure(scan(copy, work), work)

    bare = Run(
        (before.seconds + after.seconds) / 2,
        (before.cpu_seconds + after.cpu_seconds) / 2,
        max(before.peak_mb, after.peak_mb),
    )
    print(f"{tree.name}: {len(files):,} files hold a use; bare is their tree-sitter parse by two processes")
    if load > 1:
        print(f"other work is running (load {load:.1f} on {os.cpu_count()} CPUs): compare the ratios of CPU time")
    print(f"{'':<24}{'wall':>9}{'of bare':>9}{'CPU':>9}{'of bare':>9}{'peak PSS':>10}   asked")
    row("bare parse", bare, bare, "")
    row("scan, cold cache", cold, bare, f"wall at most {COLD_RATIO} of bare, {PEAK_MB:.0f} MB")
    row("scan, nothing changed", warm, bare, f"under {WARM_SECONDS:g} s")
    row("scan, one file changed", changed, bare, f"under {CHANGED_SECONDS:g} s")


def row(what: str, run: Run, bare: Run, asked: str) -> None:
    wall = f"{run.seconds:>7.2f} s{run.seconds / bare.seconds:>9.2f}"
    cpu = f"{run.cpu_seconds:>7.2f} s{run.cpu_seconds / bare.cpu_seconds:>9.2f}"
    print(f"{what:<24}{wall}{cpu}{run.peak_mb:>7.0f} MB   {asked}".rstrip(), flush=True)


def simulations() -> None:
    """Print the figures of the memory-management model."""
    print()
    for name, value, meaning in figures():
        print(f"{name:<34}{value:>14,.0f}   {meaning}", flush=True)


def scan(tree: Path, work: Path) -> list[str]:
    pgconv = str(Path(sys.executable).with_name("pgconv"))
    return [pgconv, "scan", str(tree), "--jobs", "2", "--format", "json", "-o", str(work / "scan.json")]


def files_with_a_use(tree: Path) -> list[Path]:
    """The .c and .h files in which a name of the family occurs. Reading them also warms the page cache for all runs."""
    return sorted(
        path
        for suffix in ("c", "h")
        for path in tree.rglob(f"*.{suffix}")
        if not path.is_symlink() and path.is_file() and FAMILY.search(path.read_bytes())
    )


def copy_tree(tree: Path, copy: Path) -> None:
    """A copy with the same times, old enough that a file's time stamps tell whether it was changed since."""
    subprocess.run(["cp", "-a", "--reflink=auto", f"{tree}/.", str(copy)], check=True)
    time.sleep(COARSEST_STAMP_SECONDS)


def change_one_file(copy: Path) -> None:
    """A new function in mm/mremap.c."""
    with (copy / "mm/mremap.c").open("ab") as file:
        file.write(b"\nunsigned long bench(unsigned long len)\n{\n\treturn len >> PAGE_SHIFT;\n}\n")


def measure(command: list[str], work: Path, stdin: str = "", fine: Collection[int] = (0,)) -> Run:
    """Time and peak memory of the command, whose cache lies under `work`. Its exit code must be one of `fine`."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(work / "cache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    samples = Samples()
    before = reaped()
    sampler = threading.Thread(target=samples.follow, args=(process,))
    sampler.start()
    _, errors = process.communicate(stdin)
    seconds = time.perf_counter() - started
    sampler.join()
    if process.returncode not in fine:
        sys.exit(f"bench: {' '.join(command[:3])} failed: {errors.strip()}")
    # Each of the two misses something: processes that nobody waited for, and what came after the last sample.
    cpu_seconds = max(reaped() - before, sum(samples.ticks.values()) / TICKS)
    return Run(seconds, cpu_seconds, samples.peak_kb / 1000)


def reaped() -> float:
    """CPU seconds of all descendants that were waited for (getrusage(2))."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Samples:
    """What /proc says of a session's processes while it runs."""

    def __init__(self) -> None:
        self.peak_kb = 0  # the largest sum of their PSS
        self.ticks: dict[int, int] = {}  # by pid: CPU time when last seen

    def follow(self, leader: subprocess.Popen[str]) -> None:
        while leader.poll() is None:
            now = dict(session(leader.pid))
            self.ticks |= now
            self.peak_kb = max(self.peak_kb, sum(map(pss, now)))
            time.sleep(SAMPLE_SECONDS)


def session(leader: int) -> Iterator[tuple[int, int]]:
    """(pid, CPU ticks) of the session's processes, by /proc/PID/stat (proc(5); the name in it may hold spaces)."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader:
                yield int(entry.name), int(fields[11]) + int(fields[12])


def pss(pid: int) -> int:
    """Proportional set size in kB; 0 for a process that has ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    match = re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)
    return int(match[1]) if match else 0


if __name__ == "__main__":
    sys.exit(main())
