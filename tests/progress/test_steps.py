"""Which commits are looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from converter.errors import InputError
from converter.progress.steps import kind, steps
from converter.tree.history import Repository
from tests.conftest import Run
from tests.progress.conftest import PLAIN, Repo


def labels(repo: Repo, revs: str, step: str) -> list[str]:
    return [s.label for s in steps(Repository(str(repo.root)), revs, kind(step))]


def days(repo: Repo, revs: str, step: str) -> list[str]:
    found = steps(Repository(str(repo.root)), revs, kind(step))
    return [repo.git("show", "-s", "--format=%cs", s.commit) for s in found]


def test_the_last_commit_of_each_period_is_a_step(dated: Repo) -> None:
    assert days(dated, "HEAD", "month") == ["2024-01-10", "2024-02-20", "2024-03-15", "2024-05-01"]
    assert labels(dated, "HEAD", "month") == ["2024-01", "2024-02", "2024-03", "2024-05"]
    assert labels(dated, "HEAD", "week") == ["2024-W02", "2024-W06", "2024-W08", "2024-W11", "2024-W18"]
    assert labels(dated, "HEAD", "quarter") == ["2024-Q1", "2024-Q2"]
    assert labels(dated, "HEAD", "year") == ["2024"]


def test_a_range_begins_with_its_own_beginning(dated: Repo) -> None:
    assert days(dated, "v1..v2", "month") == ["2024-01-10", "2024-02-20"]
    assert days(dated, "v1..", "year") == ["2024-05-01"]


def test_every_nth_commit_ends_with_the_last_and_keeps_the_first(dated: Repo) -> None:
    assert days(dated, "v1..HEAD", "2") == ["2024-01-10", "2024-02-20", "2024-05-01"]
    assert days(dated, "v1..HEAD", "3") == ["2024-01-10", "2024-02-05", "2024-05-01"]
    assert len(days(dated, "v1..HEAD", "1")) == 5


def test_tags_are_steps_and_the_last_commit_too(dated: Repo) -> None:
    assert labels(dated, "v1..HEAD", "tag")[:2] == ["v1", "v2"]
    assert days(dated, "v1..HEAD", "tag") == ["2024-01-10", "2024-02-20", "2024-05-01"]


def test_the_branch_that_was_merged_gives_no_step(dated: Repo) -> None:
    assert "2024-02-25" not in days(dated, "HEAD", "1")


def test_a_clock_that_runs_behind_opens_no_period_again(make_repo: Callable[[], Repo]) -> None:
    repo = make_repo()
    for day in ("2024-01-10", "2024-03-10", "2024-02-10", "2024-04-10"):
        repo.commit(day, PLAIN)
    assert labels(repo, "HEAD", "month") == ["2024-01", "2024-03", "2024-04"]
    assert days(repo, "HEAD", "month") == ["2024-01-10", "2024-02-10", "2024-04-10"]


@pytest.mark.parametrize("step", ["", "0", "-1", "days", "1.5", "\u0663", "month\n"])
def test_a_step_that_is_none_is_refused(step: str) -> None:
    with pytest.raises(InputError, match="not one of week, month"):
        kind(step)


@pytest.mark.parametrize(
    ("revs", "said"),
    [
        ("nope..HEAD", "unknown revision nope"), ("v1..nope", "unknown revision nope"), ("HEAD..v1", "an empty range"),
        ("HEAD..HEAD", "an empty range"), ("v1...HEAD", "write A..B"), ("--all", "unknown revision"),
        ("", "unknown revision"),
    ],
)  # fmt: skip
def test_a_range_that_is_none_is_one_line(pgconv: Run, dated: Repo, tmp_path: Path, revs: str, said: str) -> None:
    done = pgconv("progress", dated.root, f"--revs={revs}", "-o", tmp_path / "x.html")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize("date", ["9" * 17 + " +0000", "9" * 5000 + " +0000", "253402300800 +0000", "-5 +0000", ""])
def test_a_commit_without_a_date_has_that_of_the_one_before(
    pgconv: Run, make_repo: Callable[[], Repo], tmp_path: Path, date: str
) -> None:
    repo = make_repo()
    first = repo.commit("2024-01-10", PLAIN)
    repo.commit("2024-02-10", {"fs/two.c": PLAIN["fs/two.c"] + "int two(void)\n{\n\treturn PAGE_SIZE / 2;\n}\n"})
    raw = tmp_path / "commit"
    told = repo.git("cat-file", "commit", "HEAD").split("\n")
    told[2:4] = [f"author a <a@example.org> {date}", f"committer a <a@example.org> {date}"]
    raw.write_text("\n".join(told) + "\n")
    repo.git("reset", "-q", "--hard", repo.git("hash-object", "-t", "commit", "-w", "--literally", str(raw)))
    repo.commit("2024-03-10", {"x": "x"})
    assert labels(repo, "HEAD", "month") == ["2024-01", "2024-03"]
    assert labels(repo, f"{first}..HEAD~1", "week") == ["2024-W02"]
    page = tmp_path / "page.html"
    for revs in (f"{first}..HEAD~1", "HEAD~1"):
        done = pgconv("progress", repo.root, "--revs", revs, "--step", "1", "-o", page)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert "2024-01-10" in page.read_text()


def test_a_range_without_a_tag_says_so(dated: Repo) -> None:
    with pytest.raises(InputError, match=r"no commit of HEAD~1\.\.HEAD has a tag"):
        labels(dated, "HEAD~1..HEAD", "tag")


def test_what_is_no_repository_is_one_line(pgconv: Run, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        done = pgconv("progress", path, "-o", tmp_path / "x.html")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "name the top of a repository" in done.stderr


def test_a_shallow_clone_says_what_brings_the_rest(pgconv: Run, dated: Repo, tmp_path: Path) -> None:
    clone = tmp_path / "shallow"
    dated.git("-c", "protocol.file.allow=always", "clone", "-q", "--depth=2", f"file://{dated.root}", str(clone))
    for revs in ("HEAD", "HEAD~3..HEAD"):
        done = pgconv("progress", clone, f"--revs={revs}", "-o", tmp_path / "x.html")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "shallow" in done.stderr
        assert "--unshallow" in done.stderr


def test_a_history_that_is_no_kernel_is_one_line(pgconv: Run, make_repo: Callable[[], Repo], tmp_path: Path) -> None:
    repo = make_repo()
    repo.commit("2024-01-01", {"README": "x\n"})
    done = pgconv("progress", repo.root, "-o", tmp_path / "x.html")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "not a kernel tree" in done.stderr
