"""`pgconv ci` and `pgconv baseline` from outside: output, formats, exit codes."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from converter.report.ci import FORMATS
from tests.ci.conftest import CONVERTED, Repo
from tests.ci.test_history import BAD
from tests.conftest import ROOT, Run


@pytest.fixture
def bad(repo: Repo) -> str:
    """A commit with one finding, after one without."""
    repo.edit("mm: fine", "mm/open.c", ("bytes", "octets"))
    return repo.edit("mm: back", "mm/converted.c", BAD)


def test_text_says_commit_place_rule_evidence_and_fix(repo: Repo, bad: str, pgconv: Run) -> None:
    done = pgconv("ci", repo.root, f"{repo.base}..HEAD")
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{bad[:12]} mm: back"
    assert lines[1].startswith("  mm/converted.c:13:10: error: new use of PAGE_SIZE: ")
    assert lines[1].endswith(" [new-use]")
    assert lines[2].strip().startswith("units mm/converted.c:13: ")
    assert "      fix   write PTE_SIZE: page-table-step" in lines
    assert lines[-1] == "2 commits judged, 1 finding in 1"


def test_clean_commits_give_zero(repo: Repo, bad: str, pgconv: Run) -> None:
    done = pgconv("ci", repo.root, "HEAD^")
    assert (done.returncode, done.stdout) == (0, "1 commit judged, nothing found\n")


def test_gcc_format_is_a_line_a_finding(repo: Repo, bad: str, pgconv: Run) -> None:
    done = pgconv("ci", repo.root, f"{repo.base}..HEAD", "--format", "gcc")
    assert re.fullmatch(rf"mm/converted.c:13:10: error: [^\n]+ \(commit {bad[:12]}\) \[new-use\]\n", done.stdout)


def test_github_format_is_a_workflow_command(repo: Repo, bad: str, pgconv: Run) -> None:
    done = pgconv("ci", repo.root, f"{repo.base}..HEAD", "--format", "github")
    head = f"::error file=mm/converted.c,line=13,col=10,title=new-use in {bad[:12]}::new use of PAGE_SIZE: "
    assert done.stdout.startswith(head)
    assert "; write PTE_SIZE: page-table-step%0A" in done.stdout
    assert done.stdout.count("\n") == 1


def test_sarif_is_valid_and_carries_the_fix(repo: Repo, bad: str, pgconv: Run) -> None:
    done = pgconv("ci", repo.root, f"{repo.base}..HEAD", "--format", "sarif")
    report = json.loads(done.stdout)
    jsonschema.validate(report, json.loads((ROOT / "tests/data/sarif-schema-2.1.0.json").read_text()))
    (result,) = report["runs"][0]["results"]
    assert result["ruleId"] == "new-use"
    assert result["properties"]["commit"] == bad
    (change,) = result["fixes"][0]["artifactChanges"]
    assert change["replacements"][0]["insertedContent"]["text"] == "PTE_SIZE"


def test_junit_has_a_case_a_commit(repo: Repo, bad: str, pgconv: Run) -> None:
    repo.edit("mm: <odd> & \"quoted\"", "mm/open.c", ("octets", "bytes"))  # fmt: skip
    done = pgconv("ci", repo.root, f"{repo.base}..HEAD", "--format", "junit")
    suite = ElementTree.fromstring(done.stdout).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    cases = suite.findall("testcase")
    assert [c.find("failure") is not None for c in cases] == [False, True, False]
    assert cases[2].get("name", "").endswith('mm: <odd> & "quoted"')


def test_a_report_goes_to_a_file_and_suggestions_to_the_output(
    repo: Repo, bad: str, pgconv: Run, tmp_path: Path
) -> None:
    report = tmp_path / "report.sarif"
    done = pgconv("ci", repo.root, f"{repo.base}..HEAD", "--suggest", "--format", "sarif", "-o", report)
    assert done.returncode == 1
    assert f"From {bad} " in done.stdout
    assert "+\taddr += PTE_SIZE;\n" in done.stdout
    assert len(json.loads(report.read_text())["runs"][0]["results"]) == 1


def test_the_ratchet_from_record_to_update(repo: Repo, pgconv: Run, tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    assert pgconv("baseline", repo.root, "HEAD", "-o", file).returncode == 0
    repo.edit("mm: less", "mm/open.c", (" << PAGE_SHIFT", ""))
    assert pgconv("ci", repo.root, f"{repo.base}..HEAD", "--baseline", file, "--update").returncode == 0
    assert sorted(json.loads(file.read_text())["files"]) == ["fs/open.c", "mm/half.c"]
    repo.edit("mm: more", "mm/open.c", ("vm_pgoff;", "vm_pgoff << PAGE_SHIFT;"))
    assert pgconv("ci", repo.root, "HEAD", "--baseline", file).returncode == 1
    assert pgconv("baseline", repo.root, "HEAD", "-o", file, "--update").returncode == 0
    assert sorted(json.loads(file.read_text())["files"]) == ["fs/open.c", "mm/half.c"]


def test_mails_are_judged_from_outside_too(repo: Repo, bad: str, pgconv: Run, tmp_path: Path) -> None:
    file = tmp_path / "series.mbox"
    file.write_text(repo.git("format-patch", "--stdout", f"{repo.base}..HEAD") + "\n")
    repo.git("reset", "-q", "--hard", repo.base)
    done = pgconv("ci", "--mbox", file, repo.root, "--format", "gcc")
    assert done.returncode == 1
    assert re.fullmatch(r"mm/converted.c:13:10: error: [^\n]+ \(commit mail 2\) \[new-use\]\n", done.stdout)


@pytest.mark.parametrize("format_", sorted(FORMATS))
def test_a_hostile_name_is_text_in_every_format(repo: Repo, pgconv: Run, format_: str) -> None:
    name = "mm/a\n::error::x\x1b[2J<script>&,:%.c"
    start = repo.commit("mm: start", {name: CONVERTED})
    repo.edit("<b>&\x1b[2J ::error::", name, BAD)
    done = pgconv("ci", repo.root, f"{start}..HEAD", "--format", format_)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    if format_ == "junit":
        ElementTree.fromstring(done.stdout)
    elif format_ == "sarif":
        json.loads(done.stdout)
    else:
        assert not [line for line in done.stdout.splitlines() if line.startswith("::error::")]
        assert len([line for line in done.stdout.splitlines() if "new use of PAGE_SIZE" in line]) == 1


def test_a_linked_work_tree_and_a_bare_clone_are_repositories(
    repo: Repo, bad: str, pgconv: Run, tmp_path: Path
) -> None:
    repo.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    repo.git("clone", "-q", "--bare", str(repo.root), str(tmp_path / "bare.git"))
    file = tmp_path / "series.mbox"
    file.write_text(repo.git("format-patch", "--stdout", "HEAD^..HEAD") + "\n")
    for place in ("linked", "bare.git"):
        assert pgconv("ci", tmp_path / place, "HEAD").stdout == pgconv("ci", repo.root, "HEAD").stdout
        done = pgconv("ci", tmp_path / place, "--mbox", file, "--base", "HEAD^", "--format", "gcc")
        assert done.stdout.count("mm/converted.c:13:10: error: ") == 1


def test_a_partial_clone_fetches_nothing_and_says_so(repo: Repo, bad: str, pgconv: Run, tmp_path: Path) -> None:
    repo.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "partial"
    repo.git("clone", "-q", "--bare", "--filter=blob:none", f"file://{repo.root}", str(clone))
    done = pgconv("ci", clone, "HEAD")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no repository named"),
        (("REPO",), "name either a range of commits"),
        (("REPO", "HEAD", "--mbox", "x"), "name either a range of commits"),
        (("/nowhere", "HEAD"), "/nowhere: no such directory"),
        (("REPO/mm", "HEAD"), "mm: not a git repository"),
        (("REPO", "HEAD..HEAD"), "an empty range"),
        (("REPO", "HEAD", "--format", "html"), "--format html: not one of text, gcc, sarif, junit, github"),
        (("REPO", "HEAD", "--scheme", "x"), "no scheme 'x'"),
        (("REPO", "HEAD", "--baseline", "/nowhere.json"), "/nowhere.json: cannot be read"),
        (("REPO", "HEAD", "--policy", "/nowhere.toml"), "/nowhere.toml: cannot be read"),
        (("REPO", "HEAD", "--update"), "--update lowers a baseline"),
        (("REPO", "--mbox", "/nowhere.mbox"), "/nowhere.mbox: cannot be read"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_two(
    repo: Repo, pgconv: Run, arguments: tuple[str, ...], said: str
) -> None:
    done = pgconv("ci", *(a.replace("REPO", str(repo.root)) for a in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_a_repository_that_is_no_kernel_is_refused(make_repo: Callable[..., Repo], pgconv: Run) -> None:
    repo = make_repo({"x.c": "int x;\n"})
    repo.edit("x", "x.c", ("int", "long"))
    done = pgconv("ci", repo.root, "HEAD")
    assert done.returncode == 2
    assert done.stderr == f"pgconv: {repo.root} at the base of HEAD: not a kernel tree: no Makefile\n"


def test_without_the_cache_it_is_the_same(repo: Repo, bad: str, pgconv: Run) -> None:
    first = pgconv("ci", repo.root, f"{repo.base}..HEAD", "--no-cache")
    assert (first.returncode, first.stdout) == (1, pgconv("ci", repo.root, f"{repo.base}..HEAD").stdout)
