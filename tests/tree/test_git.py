"""A kernel tree as a revision of a git repository."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import subprocess
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest

from converter.errors import InputError
from converter.tree import Tree, Unreadable, open_tree
from converter.tree.entry import blob_id
from converter.tree.pool import chunked, run
from tests.tree import workers
from tests.tree.conftest import FILES, NOBODY, as_nobody, run_git, write_files


def contents(tree: Tree) -> dict[str, bytes | str]:
    try:
        pairs = tree.reader.read_many(tree.entries)
        return {entry.path: data if isinstance(data, bytes) else data.reason for entry, data in pairs}
    finally:
        tree.reader.close()


def commit(repository: Path, files: dict[str, str | bytes]) -> str:
    write_files(repository, files)
    run_git(repository, "add", "-Af", ".")
    run_git(repository, "commit", "-q", "-m", "more")
    return run_git(repository, "rev-parse", "HEAD")


def object_file(repository: Path, path: str) -> Path:
    blob = run_git(repository, "rev-parse", f"HEAD:{path}")
    return repository / ".git/objects" / blob[:2] / blob[2:]


def test_a_revision_and_its_files_are_the_same_tree(repository: Path) -> None:
    strange = {"mm/a b.c": "1", "mm/a\nb.c": "2", "mm/\udcff.c": "3", "mm/\t.h": "4", ".hidden/x.c": "5"}
    commit(repository, {**strange, "mm/empty.c": "", "mm/nul.c": b"\0\r\n\xff", "mm.c": "sorts before mm/"})
    files, revision = open_tree(repository), open_tree(repository, "HEAD")
    assert [(entry.path, entry.size) for entry in files.entries] == [
        (entry.path, entry.size) for entry in revision.entries
    ]
    assert contents(files) == contents(revision)
    assert (files.name, files.kernel_version) == (revision.name, revision.kernel_version)


def test_the_blob_id_of_an_entry_is_that_of_its_bytes(repository: Path) -> None:
    revision = open_tree(repository, "HEAD")
    read = contents(revision)
    assert {entry.path: entry.blob for entry in revision.entries} == {
        path: blob_id(data) for path, data in read.items() if isinstance(data, bytes)
    }


def test_a_revision_is_read_as_it_was_committed(repository: Path) -> None:
    first = run_git(repository, "rev-parse", "HEAD")
    commit(repository, {"mm/mmap.c": "second"})
    write_files(repository, {"mm/mmap.c": "third"})
    seen = [contents(open_tree(repository, rev))["mm/mmap.c"] for rev in (first, "HEAD", None)]
    assert seen == [FILES["mm/mmap.c"].encode(), b"second", b"third"]


def test_every_way_to_name_a_revision_gives_its_commit(repository: Path) -> None:
    head = run_git(repository, "rev-parse", "HEAD")
    run_git(repository, "tag", "-a", "v6.12", "-m", "x")
    assert {open_tree(repository, rev).revision for rev in ("HEAD", "master", "v6.12", head, head[:9])} == {head}


def test_a_tree_object_can_be_named_too(repository: Path) -> None:
    tree_id = run_git(repository, "rev-parse", "HEAD^{tree}")
    opened = open_tree(repository, tree_id)
    assert opened.revision == tree_id
    assert len(opened.entries) == 5


def test_a_bare_repository_is_read_at_its_head_or_at_the_revision_named(repository: Path, tmp_path: Path) -> None:
    first = run_git(repository, "rev-parse", "HEAD")
    second = commit(repository, {"mm/mmap.c": "second"})
    run_git(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")
    assert open_tree(tmp_path / "bare.git").revision == second
    assert open_tree(tmp_path / "bare.git", first).revision == first
    assert contents(open_tree(tmp_path / "bare.git"))["mm/mmap.c"] == b"second"


def test_a_linked_work_tree_is_a_repository(repository: Path, tmp_path: Path) -> None:
    run_git(repository, "worktree", "add", "-q", str(tmp_path / "linked"), "HEAD")
    assert contents(open_tree(tmp_path / "linked", "HEAD")) == contents(open_tree(repository, "HEAD"))


def test_a_sha256_repository_is_read(tree: Path) -> None:
    run_git(tree, "init", "-q", "--object-format=sha256")
    commit(tree, {})
    assert contents(open_tree(tree, "HEAD")) == contents(open_tree(tree))


@pytest.mark.parametrize(
    "rev", ["nope", "", " ", "HEAD~99", "HEAD:mm/mmap.c", "HEAD..HEAD", "-h", "--all", "a\0b", "a\nb", "HEAD --", ":/x"]
)
def test_an_unknown_revision_is_refused_in_one_line(repository: Path, rev: str) -> None:
    with pytest.raises(InputError) as caught:
        open_tree(repository, rev)
    assert str(caught.value).startswith(f"{repository}: unknown revision ")
    assert "\n" not in str(caught.value)


def test_a_repository_without_commits_has_no_head(tree: Path) -> None:
    run_git(tree, "init", "-q")
    with pytest.raises(InputError, match="unknown revision HEAD"):
        open_tree(tree, "HEAD")


def test_a_revision_of_something_else_is_not_a_kernel_tree(tmp_path: Path) -> None:
    run_git(tmp_path, "init", "-q")
    for files, message in (
        ({"main.c": "x"}, "no Makefile"),
        ({"Makefile": "all:\n"}, "no VERSION"),
        ({"Makefile": FILES["Makefile"]}, "none of mm/"),
    ):
        commit(tmp_path, dict(files))
        with pytest.raises(InputError, match=f"at HEAD: not a kernel tree: .*{message}"):
            open_tree(tmp_path, "HEAD")


def test_rev_needs_a_repository_and_parents_do_not_count(repository: Path, tree: Path) -> None:
    write_files(repository / "sub", dict(FILES))
    with pytest.raises(InputError, match="not a git repository"):
        open_tree(repository / "sub", "HEAD")


def test_without_git_there_is_one_clear_line(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="git is not installed"):
        open_tree(repository, "HEAD")


def test_no_program_inside_the_tree_is_taken_for_git(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(repository, {"git": f"#!/bin/sh\ntouch {tmp_path}/executed\n"})
    (repository / "git").chmod(0o755)
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PATH", f".:{os.environ['PATH']}")
    assert len(contents(open_tree(".", "HEAD"))) == 5
    assert not (tmp_path / "executed").exists()


def test_git_variables_of_the_caller_do_not_count(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = contents(open_tree(repository, "HEAD"))
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_TRACE"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    assert contents(open_tree(repository, "HEAD")) == expected
    assert not (tmp_path / "nowhere").exists()


def test_symlinks_are_passed_over_and_submodules_counted(repository: Path) -> None:
    (repository / "mm/link.c").symlink_to("mmap.c")
    (repository / "mm/out.c").symlink_to("/etc/passwd")
    run_git(repository, "add", "-Af", ".")
    head = run_git(repository, "rev-parse", "HEAD")
    run_git(repository, "update-index", "--add", "--cacheinfo", f"160000,{head},mm/sub.c")
    run_git(repository, "commit", "-q", "-m", "links")
    opened = open_tree(repository, "HEAD")
    assert sorted(contents(opened)) == sorted(contents(open_tree(repository)))
    assert opened.warnings == ("mm/sub.c: submodule not read",)


def test_nothing_that_the_repository_names_is_executed(repository: Path, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {mark}\n")
    script.chmod(0o755)
    hooks = repository / "hooks"
    hooks.mkdir()
    for hook in ("post-checkout", "post-index-change", "reference-transaction", "fsmonitor-watchman"):
        shutil.copy(script, hooks / hook)
    commit(repository, {".gitattributes": "*.c filter=evil diff=evil\n"})
    for key in (
        "core.fsmonitor",
        "core.pager",
        "core.sshCommand",
        "core.gitProxy",
        "core.askPass",
        "core.editor",
        "core.alternateRefsCommand",
        "pager.cat-file",
        "pager.ls-tree",
        "filter.evil.smudge",
        "filter.evil.clean",
        "filter.evil.process",
        "diff.evil.textconv",
        "diff.external",
        "credential.helper",
        "gpg.program",
        "remote.origin.uploadpack",
    ):
        run_git(repository, "config", key, str(script))
    run_git(repository, "config", "core.hooksPath", str(hooks))
    for alias in ("cat-file", "ls-tree", "rev-parse"):
        run_git(repository, "config", f"alias.{alias}", f"!{script}")
    run_git(repository, "config", "core.worktree", str(tmp_path / "nowhere"))
    assert len(contents(open_tree(repository, "HEAD"))) == 5
    assert not mark.exists()
    run_git(repository, "config", "--unset", "core.worktree")
    with contextlib.suppress(subprocess.CalledProcessError):
        run_git(repository, "status")
    assert mark.exists(), "the trap itself works"


def test_what_a_partial_clone_lacks_is_counted_and_not_fetched(repository: Path, tmp_path: Path) -> None:
    first = run_git(repository, "rev-parse", "HEAD")
    commit(repository, {"mm/mmap.c": "second", "mm/internal.h": "second"})
    run_git(repository, "config", "uploadpack.allowFilter", "true")
    run_git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    run_git(tmp_path, "clone", "-q", "--filter=blob:none", f"file://{repository}", "partial")
    before = sorted((tmp_path / "partial/.git/objects").rglob("*"))
    opened = open_tree(tmp_path / "partial", first)
    assert "mm/mmap.c" not in contents(opened)
    assert len(opened.entries) == 3
    assert opened.warnings == ("mm/internal.h: file not read: its blob is not in this repository (and 1 more)",)
    assert sorted((tmp_path / "partial/.git/objects").rglob("*")) == before


def test_the_owner_of_the_repository_does_not_matter(repository: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    for path in (repository, *repository.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    assert len(contents(open_tree(repository, "HEAD"))) == 5


def read_foreign(root: Path) -> int:
    return len(contents(open_tree(root, "HEAD")))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_user_can_read_a_repository_of_roots(repository: Path, reachable: Path) -> None:
    shutil.copytree(repository, reachable / "linux")
    assert as_nobody(read_foreign, reachable / "linux") == 5


def test_a_missing_object_costs_only_its_file(repository: Path) -> None:
    object_file(repository, "mm/mmap.c").unlink()
    opened = open_tree(repository, "HEAD")
    assert opened.warnings == ("mm/mmap.c: file not read: its blob is not in this repository",)
    assert len(contents(opened)) == 4


def damage(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def test_an_object_damaged_after_the_listing_costs_only_its_file(repository: Path) -> None:
    expected = contents(open_tree(repository, "HEAD"))
    opened = open_tree(repository, "HEAD")
    whole = object_file(repository, "mm/internal.h").read_bytes()
    damage(object_file(repository, "mm/internal.h"), whole[:-4])
    read = contents(opened)
    assert [path for path in expected if read[path] != expected[path]] == ["mm/internal.h"]
    assert "git cannot read object" in str(read["mm/internal.h"])


def test_a_repository_that_vanishes_leaves_every_file_unreadable(repository: Path) -> None:
    commit(repository, {f"mm/{number}.c": f"{number}" for number in range(40)})
    opened = open_tree(repository, "HEAD")
    shutil.rmtree(repository)
    reasons = set(contents(opened).values())
    assert "git does not answer any more" in reasons
    assert all(isinstance(reason, str) for reason in reasons)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A revision with more files than git is asked for at once."""
    repository = tmp_path_factory.mktemp("many")
    run_git(repository, "init", "-q")
    commit(repository, {**FILES, **{f"mm/many/{number:04}.c": f"{number}\n" * number for number in range(700)}})
    return open_tree(repository, "HEAD")


