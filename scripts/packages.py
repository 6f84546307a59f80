"""`make packages`: installs the Debian packages that `pgconv verify` needs and that are missing (rules/verify.toml)."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

from converter.verify import needs


def main() -> int:
    """Exit code 0 when nothing is missing any more, 2 where it cannot be installed."""
    packages = [p.name for p in needs.missing(level for p in needs.builds().package for level in p.levels)]
    if not packages:
        return 0
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    for words in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
        command = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *words]
        print(f"packages: {shlex.join(command)}", file=sys.stderr, flush=True)
        try:
            done = subprocess.run(command, stdout=sys.stderr, check=False)
        except FileNotFoundError as error:
            print(f"packages: {error.filename} is not here; install by hand: {' '.join(packages)}", file=sys.stderr)
            return 2
        if done.returncode != 0:
            print(f"packages: apt-get failed; install by hand: {' '.join(packages)}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
