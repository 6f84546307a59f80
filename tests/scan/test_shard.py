"""A scan in shares gives, when they are merged, the bytes of a scan that was not shared."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import msgspec
import pytest

from converter import shard
from converter.decided import decide
from converter.errors import InputError
from converter.report import FORMATS, render
from converter.scan import scan
from converter.shard import parse
from converter.tree import open_tree
from converter.tree.cache import open_cache
from converter.vocabulary import scheme
from tests.conftest import Run
from tests.tree.conftest import run_git

CODE_SCANNING_TAKES = 25_000
"""Results of a run, by GitHub's documentation of its support for SARIF; contrib/github-scan.yml sends less."""


@pytest.fixture
def tree(demo_tree: Path, tmp_path: Path) -> Path:
    """The demo tree, with files that a scan warns of."""
    copy = tmp_path / "tree"
    shutil.copytree(demo_tree, copy)
    deep = b"int f(void)\n{\n\treturn " + b"(" * 3000 + b"PAGE_SIZE" + b")" * 3000 + b";\n}\n"
    for name in ("mm/deep.c", "fs/deep.c", "lib/deep.c"):
        (copy / name).write_bytes(deep)
    (copy / "mm/missing.c").symlink_to("nowhere.c")
    return copy


def shares(tree: Path, of: int, rev: str | None = None, cached: bool = True) -> list[Path]:
    """The files of all shares."""
    parts = []
    for number in range(1, of + 1):
        parts.append(tree.parent / f"part-{of}-{number}")
        with open_cache(cached) as cache:
            part = shard.share(open_tree(tree, rev), cache, "pte-pg", number, of, 1, None)
        parts[-1].write_bytes(shard.written(part))
    return parts


def merged(parts: list[Path], format_: str = "json") -> bytes:
    analysis, scheme_name = shard.merged(parts)
    return render(decide(analysis, scheme(scheme_name)), format_)


def whole(tree: Path, format_: str = "json", rev: str | None = None) -> bytes:
    with open_cache(True) as cache:
        return render(scan(open_tree(tree, rev), cache, jobs=1), format_)


def test_the_merged_report_is_the_unshared_one(tree: Path, pgconv: Run) -> None:
    parts = [tree.parent / f"part-{n}" for n in (1, 2, 3)]
    for n, part in enumerate(parts, 1):
        done = pgconv("scan", tree, "--shard", f"{n}/3", "-o", part, "--jobs", 1, "--no-cache")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = pgconv("merge", *reversed(parts), "--format", "json")
    assert done.stdout == pgconv("scan", tree, "--no-cache", "--format", "json").stdout
    assert json.loads(done.stdout)["warnings"]
    for format_ in FORMATS:
        assert merged(parts, format_) == whole(tree, format_)
    done = pgconv("merge", *parts, "--status", "logic")
    assert done.stdout == pgconv("scan", tree, "--status", "logic").stdout != ""
    done = pgconv("merge", *parts, "--status", "lost")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("of", [1, 2, 7, 500])
def test_any_number_of_shares_will_do(tree: Path, of: int) -> None:
    assert merged(shares(tree, of, cached=of < 10)) == whole(tree)


def test_a_revision_is_shared_as_well(tree: Path) -> None:
    run_git(tree, "init", "-q")
    run_git(tree, "add", "-Af", ".")
    run_git(tree, "commit", "-qm", "x")
    assert merged(shares(tree, 2, "HEAD")) == whole(tree, rev="HEAD")
    assert merged(shares(tree, 2)) == whole(tree)


