"""What the tests of convert share: a git repository of the demo tree, and git without the user's configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Git = Callable[..., str]

WHO = "Ada Author <ada@example.org>"


@pytest.fixture(scope="session")
def git() -> Git:
    """Run git in a directory, as nobody in particular; its output."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@example.org",
    }  # fmt: skip

    def run(directory: Path, *arguments: object) -> str:
        done = subprocess.run(
            ["git", *map(str, arguments)], cwd=directory, env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout.decode("utf-8", "surrogateescape")

    return run


@pytest.fixture
def repository(tmp_path: Path, demo_tree: Path, git: Git) -> Path:
    """The demo tree as a git repository with one commit."""
    place = tmp_path / "linux"
    shutil.copytree(demo_tree, place)
    git(place, "init", "-q", "-b", "master")
    git(place, "add", "-A")
    git(place, "commit", "-q", "-m", "base")
    return place
