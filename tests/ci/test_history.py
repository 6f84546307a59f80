"""What happens to a tree besides edits: renames, moves, merges, deletions, modes, binary files, CRLF, reverts."""

from __future__ import annotations

from pathlib import Path

import pytest

from converter.errors import InputError
from converter.tree.history import FileChange, Hunk, Repository
from tests.ci.conftest import CONVERTED, OPEN, Repo, brief

BAD = ("\tpte++;", "\taddr += PAGE_SIZE;\n\tpte++;")


def test_a_rename_with_an_edit_is_judged_as_the_file_it_was(repo: Repo) -> None:
    repo.git("mv", "mm/converted.c", "mm/other.c")
    repo.edit("mm: rename and edit", "mm/other.c", BAD)
    assert brief(repo.findings()) == [("new-use", "mm/other.c", 13, "PTE_SIZE")]


def test_a_copy_of_open_code_into_converted_code_is_a_new_use(repo: Repo) -> None:
    repo.commit("mm: copy", {"mm/converted.c": CONVERTED + "\n" + OPEN})
    assert brief(repo.findings()) == [("new-use", "mm/converted.c", 19, "PTE_SHIFT")]


def test_a_deletion_is_nothing_to_complain_about(repo: Repo) -> None:
    repo.commit("mm: gone", {"mm/converted.c": None, "mm/open.c": None})
    assert repo.findings() == []


def test_a_mode_and_a_link_and_a_directory_are_no_lines(repo: Repo) -> None:
    (repo.root / "mm/converted.c").chmod(0o755)
    repo.record("mm: mode")
    (repo.root / "mm/link.c").symlink_to("open.c")
    repo.record("mm: link")
    (repo.root / "mm/open.c").unlink()
    (repo.root / "mm/open.c").symlink_to("half.c")
    repo.record("mm: a file becomes a link")
    (repo.root / "mm/open.c").unlink()
    repo.commit("mm: and a file again", {"mm/open.c": OPEN})
    assert repo.findings() == []


def test_binary_files_and_attributes_hide_nothing(repo: Repo) -> None:
    repo.commit("firmware", {"drivers/fw.bin": b"\0PAGE_SIZE\0" * 99, "mm/binary.c": b"\0\xff\xfe" * 99})
    repo.commit("attributes", {".gitattributes": "*.c binary -diff\n"})
    repo.edit("mm: back", "mm/converted.c", BAD)
    assert brief(repo.findings()) == [("new-use", "mm/converted.c", 13, "PTE_SIZE")]


def test_lines_with_carriage_returns_keep_their_numbers(repo: Repo) -> None:
    start = repo.commit("mm: crlf", {"mm/crlf.c": CONVERTED.replace("\n", "\r\n")})
    repo.edit("mm: back", "mm/crlf.c", ("\tpte++;\r\n", "\taddr += PAGE_SIZE;\r\n\tpte++;\r\n"))
    (found,) = repo.findings(f"{start}..HEAD")
    assert (found.line, found.col, found.replacement) == (13, 10, "PTE_SIZE")
    patches = repo.outcome(f"{start}..HEAD", suggest=True).patches
    assert b"+\taddr += PTE_SIZE;\r\n" in patches


def test_a_file_whose_name_needs_quoting_is_named(repo: Repo) -> None:
    name = "mm/na\tme \udce9.c"
    start = repo.commit("mm: odd name", {name: CONVERTED})
    repo.edit("mm: back", name, BAD)
    assert brief(repo.findings(f"{start}..HEAD")) == [("new-use", name, 13, "PTE_SIZE")]


def test_a_commit_that_converts_half_a_file_is_clean_and_its_revert_is_not(repo: Repo) -> None:
    half = repo.edit("mm: convert one", "mm/half.c", ("folio) << PAGE_SHIFT", "folio) << PG_SHIFT"))
    assert repo.findings() == []
    repo.git("revert", "--no-edit", half)
    assert brief(repo.findings(f"{half}..HEAD")) == [("new-use", "mm/half.c", 8, "PG_SHIFT")]


