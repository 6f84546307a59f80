"""`make series`: a whole kernel tree as a patch series, applied with git am to a fresh clone, and the figures.

Needs git and perl. scripts/checkpatch.pl of the kernel tree is run here, and only here, on patches that pgconv wrote.
--build compiles too: needs what `make packages` installs.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts.series_build import build, prepares
from scripts.series_tokens import check_tokens

ROOT = Path(__file__).resolve().parent.parent
WHO = ["-c", "user.name=pgconv series", "-c", "user.email=series@example.org", "-c", "gc.auto=0"]
SIGNOFF = "pgconv series <series@example.org>"
CONVERT_SECONDS = 20
_FINDING = re.compile(r"^[^:]*:\d*:? ?(ERROR|WARNING):(\w+):", re.M)
_HUNK = re.compile(rb"^@@ -(\S+) \+(\S+) @@")


def main() -> int:
    """Exit code 0 when every patch applies, those that rename change names alone, a second conversion changes nothing
    and checkpatch finds nothing new; else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", default="6.12", help="kernel below .kernel/")
    parser.add_argument("--sample", type=int, metavar="N", help="checkpatch on N patches, evenly spaced; default: all")
    parser.add_argument("--build", action="store_true", help="build after each of the first ten and of the preparation")
    parser.add_argument("--work", type=Path, default=None, help="work below this directory, not build/")
    parser.add_argument("--keep", action="store_true", help="keep the repository and the clone (3 GB)")
    arguments = parser.parse_args()
    tree = Path(os.environ.get("PGCONV_KERNEL") or ROOT / ".kernel" / f"linux-{arguments.version}")
    if not (tree / "mm").is_dir():
        print(f"no kernel tree at {tree}: run `make kernel`", file=sys.stderr)
        return 2
    work = (arguments.work or ROOT / "build") / f"series-{arguments.version}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    repository, clone, patches = work / "linux.git", work / "linux", work / "patches"
    try:
        timed("git repository of the tree", lambda: commit(tree, repository))
        timed("scan", lambda: pgconv("scan", repository, "--rev", "master", "-o", work / "scan.txt"))
        timed(f"convert -o beyond that scan (asked: at most {CONVERT_SECONDS} s)", lambda: pgconv(
            "convert", repository, "--rev", "master", "-o", patches, "--signoff", SIGNOFF))  # fmt: skip
        timed("git clone", lambda: run("git", "clone", "--quiet", "--shared", repository, clone))
        files = sorted(patches.glob("[0-9]*.patch"))[1:]
        timed(f"git am of {len(files)} patches", lambda: run("git", *WHO, "am", "--quiet", *files, cwd=clone))
        applied = int(output("git", "rev-list", "--count", "origin/master..HEAD", cwd=clone))
        print(f"{applied} of {len(files)} patches applied; largest:", *largest(files))
        print(output("git", "diff", "--shortstat", "origin/master", cwd=clone).strip())
        wrong = len(files) - applied + check_tokens(clone, last_preparation(clone)) + convert_again(clone)
        wrong += build(tree, clone, work / "objects") if arguments.build else 0
        wrong += check(files, arguments.sample, clone)
        return 1 if wrong else 0
    except subprocess.CalledProcessError as error:
        print(f"failed: {' '.join(map(str, error.cmd))[:200]}\n{(error.stderr or b'')[-2000:]!r}", file=sys.stderr)
        return 1
    finally:
        if not arguments.keep:
            shutil.rmtree(clone, ignore_errors=True)
            shutil.rmtree(repository, ignore_errors=True)


