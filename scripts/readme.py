"""Write what `make demo` prints into the README, so that the session shown there is a real one.

python scripts/readme.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
_BLOCK = re.compile(r"(?<=<!-- session -->\n).*?(?=<!-- end of session -->)", re.DOTALL)


def session() -> str:
    """The demo's output as a Markdown block."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    demo = subprocess.run(
        [str(ROOT / "scripts/demo.sh")], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    return f"\n```console\n{demo.stdout.strip()}\n```\n\n"


def updated(readme: str) -> str:
    """The README with today's session."""
    block = session()
    return _BLOCK.sub(lambda _: block, readme)


if __name__ == "__main__":
    README.write_text(updated(README.read_text()))
