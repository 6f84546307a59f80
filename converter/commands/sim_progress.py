"""A progress bar for long simulations: on a terminal only, and on standard error, so that output stays clean."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress


@contextmanager
def shown(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A function to tell how many of `total` steps are done; it does nothing where nobody watches."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(escape(title), total=total)
        stride = max(1, total // 200)

        def update(done: int) -> None:
            if done % stride == 0:
                progress.update(task, completed=done)

        yield update
