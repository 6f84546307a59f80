"""`make mutants`: does the unit checker notice a conversion that went the wrong way?

    mutants.py [--flips N] [--seed S] [--kernel DIR]

Converts the decided uses of a scan of mm/, fs/, kernel/ and arch/x86/ in memory, checks that, then turns N of them to
the other unit and checks again. A flip counts as found when a finding stands on its line or a line beside it. Nothing
of the tree is written.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from pathlib import Path

from converter.check.check import MEETING, MISMATCH, check
from converter.classify.record import OPEN, Report, Site
from converter.examine import examine
from converter.scan import scan
from converter.tree import open_tree
from converter.tree.cache import open_cache
from converter.verify.units import converted
from converter.vocabulary import scheme

ROOT = Path(__file__).resolve().parent.parent
DIRECTORIES = ("mm/", "fs/", "kernel/", "arch/x86/")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--flips", type=int, default=500)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument(
        "--kernel", type=Path, default=Path(os.environ.get("PGCONV_KERNEL", ROOT / ".kernel/linux-6.12"))
    )
    args = options.parse_args()
    chosen = scheme("pte-pg")
    tree = open_tree(args.kernel)
    with open_cache() as cache:
        report = scan(tree, cache)
        analysis = examine(tree, cache, "pte-pg")
    uses = decided(report)
    flips = random.Random(args.seed).sample(uses, min(args.flips, len(uses)))
    before = check(converted(analysis, chosen, uses, ()), chosen)
    after = check(converted(analysis, chosen, uses, flips), chosen)
    new = {(s.path, s.line) for s in after.sites} - {(s.path, s.line) for s in before.sites}
    missed = [s for s in flips if not any((s.path, s.line + d) in new for d in (-1, 0, 1))]
    known = named(report)
    unnamed = [s for s in before.sites if not any((s.path, s.line + d) in known for d in (-1, 0, 1))]
    print(f"converted {len(uses):,} decided uses in {', '.join(DIRECTORIES)} in memory")
    print(f"findings on the unflipped tree: {len(before.sites)}, of them not named by the scan: {len(unnamed)}")
    for kind in (MISMATCH, MEETING):
        print(
            f"  {kind}: {sum(s.rule == kind for s in before.sites)}, not named: {sum(s.rule == kind for s in unnamed)}"
        )
    for s in unnamed[:30]:
        print(f"  {s.rule} {s.path}:{s.line} {s.macro}: {s.evidence[-1].why if s.evidence else ''}")
    print(
        f"flipped {len(flips)} (seed {args.seed}): found {len(flips) - len(missed)} "
        f"({1 - len(missed) / len(flips):.1%})"
    )
    for s in missed[:10]:
        print(f"  missed {s.path}:{s.line} {s.macro} ({s.rule})")
    return 0


def decided(report: Report) -> list[Site]:
    return [s for s in report.sites if s.status == "decided" and not s.derived and s.path.startswith(DIRECTORIES)]


def named(report: Report) -> set[tuple[str, int]]:
    """Lines that the scan itself gives to a person: open uses, and the places where units meet."""
    return {(s.path, s.line) for s in report.sites if s.status in OPEN} | {(e.path, e.line) for e in report.conflicts}


if __name__ == "__main__":
    sys.exit(main())
