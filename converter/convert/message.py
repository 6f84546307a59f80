"""The text of a patch: subject as subsystems write theirs, what was done and why, who should get it."""

from __future__ import annotations

import os
import quopri
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.header import Header
from email.utils import formataddr, parseaddr
from itertools import takewhile

from converter.classify.record import Site
from converter.convert.maintainers import REST, Maintainers, addresses
from converter.convert.plan import Part
from converter.convert.reasons import reasons
from converter.convert.templates import Subject, role, subjects, words
from converter.tree.problems import spelled
from converter.vocabulary import Scheme

WIDTH = 72
LONGEST = 70
"""Columns of a subject without its [PATCH] (Documentation/process/submitting-patches.rst asks for 70 to 75)."""


@dataclass(frozen=True, slots=True)
class Letter:
    """Everything of a patch but its diff."""

    subject: str
    body: str
    to: tuple[tuple[str, str], ...]
    cc: tuple[tuple[str, str], ...]


_COLLECTIONS = ("arch/", "drivers/")
"""Directories that are no subsystem of their own."""


def prefix(paths: Sequence[str]) -> str:
    """How a subject begins for these files: `mm/mremap`, `x86/mm`, `drm/i915` (rules/convert/subjects.toml)."""
    outside = [p for p in paths if not p.startswith("include/")] or paths
    code = _most(outside, 0, 0.0)
    if code[0].startswith(_COLLECTIONS):
        code = _most(code, 1, 0.5)
    ruled = {p: _rule([p]) for p in code}
    ((most, n),) = Counter(ruled.values()).most_common(1)
    if 2 * n > len(code):
        code = [p for p, rule in ruled.items() if rule == most]
    rule = _rule(code)
    shared = os.path.commonpath(code)
    parts = [p for p in shared[len(rule.path) :].split("/") if p]
    if parts and len(code) == 1:
        stem = os.path.basename(code[0]).split(".")[0]
        parts = [*parts[:-1], *([] if stem in parts[-2:-1] else [stem])] if _by_file(rule, parts) else parts[:-1]
    elif not parts and rule.depth and (stem := _stem(code)):
        parts = [stem]
    told = _telling(parts)[: rule.depth]
    text = rule.prefix + "/".join(told[-1:] if rule.last else told)
    if text:
        return text.rstrip(": /")
    places = shared.split("/")
    return (_telling(places) or places)[-1] or "treewide"


def _rule(paths: Iterable[str]) -> Subject:
    """The rule with the longest path that is the beginning of all these."""
    return next(s for s in subjects() if all(p.startswith(s.path) for p in paths))


def _telling(parts: Sequence[str]) -> list[str]:
    return [p for p in parts if p not in ("include", "asm", "linux", "kernel")]


def _most(paths: Sequence[str], depth: int, share: float) -> Sequence[str]:
    """Where paths part at `depth`, those of the directory that has most of them, and more than that share: a subject
    says where to look first."""
    of = {p: p.split("/")[depth] for p in paths if p.count("/") > depth}
    ((most, n),) = Counter(of.values()).most_common(1) or [("", 0)]
    return [p for p, place in of.items() if place == most] if n > share * len(paths) else paths


def _stem(paths: Sequence[str]) -> str:
    """What the names of files of one directory begin with: `kexec` of kexec_core.c and kexec_file.c; else nothing."""
    if len({os.path.dirname(p) for p in paths}) > 1:
        return ""
    columns = zip(*(os.path.basename(p).split(".")[0].split("_") for p in paths), strict=False)
    shared = takewhile(lambda words: len(set(words)) == 1, columns)
    return "_".join(words[0] for words in shared)


def _by_file(rule: Subject, parts: list[str]) -> bool:
    """Does the file itself tell more than its directory? In mm/ and lib/ each file is a subject."""
    return len(parts) <= rule.depth


def mechanical(part: Part, chosen: Scheme, maintainers: Maintainers) -> Letter:
    """The letter of a patch that renames uses."""
    sites = part.sites
    names = Counter((s.macro, s.replacement or "") for s in sites)
    units = sorted({s.unit for s in sites if s.unit})
    what = " and ".join(sorted({chosen.names["PAGE_SIZE"][u] for u in units}))
    about = words().step[part.step] if part.step else role(part.role)
    use = f"use {' and '.join(sorted({r for _, r in names}))}" if part.step else f"use {what} {role(part.role).use}"
    subject = f"{prefix(part.paths)}: {use}"
    pairs = [f"  {m} -> {r}: {n}" for (m, r), n in sorted(names.items(), key=lambda x: (-x[1], x[0]))]
    guesses = sum(s.status == "review" for s in sites)
    few = f"{_number(len(sites), 'use')} in {_number(len(part.paths), 'file')}:"
    checked = (
        "Checked: each name stood there as a word of code, and on every changed line all other words and signs are as "
        "before. Aligned text keeps its column."
    )
    paragraphs = [
        textwrap.fill(" ".join(x for x in (about.what, about.why) if x), WIDTH),
        "" if part.role or part.step else "What they do there:\n\n" + "\n".join(_roles(sites)),
        *_policies(sites, chosen),
        few + "\n\n" + "\n".join(pairs),
        _company(part),
        "What says so:\n\n" + reasons(sites, WIDTH),
        textwrap.fill(checked, WIDTH),
    ]
    if guesses:
        paragraphs.append(textwrap.fill(f"{guesses} of them are best guesses that a person has to look at.", WIDTH))
    to, cc = recipients(part.paths, maintainers)
    return Letter(subject, "\n\n".join(p for p in paragraphs if p), to, cc)


