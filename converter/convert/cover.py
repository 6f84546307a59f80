"""The cover letter: what the series does, on whose decisions, what it leaves, and how to check it."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from converter.classify.record import Report, Site
from converter.convert.message import WIDTH
from converter.convert.plan import Part
from converter.convert.stringified import Shown
from converter.convert.templates import role
from converter.tree import shown
from converter.vocabulary import Scheme

_FILES_SHOWN = 100
"""Files of a diffstat that are listed one by one; more are summed by directory."""


_BAR = 40


def body(
    report: Report, chosen: Scheme, sites: Sequence[Site], left: Sequence[Site], parts: Sequence[Part],
    prepared: Sequence[str], by: Sequence[str], printed: Sequence[Shown], stat: Mapping[str, tuple[int, int]],
    base: str | None,
) -> str:  # fmt: skip
    """The letter's text; `stat` has added and deleted lines by path, `prepared` the subjects of the preparation, `by`
    what parts the patches, `printed` the uses that objects show."""
    pte, pg = (chosen.names["PAGE_SIZE"][u] for u in ("pte", "pg"))
    status = Counter(s.status for s in left)
    first = (
        f"PAGE_SIZE stands for two things: the granularity at which addresses are mapped ({pte}), and the size of an "
        f"order-0 allocation ({pg}). This series makes each use say which one it means, in {len(sites)} uses in "
        f"{len({s.path for s in sites})} files of Linux {report.tree.get('kernel', '?')}."
    )
    renaming = f"The first {len(prepared)} patches prepare the names. The other {len(parts)}" if prepared else (
        f"The {len(parts)} patches"
    )  # fmt: skip
    each = f", one {' and '.join(by)} each" if by else ""
    second = f"{renaming} only rename{each}. As long as both sizes are the same, no patch changes what the kernel does."
    third = (
        f"Not in the series: {status['logic']} uses where a rename is not enough, and {status['review']} that nothing "
        f"decided. worklist.md lists them with the question that each asks. {_two_sizes(chosen)}"
    )
    blocks = [textwrap.fill(p, WIDTH) for p in (first, second, third)]
    blocks.append("Roles:\n\n" + "\n".join(_roles(sites)))
    keys = sorted({s.policy_key for s in sites if s.policy and s.policy_key and s.policy_key in chosen.policy})
    if keys:
        rows = (_row(f"  {k:18} {chosen.policy[k].unit:4} ", chosen.policy[k].why) for k in keys)
        what = f"Policy in force (scheme {chosen.scheme}), free choices that are made once:"
        blocks.append(what + "\n\n" + "\n".join(rows))
    blocks.append(_texts(printed))
    if prepared:
        blocks.append("Preparation:\n\n" + "\n".join(f"  {p}" for p in prepared))
    blocks.append(_how(base))
    blocks.append("\n".join(diffstat(stat)))
    return "\n\n".join(blocks)


def _two_sizes(chosen: Scheme) -> str:
    """What happens to a configuration with two sizes as long as uses are left."""
    if "PAGE_SIZE" in chosen.names["PAGE_SIZE"].values():
        return "Until they have changed too, a configuration with two sizes is not safe to run."
    return (
        "Until they have changed too, a configuration with two sizes can be chosen (on x86: EXPERT, then PG_SIZE_16KB "
        "or PG_SIZE_64KB) and does not build: PAGE_SIZE is not declared there, and `make prepare` stops at the headers "
        "among them. `pgconv verify --level split` has the compiler name every use that is left."
    )


def _roles(sites: Sequence[Site]) -> list[str]:
    count = Counter((s.role or "derived names", s.unit or "") for s in sites)
    return [
        f"  {n:6} {unit:4} {name:18} {role(name).use}"
        for (name, unit), n in sorted(count.items(), key=lambda x: (-x[1], x[0]))
    ]


def _row(head: str, text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head))


def _texts(printed: Sequence[Shown]) -> str:
    """The uses whose new name an object shows: no other byte of an object may change."""
    if not printed:
        return "No use stands in an argument that a macro turns into text (#x): no\nobject changes."
    what = (
        f"{_counted(len(printed), 'use')} in an argument that a macro turns into text (#x): where it is built in, the "
        "object says the new name. Nothing else changes in objects:"
    )
    lines: dict[tuple[str, str], list[int]] = defaultdict(list)
    for s in printed:
        lines[s.path, s.macro].append(s.line)
    rows = [f"  {shown(path)}:{','.join(map(str, n))} {macro}()" for (path, macro), n in lines.items()]
    return textwrap.fill(what, WIDTH) + "\n\n" + "\n".join(rows)


def _how(base: str | None) -> str:
    at = base[:12] if base else "BASE"
    return (
        "How to check the series:\n\n"
        f"  git checkout {at}\n"
        "  pgconv explain . PATH:LINE         # why a use takes its unit\n"
        "  pgconv verify . mm --level objects # builds both, compares objects\n"
        "  git am --empty=drop *.patch\n"
        f"  git diff --word-diff {at}\n"
        "  pgconv convert .                   # nothing is left to rename"
    )


def diffstat(stat: Mapping[str, tuple[int, int]]) -> list[str]:
    """A diffstat as git prints one; by directory where there are many files."""
    rows: dict[str, tuple[int, int]] = dict(stat)
    if len(stat) > _FILES_SHOWN:
        summed: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for path, (added, deleted) in stat.items():
            parts = path.split("/")
            place = "/".join(parts[: min(2, len(parts) - 1)]) + "/"
            summed[place][0] += added
            summed[place][1] += deleted
        rows = {place: (a, d) for place, (a, d) in summed.items()}
    wide = max((len(p) for p in rows), default=0)
    most = max((a + d for a, d in rows.values()), default=0)
    digits = len(str(most))
    lines = []
    for path, (a, d) in sorted(rows.items()):
        scale = min(1.0, _BAR / most)
        bar = "+" * round(a * scale) + "-" * round(d * scale)
        lines.append(f" {path:{wide}} | {a + d:{digits}} {bar}".rstrip())
    added, deleted = sum(a for a, _ in stat.values()), sum(d for _, d in stat.values())
    total = [f" {_counted(len(stat), 'file')} changed"]
    if added or not deleted:
        total.append(f"{_counted(added, 'insertion')}(+)")
    if deleted or not added:
        total.append(f"{_counted(deleted, 'deletion')}(-)")
    return [*lines, ", ".join(total)]


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
