"""`pgconv sim`: the memory-management model on the data of the person who asks."""

from __future__ import annotations

import typer

from converter.commands.sim_abi import abi
from converter.commands.sim_footprint import footprint
from converter.commands.sim_pagecache import pagecache
from converter.commands.sim_report import report
from converter.commands.sim_run import run
from converter.commands.sim_trace import trace

app = typer.Typer(no_args_is_help=True, help="Simulate memory whose allocation unit is larger than what a PTE maps.")
app.command()(abi)
app.command()(footprint)
app.command()(pagecache)
app.command()(trace)
app.command()(run)
app.command()(report)
