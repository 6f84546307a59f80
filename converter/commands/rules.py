"""`pgconv rules`: what the rules are, and how often each kind of evidence was right."""

from __future__ import annotations

from textwrap import fill
from typing import Annotated

import typer

from converter.classify.confidence import confidence
from converter.classify.roles import rules as load_rules
from converter.commands.common import Output, SchemeName
from converter.report.output import write_text
from converter.units.signatures import signatures
from converter.vocabulary import scheme as load_scheme

_INDENT = " " * 4


def rules(
    stats: Annotated[
        bool, typer.Option("--stats", help="Measured share of right answers of each kind of evidence.")
    ] = False,
    output: Output = None,
    scheme: SchemeName = "pte-pg",
) -> None:
    """List the role rules, or with --stats how often each kind of evidence was right on the labelled uses.

    Example: pgconv rules --stats
    """
    chosen = load_scheme(scheme)
    measured = confidence()
    loaded = load_rules().rules
    if not stats:
        rows = []
        for r in loaded.values():
            why = fill(r.why, 80, initial_indent=_INDENT, subsequent_indent=_INDENT)
            rows.append(f"{r.id:28} {r.role:19} {r.unit}\n{why}")
        seeds = len(signatures().seeds)
        head = f"{len(rows)} role rules, {seeds:,} seeds; scheme {chosen.scheme} says where a unit is a choice"
        write_text(output, "\n".join([head, "", *rows, ""]))
        return
    known = measured.measured()
    kinds = [*known, *(f"rule:{i}" for i in loaded if f"rule:{i}" not in known)]
    rows = []
    for kind in sorted(kinds, key=lambda k: (-(known[k].n if k in known else 0), k)):
        n, right = (known[kind].n, known[kind].right) if kind in known else (0, 0)
        rows.append(f"{kind:36} {n:5} {right:5}  {measured.of(kind):.3f}{'' if n else '  (not measured: a prior)'}")
    limits = ", ".join(f"{unit} {share}" for unit, share in sorted(chosen.threshold.items()))
    head = f"{'kind of evidence':36} {'uses':>5} {'right':>5}  confidence"
    write_text(output, "\n".join([head, *rows, "", f"decided from a confidence of: {limits}", ""]))
