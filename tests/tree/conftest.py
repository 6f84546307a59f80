"""Small kernel trees, git repositories of them, and a child process without privileges."""

from __future__ import annotations

import os
import pickle
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NOBODY = 65534

MAKEFILE = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 48\nEXTRAVERSION =\nNAME = x\n"

FILES = {
    "Makefile": MAKEFILE,
    "mm/mmap.c": "int a = PAGE_SIZE;\n",
    "mm/internal.h": "int b = PAGE_SHIFT;\n",
    "arch/x86/kernel/head_64.S": "\t.balign PAGE_SIZE\n",
    "arch/x86/kernel/vmlinux.lds.S": ". = ALIGN(PAGE_SIZE);\n",
    "arch/x86/boot/setup.ld": "SECTIONS\n",
    "kernel/module.lds": ". = ALIGN(4096);\n",
    "mm/Kconfig": "config MMU\n",
    "tools/perf.py": "PAGE_SIZE\n",
}


def write_files(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def run_git(directory: Path, *arguments: str, text: str = "") -> str:
    """git as a person without any configuration would run it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ALLOW_PROTOCOL": "file"}
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=master"]
    command = ["git", *identity, "-c", "protocol.file.allow=always", *arguments]
    done = subprocess.run(command, cwd=directory, env=environment, input=text.encode(), capture_output=True, check=True)
    return done.stdout.decode().strip()


def as_nobody(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` returns where permissions count: in a child without privileges if the tests run as root."""
    if os.geteuid() != 0:
        return function(*arguments)
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            answer = pickle.dumps(function(*arguments))
        except BaseException as error:
            answer = pickle.dumps(error)
        with os.fdopen(send, "wb") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        result = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    if isinstance(result, BaseException):
        raise result
    return result


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small kernel tree."""
    return write_files(tmp_path / "linux", dict(FILES))


@pytest.fixture
def repository(tree: Path) -> Path:
    """The small kernel tree as a git work tree with one commit."""
    run_git(tree, "init", "-q")
    run_git(tree, "add", "-Af", ".")
    run_git(tree, "commit", "-q", "-m", "one")
    return tree


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory that a process without privileges can reach and write to."""
    with tempfile.TemporaryDirectory(prefix="pgconv-test-") as name:
        if os.geteuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        yield Path(name)
