"""Bad input, as a user meets it: one clear line or a counted warning, and no other file is lost."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Run
from tests.scan.conftest import Make, by_file
from tests.scan.lexer import words
from tests.tree.conftest import run_git

USE = b"unsigned long f(unsigned long pfn)\n{\n\treturn pfn << PAGE_SHIFT;\n}\n"

GOOD = {"mm/good.c": USE, "fs/good.h": b"#define BYTES (2 * PAGE_SIZE)\n"}

Scan = Callable[..., dict[str, Any]]


@pytest.fixture
def scan(pgconv: Run) -> Scan:
    """The report of a scan that must work and not lose the good files."""

    def run(tree: Path, **keywords: Any) -> dict[str, Any]:
        done = pgconv("scan", tree, "--no-cache", "--format", "json", **keywords)
        assert (done.returncode, done.stderr) == (0, "")
        report: dict[str, Any] = json.loads(done.stdout)
        assert [s["line"] for s in by_file(report)["mm/good.c"]] == [3]
        assert [s["line"] for s in by_file(report)["fs/good.h"]] == [1]
        return report

    return run


def places(report: dict[str, Any], path: str) -> list[tuple[int, int, str]]:
    return [(s["line"], s["col"], s["macro"]) for s in by_file(report).get(path, [])]


def expected(data: bytes) -> list[tuple[int, int, str]]:
    return [(w.line, w.col, w.name) for w in words(data)]


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a command that could not do its work."""
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"pgconv: [^\n]+\n", done.stderr), done.stderr
    return done.stderr


# what is named on the command line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no/such/tree"], "no/such/tree: no such tree"),
        ([], "no tree named"),
        (["."], "not a kernel tree: Makefile"),
        (["pyproject.toml"], "pyproject.toml: not a directory"),
        (["fixtures/tree", "--rev", "nonsense"], "--rev|revision|repository"),
        (["fixtures/tree", "--scheme", "none"], "no scheme 'none'; there are mmupage, pte-pg"),
        (["fixtures/tree", "--format", "xml"], "--format xml: not one of text, json"),
    ],
)
def test_what_cannot_be_scanned_is_refused_in_one_line(
    pgconv: Run, tmp_path: Path, arguments: list[str], message: str
) -> None:
    for name in ("fixtures", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    assert re.search(message, refused(pgconv("scan", *arguments, cwd=tmp_path)))


def test_an_unknown_revision_is_named(pgconv: Run, make_tree: Make) -> None:
    tree = make_tree(dict(GOOD))
    run_git(tree, "init", "-q")
    run_git(tree, "add", "-Af", ".")
    run_git(tree, "commit", "-q", "-m", "one")
    assert "v9.9" in refused(pgconv("scan", tree, "--rev", "v9.9"))


@pytest.mark.parametrize("jobs", ["0", "-1", "many"])
def test_a_number_of_jobs_that_is_none_is_refused(pgconv: Run, demo_tree: Path, jobs: str) -> None:
    done = pgconv("scan", demo_tree, "--jobs", jobs)
    assert done.returncode == 2
    assert "--jobs" in done.stderr
    assert "Traceback" not in done.stderr


# files of the tree


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\0\0int a = PAGE_SIZE;\0\nint b\0 = PAGE_SHIFT;\n\0", id="NUL bytes"),
        pytest.param("/* Müller */ int a = PAGE_SIZE; /* é */\nint b = PAGE_MASK;\n".encode("latin-1"), id="latin-1"),
        pytest.param(
            b'int \xff\xfe = PAGE_SIZE;\xc3\n\xe2\x82 char *s = "\xf0" ; int c = PAGE_SHIFT;\n', id="invalid UTF-8"
        ),
        pytest.param(USE.replace(b"\n", b"\r\n") + b"#define A \\\r\n\tPAGE_SIZE\r\n", id="CR LF"),
        pytest.param(USE.replace(b"\n", b"\r") + b"int x = PAGE_SIZE;", id="CR"),
        pytest.param(b"\xef\xbb\xbfint a = PAGE_SIZE;\n", id="byte order mark"),
        pytest.param(USE[: USE.index(b"SHIFT") + 5], id="cut in a function"),
        pytest.param(b"int a = PAGE_SIZE; /* cut in a comment PAGE_SHIFT", id="cut in a comment"),
        pytest.param(b'int a = PAGE_SIZE; char *s = "cut in a string PAGE_SHIFT', id="cut in a string"),
        pytest.param(b"#define A PAGE_SIZE + \\", id="cut in a macro"),
        pytest.param(b"#if PAGE_SIZE > 4096\nint a = PAGE_SHIFT;\n#else\n", id="cut in a condition"),
        pytest.param(b"#else\n#endif\n#endif\n}}}} ) ) int a = PAGE_SIZE;\n#elif PAGE_SHIFT\n", id="closings only"),
        pytest.param(b"(" * 20_000 + b"PAGE_SIZE" + b")" * 20_000, id="20,000 parentheses"),
        pytest.param(b"void f(void) " + b"{" * 20_000 + b"a = PAGE_SIZE;" + b"}" * 20_000, id="20,000 braces"),
        pytest.param(b"int a = " + b"-" * 20_000 + b"PAGE_SIZE;\n", id="20,000 signs"),
        pytest.param(b"int a = " + b"PAGE_SIZE + " * 600 + b"0;\n", id="600 terms on a line"),
        pytest.param(
            b"#define F(a, b, ) PAGE_SIZE\n#define\n#define 1 PAGE_SIZE\n# PAGE_MASK\n#if\n", id="odd directives"
        ),
    ],
)
@pytest.mark.parametrize("path", ["mm/bad.c", "arch/x86/kernel/bad.S"])
def test_odd_contents_are_accounted_for(scan: Scan, make_tree: Make, path: str, content: bytes) -> None:
    report = scan(make_tree({**GOOD, path: content}))
    assert places(report, path) == expected(content)
    assert report["warnings"] in ([], [f"{path}: nested too deeply to follow; some of its uses stay open"])


