"""What decided the uses of a patch, as its message says it: the ends of their chains of evidence, with their number."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Sequence

from converter.classify.record import Site

_SHOWN = 6
_UNIT = re.compile(r"^(.*) is \S+: ")
"""`parameter 4 of remap_pfn_range() is byte/pte: inserts ...`: the unit is what the patch is about."""


def reasons(sites: Sequence[Site], width: int) -> str:
    """A line for each reason, the most frequent first; the rest in one line. Empty where no use has evidence."""
    count = Counter(_UNIT.sub(r"\1: ", s.evidence[-1].why) for s in sites if s.evidence)
    ranked = sorted(count.items(), key=lambda x: (-x[1], x[0]))
    shown = ranked if len(ranked) <= _SHOWN + 1 else ranked[:_SHOWN]
    digits = max((len(str(n)) for _, n in shown), default=0)
    lines = []
    for why, n in shown:
        head = f"  {n:{digits}} "
        lines.append(textwrap.fill(why, width, initial_indent=head, subsequent_indent=" " * (len(head) + 2)))
    left = ranked[len(shown) :]
    if left:
        lines.append(f"  and {len(left)} other reasons for {sum(n for _, n in left)} more")
    return "\n".join(lines)
