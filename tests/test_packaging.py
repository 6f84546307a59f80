"""The wheel: what it holds, and that what it installs works from any directory, without the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import converter
from converter import data
from converter.errors import InputError
from tests.conftest import ROOT
from tests.test_help import COMMANDS


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pgconv's wheel, built without a network by the backend that the dev extra installs."""
    directory = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(directory)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True, capture_output=True)
    return next(directory.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of a fresh environment with that wheel; its dependencies are those of this environment."""
    home = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(home, symlinks=True)
    python = home / "bin/python"
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", *options, wheel], check=True)
    site = sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)})
    # Python does not read the .pth files of a directory that a .pth file names, so the checkout stays out of reach.
    (Path(site) / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return home / "bin"


def run(command: list[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def where(installed: Path, cwd: Path, name: str) -> Path:
    program = f"import converter.data; print(converter.data.path({name!r}))"
    return Path(run([installed / "python", "-c", program], cwd).stdout.strip())


def test_the_wheel_holds_every_rule_and_the_demo_tree_unchanged(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        shipped = {name.removeprefix("converter/_data/"): name for name in names if name.startswith("converter/_data/")}
        files = [file for top in ("rules", "fixtures/tree") for file in (ROOT / top).rglob("*") if file.is_file()]
        different = [
            file for file in files if archive.read(shipped[file.relative_to(ROOT).as_posix()]) != file.read_bytes()
        ]
    assert different == []
    assert not [name for name in names if not name.startswith(("converter/", "pgconv-"))]


def test_the_wheel_names_its_licence_and_python(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"pgconv-{converter.__version__}.dist-info/METADATA").decode()
    assert "License-Expression: GPL-2.0-only" in metadata
    assert "Requires-Python: >=3.11" in metadata


def test_an_installed_pgconv_reads_its_own_files_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    for name in ("rules", "fixtures/tree"):
        assert where(installed, tmp_path, name).is_relative_to(installed.parent)


def test_an_installed_pgconv_names_its_version_and_that_of_its_rules(installed: Path, tmp_path: Path) -> None:
    done = run([installed / "pgconv", "--version"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert converter.__version__ in done.stdout
    assert data.rules_version() in done.stdout


def test_an_installed_pgconv_scans_the_demo_tree_from_any_directory(installed: Path, tmp_path: Path) -> None:
    tree = where(installed, tmp_path, "fixtures/tree")
    done = run([installed / "pgconv", "scan", tree, "--format", "json"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["summary"]["family"] > 120


def test_an_installed_pgconv_writes_pages(installed: Path, tmp_path: Path) -> None:
    done = run([installed / "pgconv", "report", where(installed, tmp_path, "fixtures/tree"), "-o", "x.html"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x.html").read_bytes().endswith(b"</html>\n")


def test_a_new_user_needs_nothing_but_the_program(installed: Path, tmp_path: Path) -> None:
    """An empty home, no variable but PATH: commands say what they do, and a scan makes its cache where it belongs."""
    tree = where(installed, tmp_path, "fixtures/tree")
    home = tmp_path / "home"
    home.mkdir()

    def user(*arguments: object) -> subprocess.CompletedProcess[str]:
        environment = {"HOME": str(home), "PATH": f"{installed}:{os.defpath}"}
        command = ["pgconv", *map(str, arguments)]
        return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)

    for words in COMMANDS:
        assert "Example: " in user(*words, "--help").stdout, words
    first, second = user("scan", tree), user("scan", tree)
    assert (first.returncode, first.stderr) == (0, "")
    assert second.stdout == first.stdout
    assert [path.name for path in home.iterdir()] == [".cache"]
    assert [path.name for path in (home / ".cache").iterdir()] == ["pgconv"]


def test_the_version_of_the_rules_follows_their_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules").mkdir()
    rule = tmp_path / "rules/a.toml"
    monkeypatch.setattr(data, "_ROOTS", (tmp_path,))
    versions = []
    for text in ("a = 1", "a = 2", "a = 1"):
        rule.write_text(text)
        data.rules_version.cache_clear()
        versions.append(data.rules_version())
    data.rules_version.cache_clear()
    assert versions[0] == versions[2] != versions[1]
    assert re.fullmatch(r"[0-9a-f]{12}", versions[0])


def test_a_file_that_did_not_travel_is_named() -> None:
    with pytest.raises(InputError, match=r"rules/none\.toml: missing from this installation"):
        data.path("rules/none.toml")