def test_more_files_than_git_is_asked_for_at_once_come_in_order(many: Tree) -> None:
    read = contents(many)
    assert [path for path in read if "many" in path] == [f"mm/many/{number:04}.c" for number in range(700)]
    assert all(read[f"mm/many/{number:04}.c"] == b"%d\n" % number * number for number in range(700))


def test_a_consumer_may_stop_and_read_on_elsewhere(many: Tree) -> None:
    def first(entries: Iterable[int]) -> list[bytes | Unreadable]:
        return [data for _, data in many.reader.read_many(many.entries[index] for index in entries)]

    some = many.reader.read_many(many.entries)
    next(some)
    some.close()  # type: ignore[attr-defined]
    assert first([9, 8]) == first([9]) + first([8])
    many.reader.close()


def test_a_copy_of_a_reader_in_use_reads_on_its_own(many: Tree) -> None:
    here = many.reader.read(many.entries[5])
    copy = pickle.loads(pickle.dumps(many.reader))
    assert copy.read(many.entries[5]) == here
    copy.close()
    many.reader.close()


def test_closing_ends_git_and_reading_starts_it_again(many: Tree) -> None:
    data = many.reader.read(many.entries[5])
    assert git_processes(many)
    many.reader.close()
    assert not git_processes(many)
    assert many.reader.read(many.entries[5]) == data
    many.reader.close()


def test_workers_that_end_take_their_git_with_them(many: Tree) -> None:
    results = run(partial(workers.reading, many.reader), chunked(many.entries, lambda entry: entry.size, 50_000), 2)
    assert next(results) == sum(entry.size for entry in chunked(many.entries, lambda entry: entry.size, 50_000)[0])
    assert git_processes(many)
    results.close()
    deadline = time.monotonic() + 10
    while git_processes(many):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def git_processes(tree: Tree) -> list[str]:
    """The processes that read objects of the tree's repository."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = ((process / name).read_bytes().split(b"\0") for name in ("cmdline", "environ"))
            if b"cat-file" in command and f"GIT_DIR={tree.root}/.git".encode() in environment:
                found.append(process.name)
        except OSError:
            continue
    return found
