"""Changes as git's unified diff: git applies them, and to the right bytes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converter.convert.lines import Change, between, changed, diff, git_path, refined, split

CONTENT = st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", b"c\r\n", b"\xe9\n"]), max_size=30)


def applied(place: Path, path: str, old: bytes, patch: bytes) -> bytes:
    target = place / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(old)
    done = subprocess.run(["git", "apply", "-p1", "-"], cwd=place, input=patch, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return target.read_bytes()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CONTENT, CONTENT, st.booleans())
def test_git_applies_a_diff_to_the_new_bytes(tmp_path: Path, old: list[bytes], new: list[bytes], cut: bool) -> None:
    if cut and new and new[-1] != b"\n":
        new = [*new[:-1], new[-1].rstrip(b"\r\n")]
    found = between(old, new)
    if found and old and new:
        assert applied(tmp_path, "f.c", b"".join(old), diff("f.c", old, found)) == b"".join(new)


@given(CONTENT, CONTENT)
def test_changes_between_two_files_make_the_second_of_the_first(old: list[bytes], new: list[bytes]) -> None:
    assert changed(old, between(old, new)) == new


@given(CONTENT, CONTENT)
def test_refining_a_change_keeps_its_result(old: list[bytes], new: list[bytes]) -> None:
    whole = [Change(0, len(old), tuple(new))]
    assert changed(old, refined(old, whole)) == new


def test_no_change_is_no_diff() -> None:
    assert diff("a.c", [b"x\n"], []) == b""


@pytest.mark.parametrize("path", ["a b.c", 'q"uote.c', "tab\there.c", "ümlaut.c", "back\\slash.c"])
def test_git_applies_diffs_of_files_with_odd_names(tmp_path: Path, path: str) -> None:
    patch = diff(path, [b"x\n"], [Change(0, 1, (b"y\n",))])
    assert applied(tmp_path, path, b"x\n", patch) == b"y\n"


def test_a_path_that_git_quotes_is_quoted() -> None:
    assert git_path(b"a/", 'x"\n') == b'"a/x\\"\\n"'


def test_a_hunk_names_its_function() -> None:
    old = split(b"int f(void)\n{\n" + b"\tx;\n" * 9 + b"\ty;\n}\n")
    assert b"@@ int f(void)\n" in diff("a.c", old, [Change(11, 12, (b"\tz;\n",))])
