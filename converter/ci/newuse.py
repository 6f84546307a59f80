"""Rule new-use: the family comes back into code that is converted, or, with a baseline, there is more of it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from converter.ci.baseline import Baseline
from converter.ci.finding import Finding
from converter.ci.view import Changed, View, folded, take
from converter.units.facts import Use
from converter.vocabulary import vocabulary

_UNDEF = re.compile(rb"\s*#\s*undef\b")


def find(view: View, baseline: Baseline | None, origin: dict[str, str]) -> Iterator[Finding]:
    """`origin`: path now -> path that the baseline knows, of files that were renamed since."""
    moved: Counter[bytes] = Counter()
    for change in view.changes:
        moved += view.uses_gone(change)
    fresh = [(file, _fresh(file, _added(view, file), view.uses_gone(file.change), moved)) for file in view.files]
    for file, uses in fresh:
        known = origin.get(file.path, file.path)
        rest = []
        for use in uses:
            reason = _reason(file, use, baseline, known)
            if reason is not None:
                yield from _finding(view, file, use, reason)
            elif not use.defines:
                rest.append(use)
        if baseline is not None:
            rest = _fresh(file, rest, moved)
            for use, reason in _above(view, file, rest, baseline, known):
                yield from _finding(view, file, use, reason)


def _added(view: View, file: Changed) -> list[Use]:
    here = [u for u in file.new.uses if u.line in file.added]
    return [u for u in here if view.open_after.is_open(file.number, u) or _is_test(view, file, u)]


def _fresh(file: Changed, uses: list[Use], removed: Counter[bytes], *others: Counter[bytes]) -> list[Use]:
    """The uses, without those on lines that only move or are indented anew.

    Each line of `removed` accounts for one that comes, in the same hunk first, and is taken out of it and of `others`.
    """
    came = set()
    for line in sorted({u.line for u in uses}, key=lambda n: (n not in file.in_place, n)):
        text = folded(file.text[line])
        if take(removed, text):
            came.add(line)
            for left in others:
                take(left, text)
    return [u for u in uses if u.line not in came]


def _is_test(view: View, file: Changed, use: Use) -> bool:
    """`#ifdef PAGE_SIZE`: a definition to a scan; a use in code that is converted, but where the file defines it."""
    if not use.defines or use.function or not vocabulary().names[use.name].family or view.chosen.keeps(use.name):
        return False
    own = any(u.defines and u.function == u.name == use.name for u in file.new.uses)
    return not own and not _UNDEF.match(file.text[use.line])


def _reason(file: Changed, use: Use, baseline: Baseline | None, known: str) -> str | None:
    """Why the code counts as converted. What a baseline says of uses, their number does; it does not count tests."""
    reason = file.reasons.of(use.function)
    if baseline is None or (reason is not None and reason.startswith("the policy")):
        return reason
    return "the baseline allows the file none" if use.defines and not baseline.is_listed(known) else None


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
    elif use.defines:
        fix = f"ask for {_names(view, use)}, whichever the code below it means"
    elif site.status == "logic":
        fix = f"a rename is not enough: {site.missing}"
    else:
        fix = f"decide between {_names(view, use)}: {site.missing}"
    yield view.finding(
        "new-use", file.path, use.line, use.col, use.name, f"new use of {use.name}: {reason}", fix, site,
        site.replacement if sure else None,
    )  # fmt: skip


def _names(view: View, use: Use) -> str:
    """What a use can become."""
    return " or ".join(dict.fromkeys(view.chosen.names[use.name].values()))