def test_of_a_merge_only_what_no_parent_has_is_judged(repo: Repo) -> None:
    repo.git("checkout", "-q", "-b", "side")
    repo.edit("side: edit", "mm/converted.c", ("\tpte++;", "\tpte += 1;"))
    repo.git("checkout", "-q", "master")
    repo.edit("main: edit", "mm/open.c", ("bytes", "octets"))
    repo.git("merge", "-q", "--no-edit", "side")
    assert repo.findings() == []
    assert len(repo.judge().commits) == 3


def test_what_a_merge_slips_in_is_found(repo: Repo) -> None:
    repo.git("checkout", "-q", "-b", "side")
    repo.edit("side: edit", "mm/converted.c", ("\tpte++;", "\tpte += 1;"))
    repo.git("checkout", "-q", "master")
    repo.edit("main: edit", "mm/converted.c", ("\taddr += PTE_SIZE;", "\taddr = addr + PTE_SIZE;"))
    with pytest.raises(Exception, match="merge"):
        repo.git("merge", "-q", "--no-edit", "side")
    merged = CONVERTED.replace("\taddr += PTE_SIZE;\n\tpte++;", "\taddr = addr + PAGE_SIZE;\n\tpte += 1;")
    merge = repo.commit("merge", {"mm/converted.c": merged})
    (found,) = repo.findings()
    assert (found.commit, found.path, found.line) == (merge, "mm/converted.c", 12)


def test_what_a_side_branch_takes_out_accounts_for_nothing_that_a_merge_slips_in(repo: Repo) -> None:
    line = "\treturn PAGE_SIZE;\n"
    repo.commit("mm: open", {"mm/more.c": "int more(void)\n{\n" + line + "}\n"})
    start = repo.edit("mm: move", "mm/more.c", ("more", "most"))
    repo.git("checkout", "-q", "-b", "side")
    repo.edit("side: convert", "mm/more.c", ("PAGE_SIZE", "PTE_SIZE"))
    repo.git("checkout", "-q", "master")
    repo.edit("main: edit", "mm/open.c", ("bytes", "octets"))
    repo.git("merge", "-q", "--no-commit", "side")
    merge = repo.commit("merge", {"mm/converted.c": CONVERTED + "\nint slipped(void)\n{\n" + line + "}\n"})
    found = repo.findings(f"{start}..HEAD")
    assert [(f.commit, f.path, f.rule) for f in found] == [(merge, "mm/converted.c", "new-use")]


def test_commits_on_both_sides_of_a_merge_are_judged_on_their_own_side(repo: Repo) -> None:
    repo.git("checkout", "-q", "-b", "side")
    bad = repo.edit("side: back", "mm/converted.c", BAD)
    repo.git("checkout", "-q", "master")
    repo.edit("main: edit", "mm/open.c", ("bytes", "octets"))
    repo.git("merge", "-q", "--no-edit", "side")
    assert [f.commit for f in repo.findings()] == [bad]


def test_findings_come_with_the_commit_that_made_them(repo: Repo) -> None:
    first = repo.edit("mm: back", "mm/converted.c", BAD)
    repo.edit("mm: other", "mm/open.c", ("bytes", "octets"))
    second = repo.edit("mm: again", "mm/half.c", ("folio) << PG_SHIFT", "folio) << PAGE_SHIFT"))
    assert [f.commit for f in repo.findings()] == [first, second]
    assert brief(repo.findings(second)) == [("new-use", "mm/half.c", 3, "PG_SHIFT")]


def contents(root: Path) -> dict[Path, tuple[int, bytes]]:
    """Every file, and when it was written; not of objects, whose time git renews when it meets them."""
    files = [p for p in sorted(root.rglob("*")) if p.is_file()]
    return {p: (0 if "objects" in p.parts else p.stat().st_mtime_ns, p.read_bytes()) for p in files}


