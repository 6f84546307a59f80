"""How a site is said in one line, for the formats that people read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from converter.classify.record import Evidence, Site

STATUS = {
    "decided": "a rename is right",
    "review": "a best guess, or none: a person decides",
    "logic": "a rename is not enough: both units meet here",
    "definition": "defines the family",
    "inert": "comment, string, documentation or user-space code",
}
"""What each status asks of the reader."""


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def printable(text: str) -> str:
    """The text on one line and without terminal controls, whatever a file of the tree is called."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def encoded(text: str) -> bytes:
    """Text as bytes that are the same in every locale: UTF-8, and a byte of a file name that is not stays that byte."""
    return text.encode("utf-8", "surrogateescape")


def message(site: Site) -> str:
    """What pgconv says of the site, e.g. "PAGE_SIZE -> PTE_SIZE: decided (page-table-step, 0.99)".

    A guess has a question mark; where a rename is not the answer, none is shown.
    """
    name = site.macro
    if site.replacement and site.status in ("decided", "review"):
        name += f" -> {site.replacement}" + ("?" if site.status == "review" else "")
    about = [site.role] if site.role else []
    if site.policy:
        about.append(f"policy {site.policy_key}" if site.policy_key else "policy")
    if site.status in ("decided", "review") and site.unit:
        about.append(f"{site.confidence:.2f}")
    text = f"{name}: {site.status}" + (f" ({', '.join(about)})" if about else "")
    return f"{text}; {site.missing}" if site.missing else text


def short(name: str) -> str:
    """A commit id as people write it; the name of a mail as it is."""
    return name[:12] if len(name) >= 40 and set(name) <= set("0123456789abcdef") else name


def counted(number: int, what: str) -> str:
    """ "1 commit", "2,000 commits"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def steps(title: str, chain: tuple[Evidence, ...]) -> Iterator[str]:
    """A chain of evidence, one line a step, the title before the first."""
    for step in chain:
        place = f"{step.path}:{step.line}: " if step.line else f"{step.path}: " if step.path else ""
        yield f"    {title:5} {place}{step.why}"
        title = ""
