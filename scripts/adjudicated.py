"""Uses of Linux 6.12 that the project judged itself (fixtures/labels/adjudicated.tsv), and how scans fare on them."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from converter.classify.record import Site

PATH = Path(__file__).resolve().parent.parent / "fixtures/labels/adjudicated.tsv"
KINDS = ("definite", "doubtful", "either", "logic")


@dataclass(frozen=True, slots=True)
class Label:
    """One judged use. `first` is what the scan said when it was sampled: see the head of the file."""

    path: str
    place: tuple[str, int, int]  # line_sha1, nth, token
    truth: str
    doubt: bool
    first: str
    area: str
    round: str

    @property
    def kind(self) -> str:
        if self.doubt:
            return "doubtful"
        return {"EITHER": "either", "LOGIC": "logic"}.get(self.truth, "definite")


def read(path: Path = PATH) -> list[Label]:
    """All labels of a file of this form; lines that begin with # are its head."""
    with path.open() as lines:
        rows = csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t")
        return [
            Label(
                r["path"], (r["line_sha1"], int(r["nth"]), int(r["token"])), r["truth"], r["doubt"] == "1", r["first"],
                r["area"], r["round"],
            )
            for r in rows
        ]  # fmt: skip


def said(site: Site) -> str:
    """What a scan says of a use, in the words of the column `first`."""
    if site.status == "decided":
        return (site.unit or "").upper() + ("~" if site.policy else "")
    return "logic" if site.status == "logic" else "open"


def right(truth: str, said: str) -> bool:
    """Is a decision not wrong? An open use never is; of EITHER only a decision by policy, of LOGIC none is right."""
    if said in ("open", "logic"):
        return True
    return said.endswith("~") if truth == "EITHER" else said.rstrip("~") == truth


def row(name: str, pairs: Sequence[tuple[str, str]]) -> str:
    """One line of a table of (truth, said)."""
    decided = [(t, s) for t, s in pairs if s not in ("open", "logic")]
    wrong = Counter((t, s.rstrip("~")) for t, s in decided if not right(t, s))
    share = f"{1 - wrong.total() / len(decided):.1%}" if decided else "-"
    return (
        f"| {name} | {len(pairs)} | {len(decided)} | {share} | {wrong['PTE', 'PG']} | {wrong['PG', 'PTE']} |"
        f" {sum(s == 'logic' for _, s in pairs)} |"
    )


def tables(found: Iterable[tuple[Label, Site]]) -> list[str]:
    """First look and now, by kind of label and round, and the definite ones by area."""
    pairs = [(label, label.first, said(site)) for label, site in found]
    lines = [
        "## Against uses that the project judged itself", "",
        "Sampled at random in files that no label above speaks of (fixtures/labels/adjudicated.tsv). *First look*: what"
        " the scan of the day said before anyone had looked. After a round the rules were mended, so that only first"
        " looks are figures of unseen code; *now* says what became of them.", "",
        "| labels | n | decided | right of decided | pte as pg | pg as pte | status logic |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for number in sorted({label.round for label, _, _ in pairs}):
        for kind in KINDS:
            here = [p for p in pairs if p[0].round == number and p[0].kind == kind]
            if here:
                lines.append(row(f"round {number}, first look: {kind}", [(p[0].truth, p[1]) for p in here]))
    for kind in KINDS:
        here = [p for p in pairs if p[0].kind == kind]
        if here:
            lines.append(row(f"now: {kind}", [(p[0].truth, p[2]) for p in here]))
    lines += ["", "Definite uses by area, first look:", "", *lines[4:6]]
    areas: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for label, first, _ in pairs:
        if label.kind == "definite":
            areas[label.area].append((label.truth, first))
    return [*lines, *(row(area, members) for area, members in sorted(areas.items())), ""]
