"""`make verify`: every level of proof on the real tree, each over what it is meant for, with the time that it took.

--short is what continuous integration runs. Builds go below build/verify, not into the user's cache.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
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
        code = arithmetic(command, arguments.keep) if level == "arithmetic" else subprocess.run(command).returncode
        worst = max(worst, code)
        print(f"  {time.perf_counter() - start:.0f} s for level {level}\n", flush=True)
    return worst


def arithmetic(command: Sequence[str], keep: Path) -> int:
    """The exit code of level arithmetic, where failures that are known (scripts/known.toml) are shown and count for
    nothing."""
    keep.mkdir(parents=True, exist_ok=True)
    output = keep / "arithmetic.json"
    code = subprocess.run([*command, "--format", "json", "--output", str(output)]).returncode
    if code not in (0, 1):
        return code
    level = json.loads(output.read_bytes())["levels"][0]
    print("arithmetic: " + ", ".join(f"{n:,} {outcome}" for outcome, n in level["counts"].items()))
    for name, value in level["figures"].items():
        print(f"  {name}: {value:,}")
    new = 0
    for item in (i for i in level["items"] if i["outcome"] == "failed"):
        why = known().get(failure(item["path"], item["what"], item["detail"]))
        new += why is None
        print(f"  {'known' if why else 'FAILED'} {item['path']}:{item['line']}: {item['what']}: {why or item['why']}")
        print("".join(f"    {line}\n" for line in item["detail"].splitlines()), end="")
    for reason, n in level["not_covered"].items():
        print(f"  not covered: {n:,} {reason}")
    for reason, n in level["assumed"].items():
        print(f"  assumed: {n:,} {reason}")
    return int(new > 0)


def failure(path: str, what: str, detail: str) -> tuple[str, str, str]:
    """What a failure is known by: not its line, which changes."""
    return path, what, detail.split("\n", 1)[0].partition("  ->  ")[0]


def known() -> dict[tuple[str, str, str], str]:
    """Failures of the real tree that are understood: why, by path, use and expression."""
    listed = tomllib.loads((ROOT / "scripts" / "known.toml").read_text(encoding="utf-8"))["known"]
    return {(k["path"], k["what"], k["expression"]): k["why"] for k in listed}


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
