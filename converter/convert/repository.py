"""What git knows of a tree: its commit, whether its files are changed, who the user is. Nothing of the tree runs."""

from __future__ import annotations

import os
import subprocess

from converter.errors import InputError
from converter.tree import Tree
from converter.tree.git import git_directory


def head(tree: Tree) -> str | None:
    """The commit that a tree is at: that of its revision, or HEAD of the repository that its files are in."""
    directory = git_directory(tree.root)
    if directory is None:
        return None
    answer = _git(directory, tree.root, "rev-parse", "--verify", "--quiet", f"{tree.revision or 'HEAD'}^{{commit}}")
    return answer.stdout.decode().strip() or None if answer.returncode == 0 else None


def is_dirty(tree: Tree) -> bool:
    """Do tracked files of the work tree differ from HEAD? False where there is no repository."""
    directory = git_directory(tree.root)
    if directory is None or tree.revision is not None:
        return False
    answer = _git(
        directory, tree.root, *_without_filters(directory, tree.root),
        "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all",
    )  # fmt: skip
    if answer.returncode != 0:
        raise InputError(f"{tree.name}: git status failed: {answer.stderr.decode(errors='replace').strip()}")
    return bool(answer.stdout.strip())


def user(tree: Tree) -> str | None:
    """`Name <address>` as git's configuration has it, for this repository or for the user; None where it has none."""
    directory = git_directory(tree.root)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_DIR")}
    if directory is not None:
        environment["GIT_DIR"] = os.path.realpath(directory)
    parts = []
    for key in ("user.name", "user.email"):
        try:
            answer = subprocess.run(
                ["git", "config", "--get", key], cwd="/", env=environment, capture_output=True, check=False
            )
        except FileNotFoundError:
            return None
        parts.append(answer.stdout.decode("utf-8", "replace").strip())
    return f"{parts[0]} <{parts[1]}>" if all(parts) else None


def _without_filters(directory: str, root: str) -> list[str]:
    """Options that keep git from running what the repository's configuration names as filters."""
    answer = _git(directory, root, "config", "--name-only", "-z", "--get-regexp", r"^filter\.")
    drivers = {n.rsplit(".", 1)[0] for n in answer.stdout.decode("utf-8", "surrogateescape").split("\0") if n}
    options = []
    for d in sorted(drivers):
        options += [x for key in ("clean", "process") for x in ("-c", f"{d}.{key}=")] + ["-c", f"{d}.required=false"]
    return options


def _git(directory: str, root: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | {
        "GIT_DIR": os.path.realpath(directory),
        "GIT_WORK_TREE": root,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "LC_ALL": "C",
    }
    command = ["git", "--no-pager", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", *arguments]
    try:
        return subprocess.run(command, cwd=root, env=environment, capture_output=True, check=False)
    except FileNotFoundError:
        raise InputError("git is not installed: it is needed to convert a git work tree") from None
