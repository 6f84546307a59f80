"""Where `pgconv` begins: before the imports, which take half a second in which a person may want to stop it."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of `pgconv` and of `python -m converter`."""
    try:
        from converter.cli import main as run

        run()
    except KeyboardInterrupt:
        print("pgconv: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
