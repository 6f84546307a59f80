"""`make verify`: every level of proof on the real tree, each over what it is meant for, with the time that it took.

--short is what continuous integration runs. Builds go below build/verify, not into the user's cache.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

DIRECTORIES = ("mm", "kernel", "lib", "arch/x86", "block", "ipc")
SHORT = ("mm", "kernel", "lib")
"""Of objects in a short run."""


def main() -> int:
    """Exit code 0 when every level passes, 1 when one fails, 2 where one cannot run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", default="6.12", help="kernel below .kernel/; PGCONV_KERNEL overrides it")
    parser.add_argument("--short", action="store_true", help="what continuous integration runs")
    parser.add_argument("--keep", type=Path, default=ROOT / "build" / "verify", help="build below this directory")
    arguments = parser.parse_args()
    tree = Path(os.environ.get("PGCONV_KERNEL") or ROOT / ".kernel" / f"linux-{arguments.version}")
    if not (tree / "mm").is_dir():
        print(f"no kernel tree at {tree}: run `make kernel`", file=sys.stderr)
        return 2
    worst = 0
    for level, paths in plan(tree, arguments.short):
        start = time.perf_counter()
        command = [
            str(Path(sys.executable).with_name("pgconv")), "verify", str(tree), *paths, "--level", level,
            "--keep", str(arguments.keep), "--yes",
        ]  # fmt: skip
        worst = max(worst, subprocess.run(command).returncode)
        print(f"  {time.perf_counter() - start:.0f} s for level {level}\n", flush=True)
    return worst


def plan(tree: Path, short: bool) -> Iterator[tuple[str, list[str]]]:
    """Levels in order, with the files and directories of each. The core of fs/ is the files that lie in it directly."""
    core = [str(p.relative_to(tree)) for p in sorted((tree / "fs").glob("*.c"))]
    yield "units", []
    yield "arithmetic", ["mm"] if short else []
    yield "objects", [*SHORT] if short else [*DIRECTORIES, *core]
    yield "split", ["mm"] if short else [*DIRECTORIES, *core]
    yield "boot", []


if __name__ == "__main__":
    sys.exit(main())
