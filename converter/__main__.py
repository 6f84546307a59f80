"""Where `pgconv` begins: before the imports, which take half a second in which a person may want to stop it."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Entry point of `pgconv` and of `python -m converter`."""
    try:
        from converter.cli import main as run

        run()
    except KeyboardInterrupt:
        print("pgconv: interrupted", file=sys.stderr)
        sys.exit(130)
    except SystemExit as end:
        _leave(end)


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
