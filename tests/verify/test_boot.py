"""Level boot: what counts as a kernel that keeps its promises. The boot itself is part of `make verify`."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from converter import data
from converter.verify import boot, needs
from converter.verify.boot import judge
from converter.verify.needs import builds
from converter.verify.result import FAILED, PASSED

KERNEL = builds().boot
GOOD = """
[    0.000000] Linux version 6.12.0
pgconv: booted 6.12.0
1..2
ok 1 - page_size
ok 2 - mmap_is_zero
pgconv: memory tests ended with 0
pgconv: done
[    1.000000] reboot: Restarting system
"""


def failures(console: str, ended: bool = True) -> dict[str, str]:
    """Name and reason of what failed."""
    return {i.path: i.why for i in judge(console, ended, KERNEL) if i.outcome == FAILED}


def test_a_good_console_passes() -> None:
    items = list(judge(GOOD, True, KERNEL))
    assert {i.outcome for i in items} == {PASSED}
    assert [i.path for i in items] == ["init", "page_size", "mmap_is_zero", "memory", "reboot"]


def test_a_test_that_fails_says_why() -> None:
    assert failures(GOOD.replace("ok 2 - mmap_is_zero", "not ok 2 - mmap_is_zero: byte 7")) == {
        "mmap_is_zero": "byte 7"
    }


def test_a_test_that_never_ends_is_missed() -> None:
    assert failures(GOOD.replace("ok 2 - mmap_is_zero\n", "")) == {"memory": "1 did not end"}


def test_no_plan_is_no_proof() -> None:
    assert "memory" in failures(GOOD.replace("1..2\n", ""))


def test_a_hang_is_told() -> None:
    console = GOOD.partition("ok 2")[0]
    assert failures(console, ended=False)["reboot"] == f"it hangs: no end after {KERNEL.seconds} s"


STUCK = """
	.long 0x1badb002, 0, -0x1badb002	/* what a multiboot kernel begins with */
	.globl _start
_start:	mov $0x3f8, %dx
	mov $'!', %al
	out %al, %dx
1:	jmp 1b
"""


def test_a_machine_that_hangs_is_ended(tmp_path: Path) -> None:
    missing = needs.missing(["boot"])
    if missing:
        reason = f"no {', '.join(p.name for p in missing)}: run `make packages`"
        pytest.fail(reason) if os.environ.get("PGCONV_REQUIRE_KERNEL") == "1" else pytest.skip(reason)
    (tmp_path / "stuck.s").write_text(STUCK)
    image, initrd = tmp_path / "stuck", tmp_path / "initrd"
    initrd.write_bytes(b"")
    subprocess.run(["as", "--32", "-o", tmp_path / "stuck.o", tmp_path / "stuck.s"], check=True)
    subprocess.run(["ld", "-m", "elf_i386", "-Ttext=0x100000", "-o", image, tmp_path / "stuck.o"], check=True)
    seconds = 10
    start = time.monotonic()
    console, ended = boot.run_machine(image, initrd, msgspec.structs.replace(KERNEL, seconds=seconds))
    assert (console, ended) == ("!", False)
    assert seconds <= time.monotonic() - start < 6 * seconds


def test_a_kernel_that_never_reaches_user_space_fails() -> None:
    found = failures("[    0.000000] Linux version 6.12.0\n", ended=True)
    assert found == {"init": "it does not get there", "reboot": "it stopped early"}


@pytest.mark.parametrize(
    "line",
    [
        "[    3.1] BUG: Bad page state in process memory  pfn:01234",
        "[    3.1] WARNING: CPU: 0 PID: 1 at mm/rmap.c:100 folio_add_anon_rmap+0x1/0x2",
        "[    3.1] Oops: general protection fault, probably for non-canonical address",
        "[    3.1] Kernel panic - not syncing: Attempted to kill init!",
        "[    3.1] BUG: Bad rss-counter state mm:0000 type:MM_ANONPAGES val:1",
        "pgconv: no swap",
    ],
)
def test_a_complaint_of_the_kernel_fails(line: str) -> None:
    assert failures(GOOD.replace("ok 2", f"{line}\nok 2")) == {"console": line}


def test_the_memory_tests_compile_without_a_warning(tmp_path: Path) -> None:
    if shutil.which("gcc") is None and os.environ.get("PGCONV_REQUIRE_KERNEL") != "1":
        pytest.skip("no gcc here")
    source = data.path("fixtures/boot/memory.c")
    done = subprocess.run(
        ["gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", str(tmp_path / "memory"), str(source)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
