"""`pgconv sim`: the memory-management model on the data of the person who asks."""

from __future__ import annotations

import typer

from converter.commands.sim_abi import abi
from converter.commands.sim_footprint import footprint
from converter.commands.sim_pagecache import pagecache
from converter.commands.sim_report import report
from converter.commands.sim_run import run
from converter.commands.sim_trace import trace

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Simulate memory whose allocation unit is larger than what a PTE maps.",
)
app.command(short_help="Compare the model with this machine's kernel.")(abi)
app.command(short_help="Memory that processes hold at each PG_SIZE, and why.")(footprint)
app.command(short_help="Page cache that a file tree needs at each PG_SIZE.")(pagecache)
app.command(short_help="Replay an strace log at each PG_SIZE.")(trace)
app.command(short_help="Run scenarios and check what they expect.")(run)
app.command(short_help="Write a page with plots for this machine.")(report)
