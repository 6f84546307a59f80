"""Level *boot*: a small kernel of the converted tree boots in QEMU and keeps the promises that user space relies on.

Software emulation, so that it runs anywhere; both sizes are 4 KiB. The initial file system holds a static busybox and
the memory tests of fixtures/boot; their output and everything else on the console is judged line by line.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from converter import data
from converter.errors import InputError
from converter.verify import programs
from converter.verify.kbuild import Build, Config, Workshop
from converter.verify.needs import Booted
from converter.verify.result import FAILED, PASSED, Item, Result

LEVEL = "boot"
IMAGE = "arch/x86/boot/bzImage"

_PLAN = re.compile(r"\b1\.\.(\d+)\s*$")
_TEST = re.compile(r"\b(not ok|ok) (\d+) - (\w+)(?:: (.*))?")
_BOOTED = "pgconv: booted"
_DONE = "pgconv: done"
_AROUND = 25


def run(shop: Workshop, files: Mapping[str, bytes], kernel: Booted) -> Result:
    """Build the kernel of the converted tree, boot it, and judge its console."""
    shop.state(LEVEL, files)  # its own: headers that another level changes would make this build old
    build = shop.build(LEVEL, Config(kernel.config, kernel.lines))
    made = build.make("bzImage")
    image = build.directory / IMAGE
    if made.code != 0:
        return Result(LEVEL, (Item("bzImage", 0, FAILED, "the kernel", made.complaint(), made.log[-4000:]),))
    initrd = _initrd(build)
    start = time.perf_counter()
    console, ended = run_machine(image, initrd, kernel)
    (build.directory / "console.log").write_text(console, encoding="utf-8", errors="replace")
    figures = (
        ("KiB of bzImage", float(image.stat().st_size >> 10)),
        ("seconds to build", round(made.seconds, 1)),
        ("seconds to boot and test", round(time.perf_counter() - start, 1)),
    )
    return Result(LEVEL, tuple(judge(console, ended, kernel)), figures)


def judge(console: str, ended: bool, kernel: Booted) -> Iterator[Item]:
    """An item for the boot, each test, each complaint of the kernel, and the end. `ended`: not by timeout."""
    lines = [line.strip() for line in console.splitlines()]
    alarms = [re.compile(a) for a in kernel.alarms]
    booted = any(_BOOTED in line for line in lines)
    tail = "\n".join(lines[-_AROUND:])
    yield _item("init", "reaches user space", booted, "it does not get there", tail)
    planned = next((int(m[1]) for line in lines if (m := _PLAN.search(line))), 0)
    seen: set[int] = set()
    for line in lines:
        if (m := _TEST.search(line)) and int(m[2]) not in seen:
            seen.add(int(m[2]))
            yield _item(m[3], "memory test", m[1] == "ok", m[4] or "it says no more")
    missing = planned - len(seen)
    if booted:
        yield _item("memory", f"{planned} tests planned", planned > 0 and not missing, f"{missing} did not end", tail)
    for n, line in enumerate(lines):
        if any(a.search(line) for a in alarms):
            around = "\n".join(lines[n : n + _AROUND])
            yield Item("console", n + 1, FAILED, "a complaint of the kernel", line, around)
    stopped = ended and any(_DONE in line for line in lines)
    why = "it stopped early" if ended else f"it hangs: no end after {kernel.seconds} s"
    yield _item("reboot", "stops by itself", stopped, why, tail)


def _item(path: str, what: str, passed: bool, why: str, detail: str = "") -> Item:
    return Item(path, 0, PASSED, what) if passed else Item(path, 0, FAILED, what, why, detail)


def _initrd(build: Build) -> Path:
    """The initial file system: init, busybox, and the memory tests, compiled here. Raises InputError."""
    at = build.directory / "pgconv.cpio"
    source = data.path("fixtures/boot")
    with tempfile.TemporaryDirectory(prefix="pgconv-") as scratch:
        root = Path(scratch)
        (root / "bin").mkdir()
        shutil.copy(source / "init", root / "init")
        (root / "init").chmod(0o755)
        shutil.copy(_busybox(), root / "bin/busybox")
        (root / "bin/sh").symlink_to("busybox")
        _run("gcc", "-static", "-O1", "-o", str(root / "memory"), str(source / "memory.c"))
        names = "".join(f"{p.relative_to(root)}\n" for p in sorted(root.rglob("*")))
        with open(at, "wb") as file:
            done = subprocess.run(
                ["cpio", "--create", "--format=newc", "--owner=0:0", "--quiet"],
                cwd=root, input=names.encode(), stdout=file, check=False,
            )  # fmt: skip
        if done.returncode != 0:
            raise InputError("cpio cannot make the initial file system")
    return at


def _busybox() -> str:
    """The static busybox. Raises InputError."""
    found = shutil.which("busybox")
    if found is None or b"INTERP" in _run("readelf", "-lW", found):
        raise InputError("a static busybox is needed: apt-get install busybox-static")
    return found


def _run(*command: str) -> bytes:
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise InputError(f"{command[0]} is not installed; `make verify` installs what level boot needs") from None
    if done.returncode != 0:
        raise InputError(f"{command[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def run_machine(image: Path, initrd: Path, kernel: Booted) -> tuple[str, bool]:
    """What the console said, and whether the machine stopped before the time was over."""
    command = [
        "qemu-system-x86_64", "-accel", "tcg", "-m", kernel.memory, "-smp", "1", "-no-reboot", "-nodefaults",
        "-display", "none", "-serial", "stdio", "-monitor", "none", "-kernel", str(image), "-initrd", str(initrd),
        "-append", "console=ttyS0 oops=panic panic=-1 loglevel=5",
    ]  # fmt: skip
    for n, size in enumerate(kernel.disks):
        disk = image.parent / f"pgconv-{n}.disk"
        with open(disk, "wb") as file:
            file.truncate(size << 20)
        command += ["-drive", f"file={disk},format=raw,if=virtio"]
    try:
        done = programs.run(command, seconds=kernel.seconds)
    except FileNotFoundError:
        raise InputError("qemu-system-x86_64 is not installed: apt-get install qemu-system-x86") from None
    return done.said, not done.late
