"""Rule new-use: the family comes back into code that is converted, or, with a baseline, there is more of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from converter.ci.baseline import Baseline
from converter.ci.finding import Finding
from converter.ci.view import Changed, View, folded
from converter.units.facts import Use


def find(view: View, baseline: Baseline | None, origin: dict[str, str]) -> Iterator[Finding]:
    """`origin`: path now -> path that the baseline knows, of files that were renamed since."""
    moved = Counter(view.removed)
    fresh = [(file, _fresh(file, _added(view, file), Counter(file.removed), moved)) for file in view.files]
    for file, uses in fresh:
        rest = []
        for use in uses:
            reason = file.reasons.of(use.function)
            if reason is not None and (baseline is None or reason.startswith("the policy")):
                yield from _finding(view, file, use, reason)
            else:
                rest.append(use)
        if baseline is not None:
            rest = _fresh(file, rest, moved)
            for use, reason in _above(view, file, rest, baseline, origin.get(file.path, file.path)):
                yield from _finding(view, file, use, reason)


def _added(view: View, file: Changed) -> list[Use]:
    return [u for u in file.new.uses if u.line in file.added and view.open_after.is_open(file.number, u)]


def _fresh(file: Changed, uses: list[Use], removed: Counter[bytes], *others: Counter[bytes]) -> list[Use]:
    """The uses, without those on lines that only move or are indented anew.

    Each line of `removed` accounts for one that comes, in the same hunk first, and is taken out of it and of `others`.
    """
    came = set()
    for line in sorted({u.line for u in uses}, key=lambda n: (n not in file.in_place, n)):
        text = folded(file.text[line])
        if removed[text] > 0:
            came.add(line)
            for left in (removed, *others):
                left[text] -= 1
    return [u for u in uses if u.line not in came]


def _above(view: View, file: Changed, uses: list[Use], baseline: Baseline, known: str) -> Iterator[tuple[Use, str]]:
    """The uses by which functions exceed what the baseline, and the parent commit, have."""
    now, was = view.open_after.by_function(file.number), view.open_before.by_function(file.old_number)
    by: dict[str, list[Use]] = defaultdict(list)
    for use in uses:
        by[use.function].append(use)
    for function, own in by.items():
        allowed = max(baseline.allowed(known, function), was[function])
        excess = now[function] - allowed
        if excess > 0:
            # Lines that replace a line with the same name come last: there, nothing is new.
            own.sort(key=lambda u: (any(u.name.encode() in line for line in _replaced(file, u)), u.line, u.col))
            where = f"{function}()" if function else "the file, outside of functions,"
            for use in sorted(own[:excess], key=lambda u: (u.line, u.col)):
                yield use, f"the baseline allows {where} {allowed or 'none'}, now {now[function]}"


def _replaced(file: Changed, use: Use) -> tuple[bytes, ...]:
    """The lines that the hunk of a use takes out."""
    return next((h.old for h in file.change.hunks if h.new_start <= use.line < h.new_start + len(h.new)), ())


def _finding(view: View, file: Changed, use: Use, reason: str) -> Iterator[Finding]:
    site = view.after.site(file.number, use)
    defining = view.chosen.owns(use.function)
    sure = site.status == "decided" and site.replacement is not None and not defining
    if defining:
        fix = f"{use.function} is to be defined without it"
    elif sure:
        fix = f"write {site.replacement}: {site.role}"
    elif site.status == "logic":
        fix = f"a rename is not enough: {site.missing}"
    else:
        names = " or ".join(dict.fromkeys(view.chosen.names[use.name].values()))
        fix = f"decide between {names}: {site.missing}"
    yield view.finding(
        "new-use", file.path, use.line, use.col, use.name, f"new use of {use.name}: {reason}", fix, site,
        site.replacement if sure else None,
    )  # fmt: skip
