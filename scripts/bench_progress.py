"""What `pgconv progress` takes on a repository of a real kernel tree, over months that edit up to 200 files each."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

from scripts.bench_ci import Took, change, git, places, row

MONTHS = 12
FEWEST, MOST = 20, 200
AGAIN_SECONDS = 3.0


def months(tree: Path, work: Path, measure: Callable[..., Took], count: int = MONTHS, most: int = MOST) -> None:
    """Give the repository `tree`, whose tag base is scanned already, a history, and print what its progress takes."""
    git(tree, "checkout", "-q", "-f", "-B", "months", "base")
    rng = random.Random(61)
    names, used = places(tree)
    for month in range(count + 1):
        files = rng.randint(min(FEWEST, most), most)
        chosen = {*rng.sample(used, min(files // 2, len(used))), *rng.sample(names, min(files // 2, len(names)))}
        for name in sorted(chosen):
            change(tree / name, rng)
        git(tree, "add", "-f", *sorted(chosen))
        git(tree, "commit", "-q", "--allow-empty", "-m", f"month {month}", date=_day(month))
    pgconv = str(Path(sys.executable).with_name("pgconv"))

    def progress(end: str) -> Took:
        page = str(work / "progress.html")
        return measure([pgconv, "progress", str(tree), "--revs", f"base..{end}", "--step", "1", "-o", page], work)

    print(f"\n{count} months of up to {most} files each on a repository of the tree")
    print(f"{'':<24}{'wall':>9}{'CPU':>9}   asked")
    row("progress, first run", progress("HEAD~1"), "")
    row("progress, again", progress("HEAD~1"), f"under {AGAIN_SECONDS:g} s")
    row("progress, a month more", progress("HEAD"), "")


def _day(month: int) -> str:
    return f"{2025 + month // 12}-{month % 12 + 1:02}-10T12:00:00+0000"
