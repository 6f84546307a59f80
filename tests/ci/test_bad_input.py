"""What `pgconv ci` cannot judge, as a bot meets it: one line that says why, exit 2, and nothing on the output."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ci.conftest import CONVERTED, FILES, Repo
from tests.ci.test_history import BAD
from tests.conftest import Run
from tests.tree.conftest import run_git

MAIL = b"From x Mon Sep 17 00:00:00 2001\nSubject: [PATCH] mm: x\n\n"


def refused(done: subprocess.CompletedProcess[str], said: str) -> None:
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert re.fullmatch(r"pgconv: [^\n]+\n", done.stderr), done.stderr
    assert re.search(said, done.stderr), done.stderr


def series(repo: Repo) -> bytes:
    """A bad commit as a mail; the work tree goes back to the base."""
    repo.edit("mm: back", "mm/converted.c", BAD)
    text = repo.git("format-patch", "--stdout", f"{repo.base}..HEAD")
    repo.git("reset", "-q", "--hard", repo.base)
    return text.encode() + b"\n"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda good: b"", "not an mbox"),
        (lambda good: good[5:], "not an mbox: its first line does not begin with 'From '"),
        (lambda good: MAIL + b"hello\n", "no patch in it: none of its 1 mails holds a diff"),
        (
            lambda good: good[: good.index(b"addr += PAGE_SIZE")],
            r"mail 1 .*does not apply: hunk 1 of 1 of mm/converted.c \(line 10\): corrupt patch: "
            "its header counts 6 and 7 lines, old and new; after 3 and 4 it ends",
        ),
        (lambda good: good.replace(b" \tpte++", b" \tp\xfc++"), "mail 1: line 14 of its body is not utf-8: byte 0xfc"),
        (lambda good: good.replace(b"mm/converted.c", b"mm/none.c"), "mm/none.c: does not exist"),
        (
            lambda good: good.replace(b" \tpte++;", b" \tpte--;"),
            r"does not apply: hunk 1 of 1 of mm/converted.c \(line 10\): line 13 should be 'pte--;', "
            r"the file has 'pte\+\+;'",
        ),
    ],
    ids=["empty", "no mbox", "no patch", "cut", "not UTF-8", "no such file", "a hunk that does not fit"],
)
def test_a_series_that_cannot_be_judged(
    repo: Repo, pgconv: Run, tmp_path: Path, make: Callable[[bytes], bytes], said: str
) -> None:
    file = tmp_path / "series.mbox"
    file.write_bytes(make(series(repo)))
    refused(pgconv("ci", "--mbox", file, repo.root), said)


def test_a_patch_of_a_file_in_another_encoding_goes_through_git_am(repo: Repo, pgconv: Run, tmp_path: Path) -> None:
    """What the refusal tells is what works."""
    old = CONVERTED.replace("\tpte++;", "\tpte++; /* \u00fc */").encode("latin-1")
    repo.base = repo.commit("mm: latin-1", {"mm/converted.c": old})
    repo.commit("mm: back", {"mm/converted.c": old.replace(b"\tpte++;", b"\taddr += PAGE_SIZE;\n\tpte++;")})
    file = tmp_path / "0001.patch"
    repo.git("format-patch", "-1", "--output", str(file))
    repo.git("reset", "-q", "--hard", repo.base)
    said = "line 14 of its body is not utf-8: byte 0xfc; git am takes the bytes of such a file as they are: judge"
    refused(pgconv("ci", "--mbox", file, repo.root), said)
    repo.git("am", "-q", str(file))
    done = pgconv("ci", repo.root, f"{repo.base}..HEAD", "--format", "gcc")
    assert (done.returncode, done.stdout.count("mm/converted.c:13:10: error: new use of PAGE_SIZE")) == (1, 1)


@pytest.mark.parametrize("file", ["/dev/null", "/"])
def test_what_is_no_file_of_mails(repo: Repo, pgconv: Run, file: str) -> None:
    refused(pgconv("ci", "--mbox", file, repo.root), "a device, not an mbox|cannot be read: Is a directory")


def test_mails_may_come_through_a_pipe(repo: Repo, pgconv: Run) -> None:
    done = pgconv("ci", "--mbox", "/dev/stdin", repo.root, "--format", "gcc", input=series(repo).decode())
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("mm/converted.c:13:10: error: new use of PAGE_SIZE")


def test_a_history_that_cannot_be_judged(repo: Repo, pgconv: Run, tmp_path: Path) -> None:
    repo.git("checkout", "-q", "-b", "side")
    repo.edit("side", "mm/open.c", ("bytes", "octets"))
    repo.git("checkout", "-q", "master")
    repo.edit("main", "fs/open.c", ("0, PAGE_SIZE", "1, PAGE_SIZE"))
    repo.git("merge", "-q", "--no-edit", "side")
    shallow = tmp_path / "shallow"
    repo.git("clone", "-q", "--depth", "2", f"file://{repo.root}", str(shallow))
    refused(pgconv("ci", repo.root, "HEAD"), "a merge commit has 2 parents; name a range")
    refused(pgconv("ci", repo.root, "HEAD..HEAD^"), "an empty range")
    refused(pgconv("ci", repo.root, "none..HEAD"), "unknown revision none")
    refused(pgconv("ci", repo.root / "mm", "HEAD"), "not a git repository")
    refused(pgconv("ci", shallow, f"{repo.base}..HEAD"), "unknown revision .* the clone is shallow: git fetch --deepen")
    refused(pgconv("ci", shallow, "HEAD^"), "a shallow clone that lacks the parent of [0-9a-f]{12}: git fetch --deepen")
    assert pgconv("ci", repo.root, "HEAD^..HEAD").returncode == 0


@pytest.mark.parametrize("range_", ["^HEAD", "..^HEAD", "^HEAD..", "^HEAD^..HEAD", "HEAD..^HEAD", "^^HEAD"])
def test_a_revision_that_leaves_history_out_is_none(repo: Repo, pgconv: Run, tmp_path: Path, range_: str) -> None:
    repo.edit("mm: back", "mm/converted.c", BAD)
    said = r"\^\^?HEAD\^?: a \^ in front names what is left out; name a commit, or a range as A\.\.B"
    refused(pgconv("ci", repo.root, range_), said)
    refused(pgconv("progress", repo.root, "--revs", range_, "-o", tmp_path / "x.html"), said)
    if ".." not in range_:
        refused(pgconv("baseline", repo.root, range_), said)
        refused(pgconv("scan", repo.root, "--rev", range_), said)
        (tmp_path / "series.mbox").write_bytes(series(repo))
        refused(pgconv("ci", repo.root, "--mbox", tmp_path / "series.mbox", "--base", range_), said)


@pytest.mark.parametrize("range_", ["HEAD^!", "HEAD^@", "HEAD^-", "HEAD^..HEAD^!"])
def test_what_git_takes_as_several_commits_is_no_revision(repo: Repo, pgconv: Run, range_: str) -> None:
    repo.edit("mm: back", "mm/converted.c", BAD)
    refused(pgconv("ci", repo.root, range_), "unknown revision HEAD")


def test_an_empty_base_is_none(repo: Repo, pgconv: Run, tmp_path: Path) -> None:
    file = tmp_path / "series.mbox"
    file.write_bytes(series(repo))
    refused(pgconv("ci", repo.root, "--mbox", file, "--base", ""), 'unknown revision ""')


def test_a_base_is_of_mails(repo: Repo, pgconv: Run) -> None:
    repo.edit("mm: back", "mm/converted.c", BAD)
    refused(pgconv("ci", repo.root, "HEAD", "--base", repo.base), f"--base {repo.base}: what the mails of --mbox apply")


def lose(repo: Repo, name: str) -> None:
    """Take an object out of the repository."""
    oid = repo.git("rev-parse", name)
    (repo.root / ".git/objects" / oid[:2] / oid[2:]).unlink()


def test_a_repository_that_lacks_a_file_of_the_base(repo: Repo, pgconv: Run, tmp_path: Path) -> None:
    """Judged without it, a use that it settles might pass; counted without it, its own uses would."""
    file = tmp_path / "series.mbox"
    file.write_bytes(series(repo))
    repo.edit("mm: back", "mm/converted.c", BAD)
    lose(repo, "HEAD:include/linux/mm.h")
    lose(repo, "HEAD:fs/open.c")
    said = (
        "the blob of fs/open.c and of 1 more file is not in this repository, and units are a matter of the whole tree; "
        "the repository is damaged: git fsck says what is missing"
    )
    refused(pgconv("ci", repo.root, "HEAD"), said)
    refused(pgconv("ci", repo.root, "--mbox", file, "--base", repo.base), said)
    refused(pgconv("baseline", repo.root, "HEAD"), said)


def test_a_repository_that_lacks_a_commit(repo: Repo, pgconv: Run) -> None:
    repo.edit("mm: back", "mm/converted.c", BAD)
    lose(repo, "HEAD^")
    said = f"commit {repo.base[:12]} is not in this repository; the repository is damaged: git fsck says"
    refused(pgconv("ci", repo.root, "HEAD"), said)


PARTIAL = "; the clone is partial, and nothing is fetched: git fetch --refetch --no-filter brings all that it lacks$"


def partial_clone(repo: Repo, *options: str) -> Path:
    """A clone of three commits that lacks what the options say."""
    repo.edit("mm: fine", "mm/open.c", ("bytes", "octets"))
    repo.edit("mm: back", "mm/converted.c", BAD)
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.git("config", "uploadpack.allowAnySHA1InWant", "true")
    clone = repo.root.parent / "partial"
    repo.git("clone", "-q", *options, f"file://{repo.root}", str(clone))
    return clone


@pytest.mark.parametrize(
    ("options", "judged", "counted"),
    [
        (("--filter=blob:none",), "the blob of mm/converted.c is not in", "the blob of mm/converted.c is not in"),
        (("--filter=blob:none", "--bare"), "partial at the base of HEAD: Makefile: ", "partial at HEAD~1: Makefile: "),
        (("--filter=tree:0",), "commit [0-9a-f]{12} is not in", "unknown revision HEAD~1 "),
    ],
    ids=["without old files", "without files", "without trees"],
)
def test_a_partial_clone_says_that_it_is_one_and_what_makes_it_whole(
    repo: Repo, pgconv: Run, options: tuple[str, ...], judged: str, counted: str
) -> None:
    """Of what people named, not of a tree. What it tells to do is then done."""
    clone = partial_clone(repo, *options)
    for done, said in ((pgconv("ci", clone, "HEAD"), judged), (pgconv("baseline", clone, "HEAD~1"), counted)):
        refused(done, said + ".*" + PARTIAL)
        assert f"at {repo.git('rev-parse', 'HEAD~1^{tree}')}" not in done.stderr
    run_git(clone, "fetch", "-q", "--refetch", "--no-filter")
    assert pgconv("ci", clone, "HEAD").returncode == 1


def test_a_partial_clone_of_which_a_tree_near_by_is_known_says_so_too(repo: Repo, pgconv: Run) -> None:
    clone = partial_clone(repo, "--filter=blob:none")
    assert pgconv("baseline", repo.root, "HEAD~2").returncode == 0
    shutil.rmtree(repo.root)
    clone.rename(repo.root)
    refused(pgconv("ci", repo.root, "HEAD"), "linux: git diff-tree: .*" + PARTIAL)


def test_a_revision_that_is_no_kernel_is_refused_though_one_near_by_is_known(
    repo: Repo, pgconv: Run, tmp_path: Path
) -> None:
    """What has no file has no use either, and a baseline without one would let nothing in."""
    file = tmp_path / "baseline.json"
    assert pgconv("baseline", repo.root, "HEAD", "-o", file).returncode == 0
    kept = file.read_bytes()
    repo.git("rm", "-q", "-r", ".")
    repo.git("commit", "-q", "-m", "nothing")
    refused(pgconv("baseline", repo.root, "HEAD", "-o", file), "linux at HEAD: not a kernel tree: no Makefile")
    refused(pgconv("baseline", repo.root, "HEAD", "-o", file, "--update"), "linux at HEAD: not a kernel tree")
    said = "linux at the end of HEAD: not a kernel tree: no Makefile"
    refused(pgconv("ci", repo.root, "HEAD", "--baseline", file, "--update"), said)
    assert file.read_bytes() == kept
    repo.commit("again", dict(FILES))
    refused(pgconv("ci", repo.root, "HEAD~1..HEAD"), r"linux at the base of HEAD~1\.\.HEAD: not a kernel tree")


def test_a_baseline_of_another_version(repo: Repo, pgconv: Run, tmp_path: Path) -> None:
    repo.edit("mm: back", "mm/converted.c", BAD)
    file = tmp_path / "baseline.json"
    assert pgconv("baseline", repo.root, "HEAD", "-o", file).returncode == 0
    kept = {**json.loads(file.read_text()), "schema": "pgconv.baseline/2"}
    file.write_text(json.dumps(kept))
    refused(pgconv("ci", repo.root, "HEAD", "--baseline", file), "a baseline of version pgconv.baseline/2, not")
    refused(pgconv("baseline", repo.root, "HEAD", "-o", file, "--update"), "make it anew with pgconv baseline")
    assert json.loads(file.read_text()) == kept