def test_a_generated_header_of_200_mb_is_searched(scan: Scan, make_tree: Make) -> None:
    tree = make_tree(dict(GOOD))
    with (tree / "mm/big.h").open("wb") as file:
        file.write(b"int a = PAGE_SIZE; /* PAGE_MASK */\n")
        file.seek(200 << 20)
        file.write(b"\n#define B PAGE_SHIFT\n")
    report = scan(tree)
    assert [(s["line"], s["macro"], s["status"]) for s in by_file(report)["mm/big.h"]] == [
        (1, "PAGE_SIZE", "review"),
        (1, "PAGE_MASK", "inert"),
        (3, "PAGE_SHIFT", "review"),
    ]
    assert report["warnings"] == ["mm/big.h: larger than 16 MiB: searched, not parsed; its uses stay open"]


def test_links_fifos_and_sockets_are_passed_over(scan: Scan, make_tree: Make, tmp_path: Path) -> None:
    tree = make_tree(dict(GOOD))
    (tmp_path / "outside.c").write_bytes(USE)
    (tree / "mm/out.c").symlink_to(tmp_path / "outside.c")
    (tree / "mm/dangling.c").symlink_to("nothing")
    (tree / "mm/loop.c").symlink_to("loop.c")
    (tree / "mm/around").symlink_to(".")
    os.mkfifo(tree / "mm/fifo.c")
    report = scan(tree, timeout=60)
    assert by_file(report).keys() == {"mm/good.c", "fs/good.h"}
    assert report["warnings"] == ["mm/fifo.c: not a regular file, passed over"]


def without_override() -> None:
    """Permissions count for root too: the program that is executed next may not pass over them (capabilities(7))."""
    drop, dac_override, dac_read_search = 24, 1, 2
    for capability in (dac_override, dac_read_search):
        ctypes.CDLL(None).prctl(drop, capability, 0, 0, 0)


def test_unreadable_files_and_directories_are_counted(scan: Scan, make_tree: Make) -> None:
    tree = make_tree({**GOOD, "mm/secret.c": USE, "mm/secret2.c": USE, "mm/hidden/a.c": USE})
    for name in ("mm/secret.c", "mm/secret2.c", "mm/hidden"):
        (tree / name).chmod(0)
    try:
        report = scan(tree, preexec_fn=without_override)
    finally:
        (tree / "mm/hidden").chmod(0o755)
    assert report["warnings"] == [
        "mm/hidden: directory not read: Permission denied",
        "mm/secret.c: not read: Permission denied (and 1 more)",
    ]