def _company(part: Part) -> str:
    """What is said of uses with another role that stand in an expression with one of the patch's."""
    others = [s for s in part.sites if part.role and s.role != part.role]
    if not others:
        return ""
    roles = ", ".join(sorted({role(s.role).use for s in others}))
    text = f"{_number(len(others), 'use')} of another role ({roles}) in an expression with one of this role came along."
    return textwrap.fill(text, WIDTH)


def _policies(sites: Sequence[Site], chosen: Scheme) -> list[str]:
    """What the policy decided, a paragraph for each of its keys."""
    count = Counter(s.policy_key for s in sites if s.policy and s.policy_key in chosen.policy)
    found = []
    for key, n in sorted((k, n) for k, n in count.items() if k is not None):
        policy = chosen.policy[key]
        of = f" of {n} of them" if n < len(sites) else " of all of them" if n > 1 else ""
        text = f"The unit{of} is a free choice. Policy {key} makes it once, {policy.unit.upper()}: {policy.why}."
        found.append(textwrap.fill(text, WIDTH))
    return found


def _roles(sites: Sequence[Site]) -> list[str]:
    """The roles in a patch that is not one role's, with their uses."""
    count = Counter(s.role for s in sites)
    return [f"  {n:5} {role(name).use}" for name, n in sorted(count.items(), key=lambda x: (-x[1], x[0] or ""))]


def _number(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"


def titles(wanted: Sequence[str]) -> list[str]:
    """Subjects within LONGEST; those of several patches are numbered, so that each patch of a series has its own."""
    short = [_within(text, LONGEST) for text in wanted]
    count = Counter(short)
    seen: Counter[str] = Counter()
    made = []
    for text, key in zip(wanted, short, strict=True):
        seen[key] += 1
        tail = f" ({seen[key]}/{count[key]})" if count[key] > 1 else ""
        made.append(_within(text, LONGEST - len(tail)) + tail)
    return made


def _within(text: str, room: int) -> str:
    return text if len(text) <= room else textwrap.shorten(text, room, placeholder="")


Addresses = tuple[tuple[str, str], ...]


def recipients(paths: Iterable[str], maintainers: Maintainers) -> tuple[Addresses, Addresses]:
    """To: those whose trees the patch goes through. Cc: the other maintainers, reviewers and lists of its files."""
    to: list[str] = []
    cc: list[str] = []
    for path in paths:
        merger = maintainers.merger(path)
        if merger is not None and merger.kept:
            to += merger.mail
        for section in maintainers.of(path):
            if section.name != REST:
                cc += [*(section.mail if section.kept else ()), *section.reviewers, *section.lists]
    rest = maintainers.rest()
    if rest is not None:
        cc += rest.lists
        to = to or list(rest.mail)
    first = addresses(to)
    named = {a.lower() for _, a in first}
    return tuple(first), tuple(x for x in addresses(cc) if x[1].lower() not in named)


def header(name: str, values: Addresses) -> str:
    """A To: or Cc: header, one address a line; empty without addresses."""
    if not values:
        return ""
    return f"{name}: " + ",\n\t".join(formataddr(v, "utf-8") for v in values) + "\n"


def mail(letter: Letter, author: str, date: str, number: int, total: int, end: bytes, sign: bool = True) -> bytes:
    """A patch in the form of git-format-patch(1); `end` is all that follows the message.

    Lines that end in CR LF would lose their CR in git-mailsplit(1), so that such a patch travels as quoted-printable.
    """
    width = max(4, len(str(total)))
    mark = f"[PATCH {number:0{width}d}/{total}] " if total > 1 else "[PATCH] "
    subject = _encoded(mark + letter.subject)
    name, address = parseaddr(author)
    signed = f"\n\nSigned-off-by: {author}\n" if sign else "\n"
    body = f"{letter.body}{signed}".encode("utf-8", "surrogateescape") + end
    encoding = "8bit"
    if b"\r\n" in body:
        encoding, body = "quoted-printable", _quoted_printable(body)
    head = (
        "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n"
        f"From: {formataddr((name, address), 'utf-8')}\nDate: {date}\nSubject: {subject}\n"
        f"{header('To', letter.to)}{header('Cc', letter.cc)}"
        f"MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: {encoding}\n\n"
    )
    return head.encode("utf-8", "surrogateescape") + body


def _quoted_printable(body: bytes) -> bytes:
    """Quoted-printable (RFC 2045, 6.7) in which CR is quoted too."""
    lines = body.split(b"\n")
    return b"\n".join(quopri.encodestring(line).replace(b"\r", b"=0D") for line in lines)


def _encoded(subject: str) -> str:
    subject = spelled(subject)
    return subject if subject.isascii() else Header(subject, "utf-8", maxlinelen=998).encode()
