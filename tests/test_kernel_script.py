"""`make kernel`: what it does without a network, and with an apt that stands in for the real one."""

from __future__ import annotations

import io
import lzma
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts import kernel as script
from tests.conftest import ROOT

MIRROR = "http://mirror.example/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

needs_debian = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-config", "dpkg-deb", "tar", "xz"))), reason="needs a Debian system with xz-utils"
)


def run(*arguments: str, path: Sequence[Path] = (), **variables: str) -> subprocess.CompletedProcess[str]:
    """kernel.py with exactly these environment variables, `path` before the usual places (or alone, if not empty)."""
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts/kernel.py"), *arguments],
        env={"PATH": ":".join(map(str, path)) or os.defpath, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def make_tree(at: Path) -> Path:
    for name in ("mm", "include/linux", "arch"):
        (at / name).mkdir(parents=True)
    (at / "Makefile").write_text("VERSION = 9\n")
    (at / "Kbuild").write_text("")
    return at


@pytest.fixture
def nothing(tmp_path: Path) -> Path:
    """A PATH on which no command is found: whatever succeeds with it has fetched nothing."""
    (tmp_path / "nothing").mkdir()
    return tmp_path / "nothing"


def test_a_tree_named_by_the_environment_is_used_as_it_is(tmp_path: Path, nothing: Path) -> None:
    tree = make_tree(tmp_path / "mine")
    done = run("--dest", str(tmp_path / "k"), path=[nothing], PGCONV_KERNEL=str(tree))
    assert (done.returncode, done.stdout) == (0, f"{tree}\n")
    assert not (tmp_path / "k").exists()


def test_a_named_tree_that_is_none_is_refused(tmp_path: Path) -> None:
    done = run(PGCONV_KERNEL=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == f"kernel: PGCONV_KERNEL={tmp_path}: not a kernel tree; name an unpacked one, or unset it\n"


def test_a_tree_that_is_there_is_not_fetched_again(tmp_path: Path, nothing: Path) -> None:
    tree = make_tree(tmp_path / "linux-9.9")
    done = run("9.9", "--dest", str(tmp_path), path=[nothing])
    assert (done.returncode, done.stdout) == (0, f"{tree}\n")


@pytest.mark.parametrize("version", ["latest", "6", "6.12.3", "../6.12", ""])
def test_a_version_that_is_none_is_refused(version: str) -> None:
    done = run(version)
    assert done.returncode == 2
    assert done.stderr.startswith(f"kernel: VERSION={version}: give a kernel version")


def test_without_apt_the_way_out_is_named(tmp_path: Path, nothing: Path) -> None:
    done = run("--dest", str(tmp_path), path=[nothing])
    assert done.returncode == 2
    assert "apt-get" in done.stderr
    assert "set PGCONV_KERNEL" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("--dest", str(tmp_path / "file/k"), path=[tmp_path, *map(Path, os.defpath.split(":"))])
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package linux-source-9.9 with a tree of six entries."""
    work = tmp_path_factory.mktemp("package")
    tree = make_tree(work / "linux-source-9.9")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(tree, "linux-source-9.9")
    content = work / "deb/usr/src"
    content.mkdir(parents=True)
    (content / "linux-source-9.9.tar.xz").write_bytes(lzma.compress(buffer.getvalue()))
    (work / "deb/DEBIAN").mkdir()
    (work / "deb/DEBIAN/control").write_text(
        "Package: linux-source-9.9\nVersion: 9.9.1-1\nArchitecture: all\nMaintainer: T <t@example.org>\n"
        "Description: test\n"
    )
    package = work / "linux-source-9.9_9.9.1-1_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", work / "deb", package], check=True, capture_output=True)
    return package


@pytest.fixture
def apt(tmp_path: Path, package: Path) -> list[Path]:
    """A PATH whose apt-get knows that package once its own lists were read, as on a machine that never updated."""
    directory = tmp_path / "apt"
    directory.mkdir()
    fake = directory / "apt-get"
    fake.write_text(
        "#!/bin/sh\n"
        f'echo "$@ ${{APT_CONFIG:+own}}" >> {tmp_path}/calls\n'
        'case "$*" in update) exit 0;; *linux-source-9.9) ;; *) echo "E: unable to locate" >&2; exit 100;; esac\n'
        '[ -n "$APT_CONFIG" ] || { echo "E: unable to locate" >&2; exit 100; }\n'
        f'[ "$2" = --print-uris ] || cp {package} .\n'
    )
    fake.chmod(0o755)
    (directory / "apt-cache").write_text("#!/bin/sh\nprintf 'linux-source-%s\\n' 9.9 9.10 rt\n")
    (directory / "apt-cache").chmod(0o755)
    return [directory, *map(Path, os.defpath.split(":"))]


@needs_debian
def test_a_package_is_fetched_with_an_apt_of_its_own_and_unpacked(tmp_path: Path, apt: list[Path]) -> None:
    done = run("9.9", "--dest", str(tmp_path / "k"), path=apt)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/k/linux-9.9\n"), done.stderr
    assert script.is_kernel_tree(tmp_path / "k/linux-9.9")
    assert sorted(entry.name for entry in (tmp_path / "k").iterdir()) == [".lock", "linux-9.9"]
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == "download --print-uris linux-source-9.9 "
    assert calls[-1] == "download linux-source-9.9 own"


@needs_debian
def test_a_package_that_nobody_has_is_said_with_what_there_is(tmp_path: Path, apt: list[Path]) -> None:
    done = run("9.8", "--dest", str(tmp_path / "k"), path=apt)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "kernel: linux-source-9.8: not to be had; Debian has VERSION=9.9, 9.10 today"
    )


@needs_debian
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_end_in_the_middle_leaves_no_half_tree(tmp_path: Path, apt: list[Path], number: signal.Signals) -> None:
    slow = apt[0] / "tar"
    slow.write_text(f"#!/bin/sh\ntouch {tmp_path}/unpacking\nexec sleep 60\n")
    slow.chmod(0o755)
    command = [sys.executable, str(ROOT / "scripts/kernel.py"), "9.9", "--dest", str(tmp_path / "k")]
    environment = {"PATH": ":".join(map(str, apt))}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True) as process:
        while not (tmp_path / "unpacking").exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, number)
        _, errors = process.communicate()
    assert process.returncode != 0
    assert b"Traceback" not in errors
    assert not (tmp_path / "k/linux-9.9").exists()
    slow.unlink()
    assert run("9.9", "--dest", str(tmp_path / "k"), path=apt).returncode == 0
    assert sorted(entry.name for entry in (tmp_path / "k").iterdir()) == [".lock", "linux-9.9"]


ONE_LINE = f"""\
# a comment
deb-src {MIRROR} trixie main
deb [arch=amd64 signed-by={KEYRING}] {MIRROR} trixie main contrib
"""
DEB822 = f"""\
Types: deb deb-src
# http://snapshot.example/
URIs: {MIRROR}
Suites: trixie trixie-updates
Components: main
Signed-By: {KEYRING}

Types: deb
URIs: http://mirror.example/debian-security
Suites: trixie-security
Components: main
"""


def etc(at: Path, **files: str) -> Path:
    """An /etc/apt with these files; a double underscore stands for the dot of the suffix."""
    (at / "sources.list.d").mkdir()
    for name, text in files.items():
        directory = at if name == "sources__list" else at / "sources.list.d"
        (directory / name.replace("__", ".")).write_text(text)
    return at


@pytest.mark.parametrize(
    "files",
    [
        {"sources__list": ONE_LINE},
        {"debian__sources": DEB822},
        {"a_security__sources": DEB822.split("\n\n")[1], "debian__list": ONE_LINE},
        {"node__sources": "Types: deb\nURIs: http://node.example/\nSuites: nodistro\n", "z__sources": DEB822},
        {"a__sources": "Enabled: no\n" + DEB822.replace("mirror", "old"), "b__sources": DEB822},
    ],
)
def test_the_mirror_is_the_one_that_the_machine_uses(tmp_path: Path, files: dict[str, str]) -> None:
    assert script.debian_archive(etc(tmp_path, **files)) == script.Archive(MIRROR, KEYRING)


def test_a_machine_without_a_mirror_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(script.FetchError, match=r"names no mirror of Debian's archive"):
        script.debian_archive(etc(tmp_path, sources__list="deb file:/cdrom trixie main\n"))


@needs_debian
def test_the_own_apt_touches_nothing_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apt: list[Path]
) -> None:
    monkeypatch.setenv("PATH", ":".join(map(str, apt)))  # update runs, but reads nothing
    root = tmp_path / "own"
    environment = script.update("a test", {"debian.list": f"deb {MIRROR} sid main\n"}, root)
    dump = subprocess.run(
        ["apt-config", "dump"], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    ).stdout
    settings = dict(line.rstrip(";").split(" ", 1) for line in dump.splitlines())
    assert settings["Dir::State"] == f'"{root}/state"'
    assert settings["Dir::Cache"] == f'"{root}/cache"'
    assert settings["Dir::Etc::sourceparts"] == f'"{root}/sources.d"'
    assert settings["Dir::Etc::sourcelist"] == '"/dev/null"'
    hooks = [name for name, command in settings.items() if name.startswith("APT::Update") and command != '""']
    assert hooks == []