def test_names_with_line_breaks_and_strange_bytes_are_shown_on_one_line(pgconv: Run, make_tree: Make) -> None:
    tree = make_tree(dict(GOOD))
    (tree / "mm/two\nlines.c").write_bytes(USE)
    (tree / "mm/fi\nfo.c").parent.mkdir(exist_ok=True)
    os.mkfifo(tree / "mm/fi\nfo.c")
    Path(os.fsdecode(bytes(tree) + b"/mm/\xe9.c")).write_bytes(USE)

    def run(format_: str) -> str:
        done = pgconv("scan", tree, "--no-cache", "--format", format_, errors="surrogateescape")
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    report = json.loads(run("json"))
    assert report["warnings"] == ['"mm/fi\\nfo.c": not a regular file, passed over']
    assert places(report, "mm/two\nlines.c") == expected(USE)
    assert len(by_file(report)) == 4
    assert len(run("gcc").splitlines()) == 4
    assert len(run("jsonl").splitlines()) >= 4
    assert all(run(format_) for format_ in ("text", "sarif"))


PRIVATE = b"""static unsigned long bytes_of(unsigned long n) { return n << PAGE_SHIFT; }
unsigned long f(struct vm_area_struct *vma) { return bytes_of(vma->vm_pgoff); }
"""


def test_a_file_whose_name_is_no_utf8_is_decided_like_any_other(pgconv: Run, make_tree: Make, tmp_path: Path) -> None:
    """Its private names carry its path. In JSON the byte is the escape that Python's json reads back."""
    tree = make_tree({**GOOD, "mm/plain.c": PRIVATE})
    odd = os.fsdecode(b"mm/od\xffd.c")
    (tree / odd).write_bytes(PRIVATE)

    def run(*arguments: object, code: int = 0) -> str:
        done = pgconv(*arguments, errors="surrogateescape")
        assert (done.returncode, done.stderr) == (code, "")
        return done.stdout

    for _ in ("fresh", "from the cache"):
        sites = by_file(json.loads(run("scan", tree, "--format", "json")))
        assert [s["unit"] for s in sites[odd]] == [s["unit"] for s in sites["mm/plain.c"]] == ["pte"]
    assert "mm/od%FFd.c" in run("scan", tree, "--format", "sarif")
    assert f"{odd}:1:" in run("scan", tree, "--format", "gcc")
    assert "vma->vm_pgoff is passed" in run("explain", tree, f"{odd}:1")
    for number in (1, 2):
        run("scan", tree, "--shard", f"{number}/2", "-o", tmp_path / f"{number}")
    merged = run("merge", tmp_path / "1", tmp_path / "2", "--format", "json")
    assert merged == run("scan", tree, "--format", "json")
    assert "PTE_SHIFT" in run("convert", tree, odd, "--diff")
    signed = ("--signoff", "A Tester <a@example.org>")
    assert pgconv("convert", tree, "-o", tmp_path / "series", *signed).returncode == 0
    assert json.loads((tmp_path / "series/worklist.json").read_bytes())["schema"] == "pgconv.worklist/1"


def test_a_directory_that_vanishes_while_scanning_costs_its_own_files(pgconv: Run, make_tree: Make) -> None:
    tree = make_tree({**GOOD, **{f"zz/{number}.c": USE for number in range(3000)}})
    done: list[subprocess.CompletedProcess[str]] = []
    thread = threading.Thread(target=lambda: done.append(pgconv("scan", tree, "--no-cache", "--format", "json")))
    thread.start()
    time.sleep(0.3)
    shutil.rmtree(tree / "zz")
    thread.join()
    assert (done[0].returncode, done[0].stderr) == (0, "")
    report = json.loads(done[0].stdout)
    assert by_file(report).keys() >= {"mm/good.c", "fs/good.h"}
    assert len(report["warnings"]) <= 2


# rules


