"""Score a fresh scan of a kernel tree against labelled uses, in both schemes.

    python scripts/accuracy.py

PGCONV_GOLD names the directory with evaluate.py and its labels (default ../shared/gold beside the checkout); the scans
stay in build/ for a closer look.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AGAINST = {"pte-pg": "truth", "mmupage": "pgcl"}
"""The column of the labels that each scheme is judged by."""


def main() -> int:
    gold = Path(os.environ.get("PGCONV_GOLD") or ROOT.parent / "shared/gold")
    tree = Path(os.environ.get("PGCONV_KERNEL") or ROOT / ".kernel/linux-6.12")
    for needed, remedy in ((gold / "evaluate.py", "PGCONV_GOLD"), (tree / "mm", "PGCONV_KERNEL")):
        if not needed.exists():
            print(f"accuracy: no {needed}; set {remedy}", file=sys.stderr)
            return 2
    (ROOT / "build").mkdir(exist_ok=True)
    pgconv = str(Path(sys.executable).with_name("pgconv"))
    for scheme, column in AGAINST.items():
        report = ROOT / f"build/accuracy-{scheme}.json"
        scan = [pgconv, "scan", str(tree), "--scheme", scheme, "--format", "json", "-o", str(report)]
        score = [sys.executable, str(gold / "evaluate.py"), str(report), str(tree), "--against", column]
        print(f"scheme {scheme}, against {column}:", flush=True)
        for command in (scan, score):
            if code := subprocess.run(command, check=False).returncode:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