def test_nothing_of_the_repository_is_touched_or_run(repo: Repo) -> None:
    trap = repo.root.parent / "ran"
    script = repo.root.parent / "run.sh"
    script.write_text(f"#!/bin/sh\ntouch {trap}\ncat\n")
    script.chmod(0o755)
    repo.commit("attributes", {".gitattributes": "*.c diff=evil filter=evil\n", "mm/x.c": "int x;\n"})
    for key in ("diff.evil.command", "diff.evil.textconv", "filter.evil.clean", "filter.evil.smudge", "core.fsmonitor",
                "core.pager", "diff.external"):  # fmt: skip
        repo.git("config", key, str(script))
    trap.unlink(missing_ok=True)
    hooks = repo.root / ".git/hooks"
    for name in ("post-index-change", "pre-commit", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {trap}\n")
        (hooks / name).chmod(0o755)
    before = contents(repo.root)
    assert repo.findings() == []
    assert contents(repo.root) == before
    assert not trap.exists()


def test_a_range_leaves_out_what_is_known_elsewhere(repo: Repo) -> None:
    """As git rev-list understands it: `A..B ^C`, or `B ^A ^C`."""
    repo.git("checkout", "-q", "-b", "side")
    theirs = repo.edit("side: back", "mm/converted.c", BAD)
    repo.git("checkout", "-q", "master")
    mine = repo.edit("main: edit", "mm/open.c", ("bytes", "octets"))
    repo.git("merge", "-q", "--no-edit", "side")
    merge = repo.git("rev-parse", "HEAD")
    for range_ in (f"{repo.base}..HEAD ^side", f"HEAD ^{repo.base} ^side", f"HEAD ^side  ^{repo.base}"):
        assert [c.name for c in repo.judge(range_).commits] == [mine, merge]
    assert [c.name for c in repo.judge(f"HEAD ^{mine}").commits] == [theirs, merge]
    assert [f.commit for f in repo.findings(f"{mine}..HEAD ^{mine}")] == [theirs]


# ranges that cannot be judged


@pytest.mark.parametrize(
    ("range_", "said"),
    [
        ("HEAD..HEAD", "an empty range"),
        ("nowhere..HEAD", "unknown revision nowhere"),
        ("HEAD..--output=x", "unknown revision --output=x"),
        ("HEAD...HEAD", "symmetric difference"),
        ("HEAD...HEAD ^HEAD", "symmetric difference"),
        ("HEAD ^HEAD", "an empty range"),
        ("HEAD ^nowhere", "unknown revision nowhere"),
        (" ^HEAD", "unknown revision"),
        ("HEAD ^", "unknown revision"),
        ("", "unknown revision"),
        ("HEAD", "the first commit of a history"),
    ],
)
def test_a_range_that_is_none_is_refused(repo: Repo, range_: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        repo.outcome(range_)


def test_a_merge_that_is_named_alone_is_refused(repo: Repo) -> None:
    repo.git("checkout", "-q", "-b", "side")
    repo.edit("side", "mm/open.c", ("bytes", "octets"))
    repo.git("checkout", "-q", "master")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "side")
    with pytest.raises(InputError, match=r"HEAD: a merge commit has 2 parents; name a range, such as HEAD\^1..HEAD"):
        repo.outcome("HEAD")


def test_a_shallow_clone_without_the_base_is_refused(repo: Repo) -> None:
    for n in range(3):
        repo.edit(f"edit {n}", "mm/open.c", ("bytes", "bytess"))
    clone = repo.root.parent / "clone"
    repo.git("clone", "-q", "--depth", "2", f"file://{repo.root}", str(clone))
    shallow = Repository(str(clone))
    with pytest.raises(InputError, match=r"unknown revision .*shallow"):
        shallow.commits(f"{repo.base}..HEAD")
    with pytest.raises(InputError, match="a shallow clone that lacks the parent of"):
        shallow.commits("HEAD^")
    assert len(shallow.commits("HEAD")) == 1


def test_lines_of_the_old_file_are_found_in_the_new_one() -> None:
    hunks = (Hunk(2, (b"b",), 2, (b"B", b"BB")), Hunk(4, (), 6, (b"new",)), Hunk(6, (b"f",), 7, ()))
    change = FileChange("a", "a", "", "", hunks)
    assert [change.new_line(n) for n in range(1, 8)] == [1, None, 4, 5, 7, None, 8]
    assert change.added == {2, 3, 6}