def run(*command: object, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(list(map(str, command)), cwd=cwd, check=True, capture_output=True)


def output(*command: object, cwd: Path) -> str:
    return run(*command, cwd=cwd).stdout.decode()


def pgconv(*arguments: object) -> bytes:
    return run(Path(sys.executable).with_name("pgconv"), *arguments).stdout


def timed(what: str, work: Callable[[], object]) -> None:
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{what}: {time.perf_counter() - start:.1f} s, {cpu:.1f} s of CPU", flush=True)


def commit(tree: Path, repository: Path) -> None:
    """A bare repository with the tree's files as one commit. Debian's .gitignore ends in `/*`, so all are forced."""
    run("git", "init", "--quiet", "--bare", "-b", "master", repository)
    here = ["git", *WHO, f"--git-dir={repository}", f"--work-tree={tree}", "-c", "core.bare=false"]
    run(*here, "add", "-Af", ".", cwd=tree)
    run(*here, "commit", "--quiet", "-m", f"{tree.name}", cwd=tree)


def last_preparation(clone: Path) -> str:
    """The commit before the first patch that renames uses."""
    commits = output("git", "log", "--reverse", "--format=%H %s", "origin/master..HEAD", cwd=clone).splitlines()
    return next(c for c in reversed(commits) if prepares(c)).split()[0] if prepares(commits[0]) else "origin/master"


def convert_again(clone: Path) -> int:
    """The number of files that a scan and a conversion of the converted tree change."""
    left: list[bytes] = []
    timed("scan and convert once more", lambda: left.extend(pgconv("convert", clone, "--diff").split(b"\n")))
    changed = sum(line.startswith(b"diff --git ") for line in left)
    print(f"converting what is converted changes {changed} files", flush=True)
    return changed


def largest(files: list[Path]) -> list[str]:
    """Changed lines of the three largest patches."""
    sizes = []
    for f in files:
        lines = f.read_bytes().split(b"\n")
        churn = sum(x[:1] in (b"+", b"-") and not x.startswith((b"+++", b"---", b"-- ")) for x in lines)
        sizes.append((churn, f.name[:4]))
    return [f"{n} lines ({name})" for n, name in sorted(sizes, reverse=True)[:3]]


def check(files: list[Path], sample: int | None, clone: Path) -> int:
    """Findings of checkpatch that the lines before the patch did not have, in all patches or evenly spaced ones."""
    chosen = files if sample is None else files[:: max(1, len(files) // sample)][:sample] if sample else []
    # checkpatch asks it whether a file is obsolete, which a patch and its reverse have alike: four fifths of the time.
    (clone / "scripts/get_maintainer.pl").unlink(missing_ok=True)
    print(f"checkpatch --strict on {len(chosen)} of {len(files)} patches:", flush=True)
    new: Counter[str] = Counter()
    start = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for f, found in zip(chosen, pool.map(lambda f: new_findings(f, clone), chosen), strict=True):
            new += found
            for kind, n in found.items():
                print(f"  {f.name}: {n} {kind}", flush=True)
    print(f"  {sum(new.values())} findings that the old lines did not have, {time.perf_counter() - start:.1f} s")
    return sum(new.values())


def new_findings(patch: Path, clone: Path) -> Counter[str]:
    """What a patch has and its reverse has not."""
    found = findings(patch, clone)
    if not found:
        return found
    reverse = clone.parent / f"reverse-{patch.name}"
    reverse.write_bytes(reversed_patch(patch.read_bytes()))
    before = findings(reverse, clone)
    reverse.unlink()
    return found - before


def findings(patch: Path, clone: Path) -> Counter[str]:
    """ERROR and WARNING of the tree's own checkpatch, by type."""
    command = ["perl", "scripts/checkpatch.pl", "--strict", "--terse", "--show-types", "--no-summary", str(patch)]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    answer = subprocess.run(command, cwd=clone, capture_output=True, check=False, env=environment)
    text = answer.stdout.decode(errors="replace")
    if answer.returncode != 0 and not text:
        raise subprocess.CalledProcessError(answer.returncode, command, stderr=answer.stderr)
    return Counter(f"{m[1]} {m[2]}" for m in _FINDING.finditer(text))


def reversed_patch(patch: bytes) -> bytes:
    """The patch that takes back what this one does, under the same message."""
    out, inside = [], False
    for line in patch.split(b"\n"):
        inside = (inside or line.startswith(b"@@ ")) and not line.startswith((b"diff --git", b"-- "))
        if m := _HUNK.match(line):
            line = b"@@ -%s +%s @@" % (m[2], m[1]) + line[m.end() :]
        elif inside and line[:1] in (b"+", b"-"):
            line = (b"-" if line[:1] == b"+" else b"+") + line[1:]
        out.append(line)
    return b"\n".join(out)


if __name__ == "__main__":
    sys.exit(main())