@pytest.fixture
def install(tmp_path: Path) -> Path:
    """A copy of the checkout's package and rules, whose rules may be broken."""
    for name in ("converter", "rules"):
        shutil.copytree(ROOT / name, tmp_path / "install" / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "install"


def run_install(install: Path, tree: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from converter.cli import main; main()", "scan", str(tree), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(install), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        command, env=environment, cwd=install, capture_output=True, text=True, check=False, timeout=120
    )


def line_of(file: Path, text: str) -> int:
    return next(n for n, line in enumerate(file.read_text().splitlines(), 1) if text in line)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("roles/memory.toml", 'id = "order-size"', 'id = "order-size"\ncolour = 3', "colour"),
        ("roles/memory.toml", 'id = "order-size"', 'id = "order-shift"', "order-shift"),
        ("roles/user-abi.toml", "^\\s*(COMPAT_)?SYSCALL", "^\\s*(COMPAT_?SYSCALL", "syscall"),
        ("normalise.toml", "__alignof__(?=", "__alignof__(?", "alignof"),
        ("hints.toml", 'pattern = "(\\\\w+_)?pgoff"', 'pattern = "(\\\\w+_?pgoff"', "pgoff"),
        ("vocabulary.toml", 'kind = "shift"', 'kind = "shaft"', "shaft"),
        ("inert.toml", 'why = "samples"', "", "why"),
    ],
)
def test_a_broken_rule_is_named_with_file_line_and_entry(
    install: Path, demo_tree: Path, file: str, old: str, new: str, says: str
) -> None:
    path = install / "rules" / file
    text = path.read_text()
    assert old in text
    entry = text[: text.index(old)].rindex("[[")
    first, last = (text.count("\n", 0, place) + 1 for place in (entry, text.index(old)))
    path.write_text(text.replace(old, new, 1))
    message = refused(run_install(install, demo_tree))
    line = re.search(rf"{re.escape(str(path))}:(\d+): ", message)
    assert line is not None
    assert first <= int(line[1]) <= last + new.count("\n")
    assert says in message


@pytest.mark.parametrize("content", [b"[[rule]\n", b"\xff\xfe"])
def test_a_rules_file_that_is_not_toml_is_named(install: Path, demo_tree: Path, content: bytes) -> None:
    path = install / "rules/roles/memory.toml"
    path.write_bytes(content)
    assert str(path) in refused(run_install(install, demo_tree))


def test_an_installation_without_rules_says_so(install: Path, demo_tree: Path) -> None:
    shutil.rmtree(install / "rules/roles")
    (install / "rules/hints.toml").unlink()
    assert "rules/" in refused(run_install(install, demo_tree))


# output, and the user's patience


def test_on_a_full_disk_the_old_report_stays(pgconv: Run, demo_tree: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("old")
    limited = f"ulimit -f 8; trap '' XFSZ; exec {sys.executable} -m converter.cli"
    script = "from converter.cli import main; main()"
    command = (
        f"{limited.rsplit(' -m', 1)[0]} -c '{script}' scan {demo_tree} --no-cache --jobs 1 --format json -o {report}"
    )
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert refused(done).startswith(f"pgconv: {report}: cannot write: ")
    assert report.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_device_without_room_is_refused_like_a_full_disk(pgconv: Run, demo_tree: Path) -> None:
    assert refused(pgconv("scan", demo_tree, "-o", "/dev/full")).startswith("pgconv: /dev/full: cannot write: No space")


@pytest.fixture
def endless(make_tree: Make, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A scan in a process group of its own that has long to do."""
    body = b"".join(b"int f%d(int a)\n{\n\treturn a << PAGE_SHIFT;\n}\n" % n for n in range(2000))
    tree = make_tree({f"mm/{number}.c": body for number in range(200)})
    command = [str(Path(sys.executable).with_name("pgconv")), "scan", str(tree), "--jobs", "2", "-o", "report.json"]
    process = subprocess.Popen(
        [*command, "--no-cache", "--format", "json"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    yield process
    process.kill()
    process.communicate()


def test_ctrl_c_ends_everything_with_one_line(endless: subprocess.Popen[str], tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("old")
    wait_for(lambda: len(group(endless.pid)) >= 4)  # scan, fork server, two workers
    os.killpg(endless.pid, signal.SIGINT)
    output, errors = endless.communicate(timeout=20)
    assert (output, errors, endless.returncode) == ("", "pgconv: interrupted\n", 130)
    wait_for(lambda: not group(endless.pid))
    assert (tmp_path / "report.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if "report" in path.name] == ["report.json"]


def group(number: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            state, _, of = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:3]
        except (OSError, IndexError):
            continue
        if int(of) == number and state != "Z":
            found.append(int(entry.name))
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 30 s"
        time.sleep(0.02)
