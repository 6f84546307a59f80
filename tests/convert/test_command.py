"""`pgconv convert` on the demo tree: as a diff, in place, as a series that git applies."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tree_sitter_c
from tree_sitter import Language, Node, Parser

from converter.vocabulary import scheme, vocabulary
from tests.conftest import Run
from tests.convert.conftest import WHO, Git

SCHEME = scheme("pte-pg")


def series(pgconv: Run, tree: Path, directory: Path, *options: object) -> list[Path]:
    done = pgconv("convert", tree, "-o", directory, "--signoff", WHO, *options)
    assert done.returncode == 0, done.stderr
    return sorted(directory.glob("*.patch"))


def in_place(pgconv: Run, tree: Path, *options: object) -> None:
    done = pgconv("convert", tree, "--in-place", *options)
    assert done.returncode == 0, done.stderr


def contents(tree: Path) -> dict[str, bytes]:
    files = (p for p in sorted(tree.rglob("*")) if p.is_file() and ".git" not in p.parts)
    return {str(p.relative_to(tree)): p.read_bytes() for p in files}


# as a diff


def test_a_diff_is_printed_and_nothing_is_written(pgconv: Run, repository: Path) -> None:
    before = contents(repository)
    done = pgconv("convert", repository, "mm/mremap.c")
    assert done.returncode == 0
    assert "--- a/mm/mremap.c\n+++ b/mm/mremap.c\n" in done.stdout
    assert contents(repository) == before


def test_only_the_named_paths_change(pgconv: Run, repository: Path) -> None:
    done = pgconv("convert", repository, "mm", "ipc/shm.c")
    assert set(re.findall(r"^\+\+\+ b/(\w+)", done.stdout, re.M)) == {"mm", "ipc"}


def test_git_applies_the_diff_to_what_in_place_makes(pgconv: Run, repository: Path, git: Git) -> None:
    patch = subprocess.run(
        [str(Path(sys.executable).with_name("pgconv")), "convert", str(repository)], capture_output=True, check=True
    ).stdout
    subprocess.run(["git", "apply", "-"], cwd=repository, input=patch, check=True)
    applied = contents(repository)
    git(repository, "checkout", "-q", ".")
    in_place(pgconv, repository)
    assert contents(repository) == applied


# in place


def test_git_checkout_undoes_a_conversion_in_place(pgconv: Run, repository: Path, git: Git) -> None:
    before = contents(repository)
    in_place(pgconv, repository)
    assert contents(repository) != before
    git(repository, "checkout", "-q", ".")
    assert git(repository, "status", "--porcelain") == ""
    assert contents(repository) == before


def test_a_dirty_tree_is_refused_unless_forced(pgconv: Run, repository: Path) -> None:
    (repository / "mm/mmap.c").write_bytes(b"\n" + (repository / "mm/mmap.c").read_bytes())
    done = pgconv("convert", repository, "--in-place")
    assert done.returncode == 2
    assert "--force" in done.stderr
    in_place(pgconv, repository, "--force")


def test_no_filter_of_the_repository_runs(pgconv: Run, repository: Path, git: Git, tmp_path: Path) -> None:
    git(repository, "config", "filter.evil.clean", f"touch {tmp_path}/ran")
    (repository / ".git/info/attributes").write_text("*.c filter=evil\n")
    os.utime(repository / "mm/mmap.c")
    pgconv("convert", repository, "--in-place")
    assert not (tmp_path / "ran").exists()


def test_converting_what_is_converted_changes_nothing(pgconv: Run, repository: Path) -> None:
    in_place(pgconv, repository)
    once = contents(repository)
    in_place(pgconv, repository, "--force")
    assert contents(repository) == once
    assert pgconv("convert", repository).stdout == ""


def test_modes_of_files_stay(pgconv: Run, repository: Path, git: Git) -> None:
    (repository / "mm/mmap.c").chmod(0o755)
    git(repository, "commit", "-q", "-am", "mode")
    in_place(pgconv, repository)
    assert (repository / "mm/mmap.c").stat().st_mode & 0o777 == 0o755


def leaves(data: bytes) -> list[tuple[str, bytes]]:
    """(path of node types, text) of every leaf."""
    found: list[tuple[str, bytes]] = []

    def walk(node: Node, above: str) -> None:
        here = f"{above}/{node.type}"
        if not node.children:
            found.append((here, node.text or b""))
        for child in node.children:
            walk(child, here)

    walk(Parser(Language(tree_sitter_c.language())).parse(data).root_node, "")
    return found


def test_only_tokens_change(pgconv: Run, repository: Path) -> None:
    """Before and after parse to the same tree but for the renamed names."""
    before = contents(repository)
    # With PATH there is no preparation, which adds lines on purpose.
    in_place(pgconv, repository, "mm", "fs", "drivers", "kernel", "ipc", "lib", "arch/x86/mm")
    names = {n.encode(): {r.encode() for r in SCHEME.names[n].values()} for n in vocabulary().family}
    changed = 0
    for path, now in contents(repository).items():
        if now == before[path]:
            continue
        changed += 1
        old, new = leaves(before[path]), leaves(now)
        assert [place for place, _ in old] == [place for place, _ in new], path
        for (_, a), (_, b) in zip(old, new, strict=True):
            assert a == b or b in names.get(a, ()) or a.split() != [a], (path, a, b)
    assert changed > 15


# as a series


def test_git_am_applies_the_series_to_what_in_place_makes(
    pgconv: Run, repository: Path, tmp_path: Path, git: Git
) -> None:
    patches = series(pgconv, repository, tmp_path / "out")
    assert patches[0].name == "0000-cover-letter.patch"
    git(repository, "am", "-q", *patches[1:])
    assert int(git(repository, "rev-list", "--count", "HEAD")) == len(patches)
    applied = contents(repository)
    git(repository, "checkout", "-q", git(repository, "rev-list", "--max-parents=0", "HEAD").strip())
    in_place(pgconv, repository)
    assert contents(repository) == applied


def test_a_series_of_a_revision_is_that_of_its_files(pgconv: Run, repository: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    for name, options in (("files", ()), ("rev", ("--rev", "HEAD"))):
        pgconv("convert", repository, "-o", tmp_path / name, "--signoff", WHO, *options, env=environment)
    files, rev = contents(tmp_path / "files"), contents(tmp_path / "rev")
    del files["worklist.json"], rev["worklist.json"]  # names the revision
    assert files == rev
    assert len(files) > 30


def test_a_patch_holds_one_role_and_says_why(pgconv: Run, repository: Path, tmp_path: Path) -> None:
    patches = series(pgconv, repository, tmp_path / "out")
    text = next(p for p in patches if "page-cache" in p.name).read_text(encoding="utf-8", errors="surrogateescape")
    assert "The page cache is indexed in units of an order-0 allocation." in " ".join(text.split())
    assert re.search(r"^\d+ uses? in \d+ files?:$", text, re.M)
    assert f"Signed-off-by: {WHO}\n---\n" in text


def test_a_patch_goes_to_its_maintainers(pgconv: Run, repository: Path, tmp_path: Path) -> None:
    patches = series(pgconv, repository, tmp_path / "out")
    text = next(p for p in patches if "-demofs-" in p.name).read_text()
    assert "To: Frieda Files <frieda@example.org>\n" in text
    assert "fsdevel@lists.example.org" in text


def test_the_cover_letter_has_base_totals_and_policy(pgconv: Run, repository: Path, tmp_path: Path, git: Git) -> None:
    cover = series(pgconv, repository, tmp_path / "out")[0].read_text()
    assert f"base-commit: {git(repository, 'rev-parse', 'HEAD').strip()}\n" in cover
    assert re.search(r"\d+ uses in\s+\d+ files", cover)
    assert "Policy in force" in cover
    assert re.search(r"\d+ files changed, \d+ insertions", cover)


def test_open_uses_are_in_the_worklist_and_in_no_patch(pgconv: Run, repository: Path, tmp_path: Path) -> None:
    series(pgconv, repository, tmp_path / "out")
    work = json.loads((tmp_path / "out/worklist.json").read_text())
    scan = json.loads(pgconv("scan", repository, "--format", "json").stdout)
    open_ = [s for s in scan["sites"] if s["status"] in ("review", "logic")]
    held = [s for own in work["files"].values() for s in own if "open, in the same expression" in s["question"]]
    assert sum(work["counts"].values()) - len(held) == len(open_) > 0
    text = (tmp_path / "out/worklist.md").read_text()
    assert all(f"## `{s['path']}`" in text for s in open_)
    assert all(e["question"] for own in work["files"].values() for e in own)


def test_guesses_are_converted_when_asked_for(pgconv: Run, repository: Path) -> None:
    plain = pgconv("convert", repository, "mm", "arch")
    guessed = pgconv("convert", repository, "mm", "arch", "--include", "review")
    assert len(guessed.stdout) > len(plain.stdout)


def test_patches_can_be_parted_by_role_alone(pgconv: Run, repository: Path, tmp_path: Path) -> None:
    both = series(pgconv, repository, tmp_path / "both")
    roles = series(pgconv, repository, tmp_path / "roles", "--by", "role")
    assert len(roles) < len(both)


def test_patches_parted_by_unit_list_their_roles(pgconv: Run, repository: Path, tmp_path: Path, git: Git) -> None:
    patches = series(pgconv, repository, tmp_path / "out", "--by", "unit,subsystem")
    git(repository, "am", "-q", *patches[1:])
    texts = [p.read_text(encoding="utf-8", errors="surrogateescape") for p in patches]
    assert "one unit and subsystem each" in " ".join(texts[0].split())
    units = [re.findall(r"^Subject: .* use (PTE_SIZE|PG_SIZE)( and )?", t, re.M) for t in texts[1:]]
    assert [u[0][0] for u in units if u] == sorted([u[0][0] for u in units if u], reverse=True)
    assert all(not both for u in units for _, both in u)
    assert any(re.search(r"^What they do there:\n\n +\d+ for sizes of \w+", t, re.M) for t in texts)


def test_a_step_renames_the_field_by_unit(pgconv: Run, repository: Path, tmp_path: Path, git: Git) -> None:
    patches = series(pgconv, repository, tmp_path / "out", "--step", "vm-pteoff", "--step", "vma-ptes")
    git(repository, "am", "-q", *patches[1:])
    assert "unsigned long vm_pteoff;" in (repository / "include/linux/mm_types.h").read_text()
    assert "->vm_pteoff" in (repository / "drivers/char/demo_map.c").read_text()


def test_the_other_scheme_makes_a_series_too(pgconv: Run, repository: Path, tmp_path: Path, git: Git) -> None:
    patches = series(pgconv, repository, tmp_path / "out", "--scheme", "mmupage")
    git(repository, "am", "-q", *patches[1:])
    assert "MMUPAGE_SIZE" in (repository / "mm/mremap.c").read_text()
    assert "#define MMUPAGE_SIZE" in (repository / "arch/x86/include/asm/page_types.h").read_text()


# bad input


@pytest.mark.parametrize("path", ["../secret.c", "mm/../../x.c", "/etc/passwd", "no/such.c"])
def test_a_path_outside_the_tree_is_refused(pgconv: Run, repository: Path, path: str) -> None:
    done = pgconv("convert", repository, path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_a_directory_with_other_files_is_refused(pgconv: Run, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("keep")
    done = pgconv("convert", repository, "-o", tmp_path / "out", "--signoff", WHO)
    assert done.returncode == 2
    assert "mine.txt" in done.stderr
    assert os.listdir(tmp_path / "out") == ["mine.txt"]


def test_a_series_needs_someone_who_signs(pgconv: Run, repository: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(tmp_path)}
    done = pgconv("convert", repository, "-o", tmp_path / "out", env=environment)
    assert done.returncode == 2
    assert "--signoff" in done.stderr


def test_an_old_series_is_replaced_as_a_whole(pgconv: Run, repository: Path, tmp_path: Path) -> None:
    series(pgconv, repository, tmp_path / "out")
    (tmp_path / "out/9999-old.patch").write_text("old")
    patches = series(pgconv, repository, tmp_path / "out")
    assert "9999-old.patch" not in [p.name for p in patches]
    assert [n for n in os.listdir(tmp_path) if n.startswith(".out")] == []


@pytest.fixture
def odd(repository: Path, git: Git) -> Path:
    """A file of the repository with blanks and quotes in its name and in that of its directory."""
    file = repository / "drivers" / """a "b'""" / """c 'd" e.c"""
    file.parent.mkdir()
    file.write_bytes((repository / "mm/mremap.c").read_bytes())
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "odd")
    return file


def test_names_with_blanks_and_quotes_survive_a_series(
    pgconv: Run, repository: Path, odd: Path, tmp_path: Path, git: Git
) -> None:
    patches = series(pgconv, repository, tmp_path / "out")
    git(repository, "am", "-q", *patches[1:])
    assert b"PTE_SIZE" in odd.read_bytes()


def test_names_with_blanks_and_quotes_survive_a_diff(pgconv: Run, repository: Path, odd: Path) -> None:
    path = odd.relative_to(repository)
    patch = pgconv("convert", repository, path).stdout
    subprocess.run(["git", "apply", "-"], cwd=repository, input=patch, text=True, check=True)
    assert b"PTE_SIZE" in odd.read_bytes()


def test_names_with_blanks_and_quotes_survive_in_place(pgconv: Run, repository: Path, odd: Path) -> None:
    in_place(pgconv, repository, odd.relative_to(repository))
    assert b"PTE_SIZE" in odd.read_bytes()
    assert os.listdir(odd.parent) == [odd.name]
