"""Fix-up patches: each is taken by git on its own commit, and what it leaves passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.ci.conftest import CONVERTED, FILES, Repo
from tests.ci.test_history import BAD

OTHER = CONVERTED.replace("check_range", "check_more").replace("step", "stride")
HALF_BAD = (("unsigned long size_of", "u64 size_of"), ("folio) << PG_SHIFT", "folio) << PAGE_SHIFT"))
QUOTED = 'mm/\u00e9 "q".c'


def fix_ups(repo: Repo, tmp_path: Path) -> dict[str, Path]:
    """The fix-ups of everything since the base as files of one mail each, by the commit that they are for."""
    mails = tmp_path / "mails"
    mails.mkdir()
    (tmp_path / "all.mbox").write_bytes(repo.outcome(f"{repo.base}..HEAD", suggest=True).patches)
    repo.git("mailsplit", "--keep-cr", f"-o{mails}", str(tmp_path / "all.mbox"))
    return {mail.read_bytes().split()[1].decode(): mail for mail in sorted(mails.iterdir())}


def taken(repo: Repo, commit: str, mail: Path, how: str) -> None:
    """Put a fix-up on its commit, which is melted into it."""
    repo.git("checkout", "-q", "--detach", commit)
    if how == "apply":
        repo.git("apply", "--index", str(mail))
    else:
        repo.git("am", "-q", "--keep-cr", str(mail))
        repo.git("reset", "-q", "--soft", commit)
    repo.git("commit", "-q", "--amend", "--no-edit", "--allow-empty")


@pytest.mark.parametrize("how", ["apply", "am"])
def test_each_commit_with_its_fix_up_passes(make_repo: Callable[..., Repo], tmp_path: Path, how: str) -> None:
    repo = make_repo({**FILES, "mm/other.c": OTHER})
    wrong = {repo.edit("mm: back", "mm/converted.c", BAD, ("pfn << PTE_SHIFT", "pfn << PG_SHIFT"))}
    repo.edit("mm: fine", "mm/open.c", ("bytes", "octets"))
    wrong.add(repo.edit("mm: again", "mm/other.c", BAD))
    wrong.add(repo.edit("mm: half", "mm/half.c", *HALF_BAD))
    patches = fix_ups(repo, tmp_path)
    assert patches.keys() == wrong
    for commit, mail in patches.items():
        assert repo.findings(commit)
        taken(repo, commit, mail, how)
        assert repo.findings("HEAD") == []
        assert repo.git("rev-parse", "HEAD^") == repo.git("rev-parse", f"{commit}^")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("mm/crlf.c", OTHER.replace("\n", "\r\n")),
        ("mm/latin.c", OTHER.replace("\tpte++;", "\t/* \u00fc */\n\tpte++;").encode("latin-1")),
        (QUOTED, OTHER),
        ("mm/cut.c", OTHER.rstrip("\n")),
    ],
    ids=["CR LF", "latin-1", "a name that is quoted", "no line feed at the end"],
)
@pytest.mark.parametrize("how", ["apply", "am"])
def test_a_fix_up_changes_its_words_and_no_other_byte(
    make_repo: Callable[[Mapping[str, str | bytes]], Repo], tmp_path: Path, path: str, text: str | bytes, how: str
) -> None:
    repo = make_repo({**FILES, path: text})
    commit = repo.edit("mm: back", path, ("addr += PTE_SIZE;", "addr += PAGE_SIZE;"))
    ((of, mail),) = fix_ups(repo, tmp_path).items()
    assert of == commit
    taken(repo, commit, mail, how)
    assert (repo.root / path).read_bytes() == (text.encode() if isinstance(text, str) else text)


def test_all_fix_ups_go_on_the_tip_where_no_later_commit_is_in_their_way(repo: Repo, tmp_path: Path) -> None:
    repo.edit("mm: back", "mm/converted.c", BAD)
    repo.edit("mm: half", "mm/half.c", *HALF_BAD)
    fix_ups(repo, tmp_path)
    repo.git("am", "-q", str(tmp_path / "all.mbox"))
    assert repo.git("log", "-2", "--format=%s") == "fixup! mm: half\nfixup! mm: back"
    repo.git("-c", "sequence.editor=true", "rebase", "-q", "-i", "--autosquash", repo.base)
    assert repo.git("log", "-2", "--format=%s") == "mm: half\nmm: back"
    assert repo.findings() == []
