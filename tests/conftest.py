"""What tests share: the demo tree, the real kernel tree, and the command line in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from converter import data

ROOT = Path(__file__).resolve().parent.parent

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def kernel_or_skip(version: str = "6.12") -> Path:
    """The real kernel tree (PGCONV_KERNEL, else what `make kernel` fetched); skips, or fails where one is required."""
    tree = Path(os.environ.get("PGCONV_KERNEL") or ROOT / ".kernel" / f"linux-{version}")
    if (tree / "mm").is_dir():
        return tree.resolve()
    reason = f"no kernel tree at {tree}: run `make kernel`, or set PGCONV_KERNEL"
    if os.environ.get("PGCONV_REQUIRE_KERNEL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def kernel() -> Path:
    """The real kernel tree. Tests that ask for it skip where there is none, unless PGCONV_REQUIRE_KERNEL=1."""
    return kernel_or_skip()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with tests on the real tree come first: they take longest, and two workers shall end together."""
    long = {i.path for i in items if "kernel" in getattr(i, "fixturenames", ())}
    items.sort(key=lambda i: i.path not in long)


@pytest.fixture(scope="session")
def demo_tree() -> Path:
    """The kernel-like tree that travels with pgconv."""
    return data.path("fixtures/tree")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache for this run alone: no test reads or fills the user's."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        yield cache


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """What runs in the background of a shell inherits that SIGINT is ignored; the tests send it to what they start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def pgconv() -> Run:
    """Run `pgconv ARGUMENTS`, output as text; keywords go to subprocess.run."""

    def run(*arguments: object, **keywords: object) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("pgconv")), *map(str, arguments)]
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            command, **{"capture_output": True, "text": True, "check": False, "timeout": 600, **keywords}
        )

    return run