def test_sixteen_shares_of_the_real_tree_merge_to_its_scan(kernel: Path, pgconv: Run, tmp_path: Path) -> None:
    """What a share holds does not depend on a cache: one is made again where there is none, as on another machine."""
    scan = pgconv("scan", kernel, "--format", "json", "-o", tmp_path / "whole.json")
    assert (scan.returncode, scan.stderr) == (0, "")
    tree, parts = open_tree(kernel), []
    for number in range(1, 17):
        parts.append(tmp_path / f"part-{number}.pgconv")
        with open_cache(True) as cache:
            parts[-1].write_bytes(shard.written(shard.share(tree, cache, "pte-pg", number, 16, 1, None)))
    alone = pgconv("scan", kernel, "--shard", "3/16", "--no-cache", "-o", tmp_path / "alone.pgconv")
    assert alone.returncode == 0, alone.stderr
    assert (tmp_path / "alone.pgconv").read_bytes() == parts[2].read_bytes()
    merge = pgconv("merge", *parts, "--format", "json", "-o", tmp_path / "merged.json")
    assert (merge.returncode, merge.stderr) == (0, "")
    whole_report = (tmp_path / "whole.json").read_bytes()
    assert whole_report.count(b'"path":"mm/') > 1000
    assert (tmp_path / "merged.json").read_bytes() == whole_report
    to_decide = json.loads(pgconv("merge", *parts, "--format", "sarif", "--status", "open").stdout)
    assert 1000 < len(to_decide["runs"][0]["results"]) < CODE_SCANNING_TAKES


def test_parts_that_do_not_belong_together_are_refused(tree: Path, tmp_path: Path) -> None:
    parts = shares(tree, 2)

    def refused(said: str, *paths: Path) -> None:
        with pytest.raises(InputError, match=said):
            shard.merged(paths)

    refused("no part named")
    refused("share 2/2 is missing", parts[0])
    refused("share 1/2 is given twice", parts[0], parts[0])
    refused("cannot be read", tmp_path / "nowhere")
    refused("not a part of a scan", tree / "Makefile")
    part = msgspec.msgpack.decode(parts[0].read_bytes())
    kept = tmp_path / "kept"
    for change, said in (
        ({"listing": "x"}, "of another scan than"),
        ({"key": "x"}, "made by another version"),
        ({"schema": "pgconv.part/9"}, "made by another version"),
        ({"files": [[b"mm/x.c", "0", b"x"]]}, "a part is damaged"),
    ):
        kept.write_bytes(msgspec.msgpack.encode({**part, **change}))
        refused(said, parts[1], kept)
    kept.write_bytes(parts[0].read_bytes()[:-10])
    refused("not a part of a scan, or damaged", parts[1], kept)


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "1/0", "a/b", "-1/2", "1/99999", "1/2/3"])
def test_a_share_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--shard"):
        parse(text)


def test_the_part_that_is_damaged_is_named(tree: Path, pgconv: Run) -> None:
    """A single bit, wherever it is: facts that are still facts would be another report, or a traceback."""
    parts = shares(tree, 3)
    good = parts[1].read_bytes()
    for at in range(100, len(good), len(good) // 50):
        parts[1].write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(InputError, match=f"^{re.escape(str(parts[1]))}: "):
            shard.merged(parts)
    done = pgconv("merge", *parts)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"pgconv: {parts[1]}: a part is damaged: scan that share again\n"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--tree-macros",), "--tree-macros"), (("mm",), "PATH"), (("--vocabulary",), "--vocabulary"),
        (("--unit", "pte", "--status", "open"), "--status, --unit"), (("--role", "x"), "--role"),
        (("--what-if", "x.toml"), "--what-if"), (("--format", "json"), "--format"),
    ],
)  # fmt: skip
def test_what_a_share_does_not_take_is_named(tree: Path, pgconv: Run, options: tuple[str, ...], named: str) -> None:
    done = pgconv("scan", tree, *options, "--shard", "1/2", "-o", tree.parent / "x")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert f"leave out {named}; merge has --format and --status" in done.stderr
    assert not (tree.parent / "x").exists()


def test_a_share_needs_its_own_file(tree: Path, pgconv: Run) -> None:
    for options in (("--shard", "1/2"), ("--shard", "1/2", "-o", tree.parent / "x", "--status", "open")):
        done = pgconv("scan", tree, *options)
        assert done.returncode == 2
        assert "--shard makes a part" in done.stderr
