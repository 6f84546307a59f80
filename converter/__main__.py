"""Where `pgconv` begins: before the imports, which take half a second in which a person may want to stop it."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Entry point of `pgconv` and of `python -m converter`."""
    _open_streams()
    try:
        from converter.cli import main as run

        run()
    except KeyboardInterrupt:
        print("pgconv: interrupted", file=sys.stderr)
        sys.exit(130)
    except SystemExit as end:
        _leave(end)


def _open_streams() -> None:
    """What was closed (`>&-`) gets a file, else the next one to be opened, a cache or a report, has its number.

    From standard input comes nothing, what goes to standard error is lost, and to write to standard output is an error.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.set_inheritable(os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY), True)
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w"))


def _leave(end: SystemExit) -> None:
    """Exit at once: to give back a million objects one by one takes a fifth of a second. What was opened is closed."""
    if not isinstance(end.code, int):
        raise end
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # a reader that has gone: as Python has it
        raise end from None
    os._exit(end.code)


if __name__ == "__main__":
    main()
