"""The files under contrib/ and the pre-commit hooks, executed as they are written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ci.conftest import Repo
from tests.ci.test_history import BAD
from tests.conftest import ROOT, Run
from tests.tree.conftest import run_git

CONTRIB = ROOT / "contrib"

Done = subprocess.CompletedProcess[str]


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """What a runner gives its steps. pip installs for real, out of the checkout, to where nobody looks."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    pip = {"PIP_TARGET": str(tmp_path / "installed")}
    pip |= {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_ROOT_USER_ACTION": "ignore"}
    git = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        git |= {f"GIT_{role}_NAME": "a", f"GIT_{role}_EMAIL": "a@example.org"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return kept | pip | git | {"PATH": path, "HOME": str(tmp_path)} | more


def shell(script: str, cwd: Path, env: Mapping[str, str]) -> Done:
    """A step as GitHub and GitLab run it."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=cwd, env=dict(env), capture_output=True, text=True, check=False, timeout=300)


class Actions:
    """As much of a GitHub runner as the workflows need: expressions of env, `run` steps, `if: failure()`."""

    def __init__(self, workflow: str, checkout: Path, tmp_path: Path, context: Mapping[str, str]) -> None:
        self.jobs = yaml.safe_load((CONTRIB / workflow).read_text())["jobs"]
        self.checkout = checkout
        self.tmp_path = tmp_path
        self.context = dict(context)
        self.uploaded: list[str] = []

    def run(self, job: str, **matrix: object) -> list[tuple[str, Done]]:
        """Name and result of each step that ran."""
        context = self.context | {f"matrix.{k}": str(v) for k, v in matrix.items()}
        env = environment(self.tmp_path)
        env |= {k: self._value(v, context) for k, v in self.jobs[job].get("env", {}).items()}
        env |= {"PGCONV": str(ROOT), "GITHUB_ENV": str(self.tmp_path / "github-env")}
        Path(env["GITHUB_ENV"]).unlink(missing_ok=True)
        failed = False
        results = []
        for step in self.jobs[job]["steps"]:
            assert set(step) <= {"uses", "with", "name", "run", "if"}, step
            if "uses" in step:
                self._handed_over(step, env)
            if "run" not in step or failed != (step.get("if") == "failure()"):
                continue
            assert "${{" not in step["run"], "a step's script takes what it needs from env"
            done = shell(step["run"], self.checkout, env)
            results.append((step["name"], done))
            failed = failed or done.returncode != 0
            if Path(env["GITHUB_ENV"]).exists():
                lines = Path(env["GITHUB_ENV"]).read_text().splitlines()
                env |= dict(line.split("=", 1) for line in lines)
        return results

    def _handed_over(self, step: Mapping[str, Any], env: Mapping[str, str]) -> None:
        """A step that uploads finds its files, unless it asks for them first."""
        asked = re.search(r"hashFiles\('(.*)'\)", step.get("if", ""))
        kind = {"upload-sarif": "sarif_file", "upload-artifact": "path"}
        for action, key in kind.items():
            if action in step["uses"]:
                pattern = step["with"][key]
                assert asked is None or asked[1] == pattern
                found = [str(p.relative_to(self.checkout)) for p in sorted(self.checkout.glob(pattern))]
                assert found or asked, step
                self.uploaded += found

    def _value(self, text: Any, context: Mapping[str, str]) -> str:
        def of(m: re.Match[str]) -> str:
            return next((v for name in m[1].split("||") if (v := context.get(name.strip(), ""))), "")

        return re.sub(r"\$\{\{(.*?)\}\}", of, str(text))


@pytest.fixture
def checkout(repo: Repo) -> Repo:
    """A repository with a baseline, and a commit that is bad."""
    (repo.root / "pgconv-baseline.json").write_bytes(repo.baseline().encoded())
    repo.base = repo.record("a baseline")
    repo.edit("mm: back", "mm/converted.c", BAD)
    return repo


# GitHub Actions


NEVER = "0" * 40
"""What stands for the commit before a new branch."""


def event(repo: Repo, before: str) -> dict[str, str]:
    """A push of HEAD."""
    tip = repo.git("rev-parse", "HEAD")
    return {"github.event.before": before, "github.sha": tip, "github.event.repository.default_branch": "master"}


def fetched(repo: Repo, tmp_path: Path) -> Path:
    """What actions/checkout and a GitLab runner without a depth make of the repository: each branch of it as one of
    origin's, no origin/HEAD, and nothing that no branch or tag holds."""
    clone = tmp_path / "fetched"
    clone.mkdir()
    run_git(clone, "init", "-q")
    run_git(clone, "remote", "add", "origin", f"file://{repo.root}")
    run_git(clone, "fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
    run_git(clone, "checkout", "-q", "--detach", repo.git("rev-parse", "HEAD"))
    return clone


def test_the_workflow_annotates_and_uploads_what_it_finds(checkout: Repo, tmp_path: Path) -> None:
    actions = Actions("github-ci.yml", checkout.root, tmp_path, event(checkout, checkout.base))
    results = actions.run("judge")
    assert [(name, done.returncode) for name, done in results] == [
        ("install", 0), ("find the range", 0), ("judge", 1), ("annotate", 1),
    ]  # fmt: skip
    assert results[3][1].stdout.startswith("::error file=mm/converted.c,line=13,col=10,title=new-use in ")
    assert actions.uploaded == ["pgconv.sarif"]
    report = json.loads((checkout.root / "pgconv.sarif").read_text())
    assert [r["ruleId"] for r in report["runs"][0]["results"]] == ["new-use"]
    assert (tmp_path / "installed" / "converter" / "ci").is_dir()


def test_the_workflow_is_green_on_a_clean_pull_request(checkout: Repo, tmp_path: Path) -> None:
    tip = checkout.edit("mm: fine", "mm/open.c", ("bytes", "octets"))
    pull = {"github.event.pull_request.base.sha": f"{tip}^", "github.event.pull_request.head.sha": tip}
    results = Actions("github-ci.yml", checkout.root, tmp_path, pull).run("judge")
    assert [done.returncode for _, done in results] == [0, 0, 0]
    assert json.loads((checkout.root / "pgconv.sarif").read_text())["runs"][0]["results"] == []


def codes(actions: Actions) -> list[int]:
    return [done.returncode for _, done in actions.run("judge")]


def test_the_workflow_finds_where_a_new_branch_and_a_forced_one_begin(checkout: Repo, tmp_path: Path) -> None:
    checkout.git("branch", "-q", "topic")
    checkout.git("reset", "-q", "--hard", checkout.base)
    gone = checkout.edit("mm: fine", "mm/open.c", ("bytes", "octets"))
    checkout.git("reset", "-q", "--hard", "HEAD^")
    checkout.git("checkout", "-q", "topic")
    clone = fetched(checkout, tmp_path)
    for before in (NEVER, gone):
        actions = Actions("github-ci.yml", clone, tmp_path, event(checkout, before))
        results = actions.run("judge")
        assert [done.returncode for _, done in results] == [0, 0, 1, 1]
        assert results[3][1].stdout.count("title=new-use") == 1


def test_the_workflow_has_nothing_to_say_of_a_branch_without_a_commit_of_its_own(
    checkout: Repo, tmp_path: Path
) -> None:
    """A new branch, a tag, and a branch that is forced back to where it was."""
    tip = checkout.git("rev-parse", "HEAD")
    clone = fetched(checkout, tmp_path)
    actions = Actions("github-ci.yml", clone, tmp_path, event(checkout, NEVER))
    assert (codes(actions), actions.uploaded) == ([0, 0, 0], [])
    checkout.git("reset", "-q", "--hard", "HEAD^")
    actions = Actions("github-ci.yml", clone, tmp_path, event(checkout, tip))
    assert (codes(actions), actions.uploaded) == ([0, 0, 0], [])


def test_the_matrix_of_shares_merges_to_the_bytes_of_one_scan(demo_tree: Path, tmp_path: Path, pgconv: Run) -> None:
    checkout = tmp_path / "linux"
    shutil.copytree(demo_tree, checkout)
    actions = Actions("github-scan.yml", checkout, tmp_path, {})
    shards = actions.jobs["share"]["strategy"]["matrix"]["shard"]
    assert len(shards) == 16
    actions.jobs["share"]["steps"] = [s for s in actions.jobs["share"]["steps"] if s.get("name") != "install"]
    for shard in shards:
        ((_, done),) = actions.run("share", shard=shard)
        assert done.returncode == 0, done.stderr
    assert [done.returncode for _, done in actions.run("merge")] == [0, 0]
    assert actions.uploaded[-2:] == ["pgconv.json", "pgconv.sarif"]
    assert {f"part-{shard}.pgconv" for shard in shards} <= set(actions.uploaded)
    for part in checkout.glob("part-*"):
        part.unlink()
    merged, to_decide = ((checkout / f"pgconv.{kind}").read_text() for kind in ("json", "sarif"))
    assert merged == pgconv("scan", checkout, "--format", "json").stdout
    assert to_decide == pgconv("scan", checkout, "--format", "sarif", "--status", "open").stdout
    assert 0 < len(json.loads(to_decide)["runs"][0]["results"]) < len(json.loads(merged)["sites"])


# GitLab


def gitlab(repo: Repo, root: Path, tmp_path: Path, **variables: str) -> Done:
    """The job's script in one shell, as a runner does it; what it keeps is there where something was judged."""
    job = yaml.safe_load((CONTRIB / "gitlab-ci.yml").read_text())["pgconv"]
    env = environment(tmp_path, CI_PROJECT_DIR=str(root), CI_DEFAULT_BRANCH="master",
                      CI_COMMIT_SHA=repo.git("rev-parse", "HEAD"), **variables)  # fmt: skip
    own = {k: re.sub(r"\$(\w+)", lambda m: env.get(m[1], ""), str(v)) for k, v in job["variables"].items()}
    done = shell("\n".join(job["script"]), root, env | own | {"PGCONV": str(ROOT)})
    kept = [*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]]
    assert job["artifacts"]["when"] == "always"
    assert len({(root / name).exists() for name in kept}) == 1, kept
    return done


@pytest.mark.parametrize("variable", ["CI_COMMIT_BEFORE_SHA", "CI_MERGE_REQUEST_DIFF_BASE_SHA"])
def test_the_gitlab_job_fails_on_findings_and_leaves_both_reports(
    checkout: Repo, tmp_path: Path, variable: str
) -> None:
    done = gitlab(checkout, checkout.root, tmp_path, **{variable: checkout.base})
    assert done.returncode == 1, done.stderr
    suite = ElementTree.parse(checkout.root / "pgconv.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert len(json.loads((checkout.root / "pgconv.sarif").read_text())["runs"][0]["results"]) == 1


def test_the_gitlab_job_is_green_on_a_clean_branch_that_is_new(checkout: Repo, tmp_path: Path) -> None:
    checkout.git("checkout", "-q", "-b", "topic")
    checkout.edit("mm: fine", "mm/open.c", ("bytes", "octets"))
    clone = fetched(checkout, tmp_path)
    done = gitlab(checkout, clone, tmp_path, CI_COMMIT_BEFORE_SHA=NEVER)
    assert done.returncode == 0, done.stderr
    assert ElementTree.parse(clone / "pgconv.xml").getroot().get("tests") == "1"


def test_the_gitlab_job_finds_where_a_forced_branch_begins(checkout: Repo, tmp_path: Path) -> None:
    checkout.git("checkout", "-q", "-b", "topic")
    gone = checkout.edit("mm: fine", "mm/open.c", ("bytes", "octets"))
    checkout.git("reset", "-q", "--hard", "HEAD^")
    checkout.edit("mm: again", "mm/converted.c", BAD)
    done = gitlab(checkout, fetched(checkout, tmp_path), tmp_path, CI_COMMIT_BEFORE_SHA=gone)
    assert done.returncode == 1, done.stderr


def test_the_gitlab_job_has_nothing_to_say_of_a_tag(checkout: Repo, tmp_path: Path) -> None:
    checkout.git("tag", "v1")
    clone = fetched(checkout, tmp_path)
    done = gitlab(checkout, clone, tmp_path, CI_COMMIT_BEFORE_SHA=NEVER)
    assert done.returncode == 0, done.stderr
    assert not (clone / "pgconv.xml").exists()


# git hooks


def hooked(repository: Path, hook: str) -> None:
    place = repository / hook
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(CONTRIB / Path(hook).name, place)


def push(repo: Repo, tmp_path: Path, *arguments: str) -> Done:
    command = ["git", "push", *arguments]
    return subprocess.run(
        command, cwd=repo.root, env=environment(tmp_path), capture_output=True, text=True, check=False
    )


@pytest.fixture
def server(repo: Repo, tmp_path: Path) -> Path:
    """A bare repository that has the base."""
    bare = tmp_path / "server.git"
    run_git(tmp_path, "clone", "-q", "--bare", str(repo.root), str(bare))
    repo.git("remote", "add", "origin", str(bare))
    repo.git("fetch", "-q", "origin")
    return bare


def test_post_receive_tells_the_pusher_and_takes_the_push(repo: Repo, server: Path, tmp_path: Path) -> None:
    hooked(server, "hooks/post-receive")
    repo.edit("mm: back", "mm/converted.c", BAD)
    done = push(repo, tmp_path, "origin", "master")
    assert done.returncode == 0
    assert "remote: pgconv: master" in done.stderr
    assert "remote:   mm/converted.c:13:10: error: new use of PAGE_SIZE" in done.stderr
    assert run_git(server, "rev-parse", "master") == repo.git("rev-parse", "HEAD")
    repo.git("checkout", "-q", "-b", "topic")
    repo.edit("mm: fine", "mm/open.c", ("bytes", "octets"))
    assert "remote: 1 commit judged, nothing found" in push(repo, tmp_path, "origin", "topic").stderr
    assert push(repo, tmp_path, "origin", ":topic").returncode == 0


def test_post_receive_reads_a_baseline_where_one_is_named(repo: Repo, server: Path, tmp_path: Path) -> None:
    hooked(server, "hooks/post-receive")
    file = tmp_path / "baseline.json"
    file.write_bytes(repo.baseline().encoded())
    run_git(server, "config", "pgconv.baseline", str(file))
    repo.edit("mm: more", "mm/open.c", ("vma->vm_pgoff", "(PAGE_SIZE + vma->vm_pgoff)"))
    assert "the baseline allows bytes() 1, now 2" in push(repo, tmp_path, "origin", "master").stderr


def test_pre_push_refuses_what_is_bad(repo: Repo, server: Path, tmp_path: Path) -> None:
    hooked(repo.root, ".git/hooks/pre-push")
    repo.edit("mm: fine", "mm/open.c", ("bytes", "octets"))
    assert push(repo, tmp_path, "origin", "master").returncode == 0
    repo.edit("mm: back", "mm/converted.c", BAD)
    for target in ("master", "HEAD:refs/heads/new"):
        done = push(repo, tmp_path, "origin", target)
        assert done.returncode == 1
        assert "mm/converted.c:13:10: error: new use of PAGE_SIZE" in done.stdout
        assert "1 commit judged, 1 finding in 1" in done.stdout
    assert push(repo, tmp_path, "--no-verify", "origin", "master").returncode == 0


def test_hooks_say_nothing_of_what_brings_no_commit(repo: Repo, server: Path, tmp_path: Path) -> None:
    """A branch or a tag of what is there, and a branch that goes back."""
    hooked(server, "hooks/post-receive")
    hooked(repo.root, ".git/hooks/pre-push")
    repo.edit("mm: back", "mm/converted.c", BAD)
    assert push(repo, tmp_path, "--no-verify", "origin", "master").returncode == 0
    repo.git("tag", "-a", "v1", "-m", "v1")
    for target in ("master:refs/heads/same", "v1", "+HEAD^:master"):
        done = push(repo, tmp_path, "origin", target)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert "finding" not in done.stderr
        assert "pgconv" not in done.stderr


def test_pre_push_judges_what_replaces_commits_that_are_not_here(repo: Repo, server: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    run_git(tmp_path, "clone", "-q", str(server), str(other))
    run_git(other, "commit", "-q", "--allow-empty", "-m", "of somebody else")
    run_git(other, "push", "-q", "origin", "master")
    hooked(repo.root, ".git/hooks/pre-push")
    repo.edit("mm: back", "mm/converted.c", BAD)
    done = push(repo, tmp_path, "--force", "origin", "master")
    assert (done.returncode, done.stdout.count("new use of PAGE_SIZE")) == (1, 1), done.stderr
    repo.git("reset", "-q", "--hard", repo.base)
    repo.edit("mm: fine", "mm/open.c", ("bytes", "octets"))
    assert push(repo, tmp_path, "--force", "origin", "master").returncode == 0


def also(repo: Repo, server: Path) -> str:
    """A bad commit of somebody else, which the server has on master; the work tree, fetched, is on a branch beside."""
    other = server.parent / "other"
    run_git(server.parent, "clone", "-q", str(server), str(other))
    text = (other / "mm/converted.c").read_text()
    (other / "mm/converted.c").write_text(text.replace(*BAD))
    run_git(other, "commit", "-q", "-a", "-m", "mm: of somebody else")
    run_git(other, "push", "-q", "origin", "master")
    repo.git("checkout", "-q", "-b", "topic")
    repo.edit("mm: fine", "mm/open.c", ("bytes", "octets"))
    repo.git("push", "-q", "--no-verify", "origin", "topic")
    repo.git("fetch", "-q", "origin")
    return run_git(other, "rev-parse", "HEAD")


FINE = ("fs/open.c", ("0, PAGE_SIZE", "1, PAGE_SIZE"))
AGAIN = ("mm/half.c", ("folio) << PG_SHIFT", "folio) << PAGE_SHIFT"))


@pytest.mark.parametrize("target", ["topic", "topic:refs/heads/new", "+topic^2:topic"])
def test_pre_push_does_not_judge_what_the_remote_has_on_another_branch(
    repo: Repo, server: Path, tmp_path: Path, target: str
) -> None:
    """A merge of it, to a branch that is there and to one that is not; a branch that is put on top of it."""
    hooked(repo.root, ".git/hooks/pre-push")
    theirs = also(repo, server)
    repo.git("merge", "-q", "--no-edit", "origin/master")
    done = push(repo, tmp_path, "origin", target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert theirs[:12] not in done.stdout
    repo.edit("mm: mine", *AGAIN)
    done = push(repo, tmp_path, "origin", "+topic")
    assert (done.returncode, done.stdout.count("new use of PAGE_SHIFT")) == (1, 1)


@pytest.mark.parametrize("target", ["topic", "topic:refs/heads/new", "+topic^2:topic"])
def test_post_receive_does_not_judge_what_another_branch_had(
    repo: Repo, server: Path, tmp_path: Path, target: str
) -> None:
    theirs = also(repo, server)
    hooked(server, "hooks/post-receive")
    repo.git("merge", "-q", "--no-edit", "origin/master")
    done = push(repo, tmp_path, "origin", target)
    assert done.returncode == 0
    assert "finding" not in done.stderr
    assert theirs[:12] not in done.stderr
    repo.edit("mm: mine", *AGAIN)
    assert push(repo, tmp_path, "origin", "+topic").stderr.count("new use of PAGE_SHIFT") == 1


@pytest.mark.parametrize("hook", ["pre-push", "post-receive"])
def test_of_several_branches_in_a_push_each_commit_is_judged_once(
    repo: Repo, server: Path, tmp_path: Path, hook: str
) -> None:
    """master goes on, two new branches grow out of it, an old one goes away."""
    repo.git("push", "-q", "origin", "master:gone")
    hooked(server if hook == "post-receive" else repo.root / ".git", f"hooks/{hook}")
    repo.edit("mm: back", "mm/converted.c", BAD)
    repo.git("checkout", "-q", "-b", "one")
    repo.edit("mm: again", *AGAIN)
    repo.git("branch", "-q", "two")
    repo.edit("fs: fine", *FINE)
    done = push(repo, tmp_path, "origin", ":gone", "two", "one", "master")
    assert done.returncode == (hook == "pre-push"), done.stderr
    assert (done.stdout + done.stderr).count("new use of PAGE_S") == 2
    assert (done.stdout + done.stderr).count("nothing found") == 1


def test_hooks_judge_the_commits_that_a_tag_brings(repo: Repo, server: Path, tmp_path: Path) -> None:
    hooked(server, "hooks/post-receive")
    hooked(repo.root, ".git/hooks/pre-push")
    repo.edit("mm: back", "mm/converted.c", BAD)
    repo.git("tag", "-a", "v1", "-m", "v1")
    repo.git("tag", "blob", "HEAD:mm/open.c")
    done = push(repo, tmp_path, "origin", "blob")
    assert (done.returncode, done.stdout, "pgconv" in done.stderr) == (0, "", False), done.stderr
    assert push(repo, tmp_path, "origin", "v1").stdout.count("new use of PAGE_SIZE") == 1
    assert "remote: pgconv: v1" in (done := push(repo, tmp_path, "--no-verify", "origin", "v1")).stderr
    assert done.stderr.count("new use of PAGE_SIZE") == 1
    assert "pgconv" not in push(repo, tmp_path, "--no-verify", "origin", "master").stderr


def test_a_branch_that_takes_the_name_of_another_brings_nothing(repo: Repo, server: Path, tmp_path: Path) -> None:
    repo.edit("mm: back", "mm/converted.c", BAD)
    repo.git("push", "-q", "origin", "HEAD:refs/heads/old")
    hooked(server, "hooks/post-receive")
    done = push(repo, tmp_path, "origin", ":old", "HEAD:refs/heads/new")
    assert (done.returncode, "pgconv" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("where", ["by its URL", "by a name that was never fetched"])
def test_pre_push_judges_a_branch_for_a_remote_of_which_nothing_is_known(
    repo: Repo, server: Path, tmp_path: Path, where: str
) -> None:
    """What any remote has is not new."""
    hooked(repo.root, ".git/hooks/pre-push")
    theirs = also(repo, server)
    repo.git("merge", "-q", "--no-edit", "origin/master")
    repo.edit("fs: fine", *FINE)
    repo.git("remote", "add", "mine", str(server))
    remote = str(server) if where == "by its URL" else "mine"
    done = push(repo, tmp_path, remote, "HEAD:refs/heads/new")
    assert (done.returncode, "not judged" in done.stderr) == (0, False), done.stdout + done.stderr
    assert "2 commits judged, nothing found" in done.stdout
    assert theirs[:12] not in done.stdout
    repo.edit("mm: mine", *AGAIN)
    assert push(repo, tmp_path, remote, "HEAD:refs/heads/newer").returncode == 1


@pytest.mark.parametrize("name", ["HEAD", "master@{1 second ago}"])
def test_hooks_say_that_there_is_nothing_to_judge_against(repo: Repo, tmp_path: Path, name: str) -> None:
    run_git(tmp_path, "init", "-q", "--bare", "empty.git")
    hooked(repo.root, ".git/hooks/pre-push")
    hooked(tmp_path / "empty.git", "hooks/post-receive")
    done = push(repo, tmp_path, str(tmp_path / "empty.git"), f"{name}:refs/heads/master")
    assert (done.returncode, done.stdout) == (0, "")
    known = f"pgconv: no commit that {name} comes from is known to be at {tmp_path}/empty.git: not judged\n"
    assert known in done.stderr
    assert "remote: pgconv: master" in done.stderr
    assert "remote: not judged: nothing that it comes from was here before" in done.stderr


# pre-commit


@pytest.fixture
def hooks(repo: Repo, tmp_path: Path) -> dict[str, str]:
    """pre-commit set up in the repository, with the hooks of this project; the environment to run it in."""
    source = tmp_path / "hooks"
    source.mkdir()
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", source)
    run_git(source, "init", "-q")
    run_git(source, "add", ".")
    run_git(source, "commit", "-q", "-m", "hooks")
    chosen = [{"id": "pgconv"}, {"id": "pgconv-push"}]
    config = {"repos": [{"repo": str(source), "rev": run_git(source, "rev-parse", "HEAD"), "hooks": chosen}]}
    (repo.root / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    repo.base = repo.record("pre-commit")
    return environment(tmp_path, PRE_COMMIT_HOME=str(tmp_path / "pre-commit"))


def test_pre_commit_judges_what_is_staged(repo: Repo, hooks: dict[str, str]) -> None:
    def commit() -> Done:
        command = [sys.executable, "-m", "pre_commit", "run", "pgconv"]
        return subprocess.run(command, cwd=repo.root, env=hooks, capture_output=True, text=True, check=False)

    text = (repo.root / "mm/converted.c").read_text()
    (repo.root / "mm/converted.c").write_text(text.replace(*BAD))
    repo.git("add", "mm/converted.c")
    done = commit()
    assert done.returncode == 1
    assert "mm/converted.c:13:10: error: new use of PAGE_SIZE" in done.stdout
    (repo.root / "mm/converted.c").write_text(text.replace("addr += PTE_SIZE", "addr = addr + PTE_SIZE"))
    repo.git("add", "mm/converted.c")
    assert commit().returncode == 0


def test_pre_commit_judges_what_is_pushed(repo: Repo, hooks: dict[str, str]) -> None:
    repo.edit("mm: back", "mm/converted.c", BAD)
    command = [sys.executable, "-m", "pre_commit", "run", "pgconv-push", "--hook-stage", "pre-push",
               "--from-ref", repo.base, "--to-ref", "HEAD"]  # fmt: skip
    done = subprocess.run(command, cwd=repo.root, env=hooks, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "1 commit judged, 1 finding in 1" in done.stdout


def test_pre_commit_as_it_is_installed_refuses_the_commit_and_the_push(
    repo: Repo, hooks: dict[str, str], server: Path, tmp_path: Path
) -> None:
    def run(*command: str) -> Done:
        return subprocess.run(command, cwd=repo.root, env=hooks, capture_output=True, text=True, check=False)

    install = (sys.executable, "-m", "pre_commit", "install", "-t", "pre-commit", "-t", "pre-push")
    assert run(*install).returncode == 0
    assert run("git", "push", "-q", "origin", "master").returncode == 0
    path = repo.root / "mm/converted.c"
    text = path.read_text()
    path.write_text(text.replace(*BAD))
    done = run("git", "commit", "-q", "-a", "-m", "mm: back")
    assert (done.returncode, repo.git("rev-parse", "HEAD")) == (1, repo.base)
    assert "mm/converted.c:13:10: error: new use of PAGE_SIZE" in done.stderr
    assert run("git", "commit", "-q", "-a", "--no-verify", "-m", "mm: back").returncode == 0
    done = run("git", "push", "-q", "origin", "master")
    assert done.returncode == 1
    assert "1 commit judged, 1 finding in 1" in done.stdout + done.stderr
    assert run("git", "reset", "-q", "--hard", repo.base).returncode == 0
    assert run("git", "push", "-q", "origin", "master").returncode == 0


def test_pre_commit_lets_the_first_push_of_all_there_is_pass(repo: Repo, hooks: dict[str, str], tmp_path: Path) -> None:
    """There is no commit that it could be judged against."""
    run_git(tmp_path, "init", "-q", "--bare", "empty.git")
    install = [sys.executable, "-m", "pre_commit", "install", "-t", "pre-push"]
    subprocess.run(install, cwd=repo.root, env=hooks, capture_output=True, check=True)
    command = ["git", "push", str(tmp_path / "empty.git"), "master"]
    done = subprocess.run(command, cwd=repo.root, env=hooks, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(pushed commits)" in done.stdout + done.stderr
    assert run_git(tmp_path / "empty.git", "rev-parse", "master") == repo.base
