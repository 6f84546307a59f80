"""Put Debian's kernel source at .kernel/linux-VERSION, without root and without a change to the system.

    python3 scripts/kernel.py [VERSION] [--dest DIR]

The package linux-source-VERSION is downloaded and verified by apt and unpacked beside its final place, so that a tree
that is there is whole. With PGCONV_KERNEL set that tree is used and nothing is fetched. Python's own library and a
Debian system (apt-get, dpkg-deb, tar, xz) are enough. Exit codes: 0 the tree is there, 2 it could not be had.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ETC = Path("/etc/apt")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
RELEASES = {"6.1": "bookworm", "6.12": "trixie"}
"""The Debian release whose kernel a version is. Every other version is looked for in unstable."""

MARKERS = ("Makefile", "Kbuild", "mm", "include/linux", "arch")


class FetchError(Exception):
    """Why there is no tree, and what to do, in one line."""


@dataclass(frozen=True)
class Archive:
    """A Debian archive as the machine's own apt names it: where it is and the keyring it is signed with."""

    uri: str
    signed_by: str


def is_kernel_tree(tree: Path) -> bool:
    return all((tree / marker).exists() for marker in MARKERS)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Put Debian's kernel source at .kernel/linux-VERSION.")
    parser.add_argument("version", nargs="?", default="6.12", metavar="VERSION", help="of the kernel (default 6.12)")
    parser.add_argument("--dest", type=Path, default=Path(".kernel"), help="where trees are kept (default .kernel)")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        print(kernel(options.version, options.dest))
    except FetchError as error:
        print(f"kernel: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("kernel: interrupted; nothing was left behind", file=sys.stderr)
        return 130
    return 0


def kernel(version: str, dest: Path) -> Path:
    """The path of the tree of `version` ("6.12"), fetched where it is not yet under `dest`."""
    if chosen := os.environ.get("PGCONV_KERNEL"):
        if not is_kernel_tree(Path(chosen)):
            raise FetchError(f"PGCONV_KERNEL={chosen}: not a kernel tree; name an unpacked one, or unset it")
        return Path(chosen)
    if not re.fullmatch(r"\d+\.\d+", version):
        raise FetchError(f"VERSION={version}: give a kernel version such as 6.12")
    tree = dest / f"linux-{version}"
    if is_kernel_tree(tree):
        return tree
    if missing := [tool for tool in ("apt-get", "dpkg-deb", "tar", "xz") if not shutil.which(tool)]:
        raise FetchError(
            f"{', '.join(missing)} not found: fetching takes a Debian system with xz-utils;"
            " elsewhere unpack a kernel and set PGCONV_KERNEL"
        )
    try:
        dest.mkdir(parents=True, exist_ok=True)
        with (dest / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_kernel_tree(tree):
                fetch(version, tree)
    except OSError as error:
        raise FetchError(f"{tree}: {error.strerror or error}") from error
    return tree


def fetch(version: str, tree: Path) -> None:
    """Download, unpack and move into place. The caller holds the lock, so what an earlier killed run left may go."""
    for left in tree.parent.glob(".fetch-*"):
        shutil.rmtree(left, ignore_errors=True)
    if tree.exists():
        raise FetchError(f"{tree}: is there but is not a kernel tree; move it away")
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=tree.parent) as directory:
        work = Path(directory).resolve()
        package = download(f"linux-source-{version}", version, work)
        say(f"unpacking {package.name}")
        run(["dpkg-deb", "-x", str(package), str(work / "package")])
        tarball = work / f"package/usr/src/linux-source-{version}.tar.xz"
        run(["tar", "--no-same-owner", "-xf", str(tarball), "-C", str(work)])
        unpacked = work / f"linux-source-{version}"
        if not is_kernel_tree(unpacked):
            raise FetchError(f"{package.name}: holds no kernel tree at usr/src")
        unpacked.rename(tree)


def download(package: str, version: str, work: Path) -> Path:
    """The path of the package's .deb: as the machine's apt knows it, else through an apt that is set up in `work`."""
    for where, apt in ways(version, work):
        found = run(["apt-get", "download", "--print-uris", package], apt, work, check=False)
        if found.returncode != 0:
            continue
        say(f"downloading {package} ({where})")
        done = run(["apt-get", "download", package], apt, work, check=False)
        if done.returncode == 0:
            return next(work.glob("*.deb"))
        say(last_line(done.stderr))
    raise FetchError(f"{package}: not to be had; {advice(package, work)}")


def ways(version: str, work: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Environments under which apt may know the package, the cheapest first, each with words for it."""
    yield "from the machine's package lists", {}
    if version in RELEASES:
        yield "from the machine's sources", update("the machine's sources", machine_sources(ETC), work / "machine")
    suite = RELEASES.get(version, "unstable")
    archive = debian_archive(ETC)
    line = f"deb [signed-by={archive.signed_by}] {archive.uri} {suite} main\n"
    yield f"from Debian {suite}", update(f"Debian {suite}", {"debian.list": line}, work / suite)


def update(what: str, sources: dict[str, str], root: Path) -> dict[str, str]:
    """An apt with state, cache and sources of its own under `root`, its lists up to date: the environment to run it in.

    The machine's other settings (proxy, certificates) hold; its hooks do not run.
    """
    for directory in ("conf.d", "sources.d", "state/lists/partial", "cache/archives/partial"):
        (root / directory).mkdir(parents=True)
    for setting in sorted((ETC / "apt.conf.d").glob("*")):
        (root / "conf.d" / setting.name).symlink_to(setting)
    for name, text in sources.items():
        (root / "sources.d" / name).write_text(text)
    (root / "conf.d/zz-own").write_text(
        f'Dir::State "{root}/state";\n'
        'Dir::State::status "/var/lib/dpkg/status";\n'
        f'Dir::Cache "{root}/cache";\n'
        'Dir::Etc::sourcelist "/dev/null";\n'
        f'Dir::Etc::sourceparts "{root}/sources.d";\n'
        'Acquire::Languages "none";\n'
        'APT::Sandbox::User "";\n'
        "#clear APT::Update::Pre-Invoke;\n"
        "#clear APT::Update::Post-Invoke;\n"
        "#clear APT::Update::Post-Invoke-Success;\n"
    )
    (root / "apt.conf").write_text(f'Dir::Etc::parts "{root}/conf.d";\n')
    environment = {"APT_CONFIG": str(root / "apt.conf")}
    say(f"reading the package lists of {what}")
    done = run(["apt-get", "update"], environment, root, check=False)
    if done.returncode != 0:
        say(last_line(done.stderr))
    return environment


def machine_sources(etc: Path) -> dict[str, str]:
    """The machine's own source files, by the name they get in a directory of ours."""
    files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    return {
        f"{number}{file.suffix}": file.read_text(errors="replace")
        for number, file in enumerate(files)
        if file.suffix in (".list", ".sources") and file.is_file()
    }


def debian_archive(etc: Path) -> Archive:
    """The mirror of Debian's main archive that the machine's sources name (sources.list(5), both formats).

    It is the first http entry with component main whose suite is a plain release, not security or updates.
    """
    for text in machine_sources(etc).values():
        for uri, suites, components, signed_by in entries(text):
            plain = any("-" not in suite and "/" not in suite for suite in suites)
            if plain and "main" in components and "security" not in uri and uri.startswith("http"):
                return Archive(uri, signed_by or str(KEYRING))
    raise FetchError(f"{etc}: names no mirror of Debian's archive; unpack a kernel yourself and set PGCONV_KERNEL")


def entries(text: str) -> Iterator[tuple[str, list[str], list[str], str]]:
    """(URI, suites, components, keyring file or "") of each binary entry of a .list or a .sources file."""
    for line in text.splitlines():
        if match := re.match(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[\w/.-]+)*)", line):
            options, uri, suite, components = match.groups()
            signed = re.search(r"signed-by=(/\S+)", options or "")
            yield uri, [suite], components.split(), signed[1] if signed else ""
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", plain):
        fields = {key.lower(): value for key, value in re.findall(r"^([\w-]+):[ \t]*(.*)$", stanza, re.MULTILINE)}
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        signed_by = fields.get("signed-by", "")
        for uri in fields.get("uris", "").split():
            keyring = signed_by if signed_by.startswith("/") else ""
            yield uri, fields.get("suites", "").split(), fields.get("components", "").split(), keyring


def advice(package: str, work: Path) -> str:
    """What the lists do hold, so that the reader can ask for it."""
    known = set()
    for configuration in [None, *work.glob("*/apt.conf")]:
        names = run(
            ["apt-cache", "pkgnames", "linux-source-"],
            {"APT_CONFIG": str(configuration)} if configuration else {},
            work,
            check=False,
        ).stdout
        known |= set(re.findall(r"^linux-source-(\d+\.\d+)$", names, re.MULTILINE))
    ordered = sorted(known, key=lambda version: tuple(map(int, version.split("."))))
    if not ordered:
        return "no package list could be read; is the network up?"
    return f"Debian has VERSION={', '.join(ordered)} today"


def run(
    command: list[str], environment: dict[str, str] | None = None, cwd: Path | None = None, *, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """The finished command, its output as text. With check, FetchError says what failed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C", **(environment or {})},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if check and done.returncode != 0:
        raise FetchError(f"{command[0]} failed: {last_line(done.stderr)}")
    return done


def last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def say(text: str) -> None:
    print(f"kernel: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
