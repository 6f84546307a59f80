"""The cache's file under everything that can happen to a file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converter.tree import open_tree, store
from converter.tree.cache import Cache, open_cache
from converter.tree.entry import blob_id
from tests.tree.conftest import write_files
from tests.tree.test_cache import settled
from tests.tree.workers import VALUES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory for each test, and little patience with locks."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(store, "PATIENCE", 0.2)
    return tmp_path / "xdg/pgconv"


@pytest.fixture
def database(home: Path) -> Path:
    """The file of a cache that holds VALUES."""
    with open_cache() as cache:
        cache.put_many("sites", "k", VALUES)
    (path,) = home.glob("*.sqlite")
    return path


def found() -> tuple[dict[str, bytes], tuple[str, ...]]:
    """What a scan finds of VALUES, and its warnings; what is missing it puts back."""
    with open_cache() as cache:
        known = cache.get_many("sites", "k", VALUES)
        cache.put_many("sites", "k", {digest: value for digest, value in VALUES.items() if digest not in known})
        return known, cache.warnings


def test_a_sound_file_is_believed(database: Path) -> None:
    assert found() == (VALUES, ())


@pytest.mark.parametrize("share", [0.999, 0.9, 0.5, 0.1, 0.001, 0])
def test_a_truncated_file_is_dropped_and_made_anew(database: Path, share: float) -> None:
    os.truncate(database, int(database.stat().st_size * share))
    known, warnings = found()
    assert known.items() <= VALUES.items()
    assert len(warnings) <= 1
    found()  # what was read before the damage was met went with the file
    assert found() == (VALUES, ())


@pytest.mark.parametrize("garbage", [b"not a database at all\n" * 1000, b"\0" * 100_000, b"x", b""])
def test_a_file_of_garbage_is_dropped_and_made_anew(database: Path, garbage: bytes) -> None:
    database.write_bytes(garbage)
    assert found()[0] == {}
    assert found() == (VALUES, ())


def test_a_damaged_value_is_not_believed_and_counted(database: Path) -> None:
    longest = max(VALUES, key=lambda digest: len(VALUES[digest]))
    content = database.read_bytes()
    at = content.index(VALUES[longest][:500]) + 100
    database.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    known, warnings = found()
    assert known == {digest: value for digest, value in VALUES.items() if digest != longest}
    assert warnings == (f"{database}: 1 damaged row of the cache not used",)
    assert found() == (VALUES, ())


def test_a_value_that_damage_moves_to_another_key_is_not_believed(database: Path) -> None:
    with open_cache() as cache:
        cache.put_one("sites", "other", "aa", b"other")
    connection = sqlite3.connect(database)
    connection.execute("UPDATE value SET generation = 3 - generation")
    connection.commit()
    connection.close()
    assert found()[0] == {}


def test_a_damaged_index_of_digests_is_not_believed(database: Path, tree: Path) -> None:
    write_files(tree, {f"mm/{number}.c": "" for number in range(50)})
    opened = settled(tree)
    with open_cache() as cache:
        cache.remember_digests(opened, {entry.path: blob_id(b"") for entry in opened.entries})
    content = database.read_bytes()
    at = content.index(bytes.fromhex(blob_id(b"")) * 10)
    database.write_bytes(content[:at] + b"\x00" + content[at + 1 :])
    with open_cache() as cache:
        assert cache.digests(opened) == {}
        assert len(cache.warnings) == 1


@given(
    spots=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=40)), min_size=1),
    cut=st.floats(0.2, 1),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_stops_a_scan_or_is_believed(
    tmp_path_factory: pytest.TempPathFactory, spots: list[tuple[float, bytes]], cut: float
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("xdg")))
        found()
        (path,) = Path(os.environ["XDG_CACHE_HOME"], "pgconv").glob("*.sqlite")
        content = bytearray(path.read_bytes())
        size = len(content)
        for place, noise in spots:
            at = int(place * size)
            content[at : at + len(noise)] = noise
        path.write_bytes(content[: int(cut * size)])
        for _ in range(3):
            assert found()[0].items() <= VALUES.items()
        assert found()[0] == VALUES


def test_a_stale_log_beside_the_file_is_no_harm(database: Path) -> None:
    database.with_name(database.name + "-wal").write_bytes(os.urandom(50_000))
    database.with_name(database.name + "-shm").write_bytes(os.urandom(32_768))
    assert found()[0].items() <= VALUES.items()
    found()
    assert found() == (VALUES, ())


@pytest.mark.parametrize("name", ["scan-2.sqlite", "scan-2.sqlite.lock"])
def test_a_directory_in_place_of_a_file_does_not_stop_a_scan(home: Path, name: str) -> None:
    (home / name).mkdir(parents=True)
    with open_cache() as cache:
        cache.put_one("sites", "k", "aa", b"1")
        assert cache.get_one("sites", "k", "aa") is None
        assert len(cache.warnings) <= 1


def test_a_file_that_vanishes_in_the_middle_does_not_stop_a_scan(home: Path, database: Path) -> None:
    with open_cache() as cache:
        for path in home.iterdir():
            path.unlink()
        cache.put_one("sites", "k", "aa", b"1")
        cache.get_one("sites", "k", "aa")
    assert found()[0] == {}
    assert found() == (VALUES, ())


# Several scans


def test_a_file_locked_for_long_is_not_used_and_said_so_once(database: Path) -> None:
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with open_cache() as cache:
        assert cache.get_many("sites", "k", VALUES) == VALUES
        cache.put_one("sites", "k", "aa", b"1")
        assert cache.get_many("sites", "k", VALUES) == {}
        assert cache.warnings == (f"{database}: the cache is locked by another scan; going on without it",)
    holder.close()
    assert found() == (VALUES, ())


def test_two_scans_see_each_others_values() -> None:
    with open_cache() as one, open_cache() as other:
        one.put_one("sites", "k", "aa", b"1")
        assert other.get_one("sites", "k", "aa") == b"1"
        other.put_one("sites", "k", "bb", b"2")
        assert one.get_many("sites", "k", ["aa", "bb"]) == {"aa": b"1", "bb": b"2"}


def test_a_damaged_file_is_not_replaced_under_another_scan(database: Path) -> None:
    with open_cache() as other, open_cache() as cache:
        inode = database.stat().st_ino
        damage_under(cache)
        assert cache.get_many("sites", "k", VALUES) == {}
        assert cache.warnings == (
            f"{database}: the cache is damaged, and other scans have it open; going on without it",
        )
        assert database.stat().st_ino == inode
        assert other.warnings == ()


def test_a_file_found_damaged_in_the_middle_is_replaced_and_used(database: Path) -> None:
    with open_cache() as cache:
        damage_under(cache)
        assert cache.get_many("sites", "k", VALUES) == {}
        assert cache.warnings == (f"{database}: the cache was damaged and is made anew",)
        cache.put_many("sites", "k", VALUES)
        assert cache.get_many("sites", "k", VALUES) == VALUES
    assert found() == (VALUES, ())


def damage_under(cache: Cache) -> None:
    """Leave the header as it is and overwrite all tables."""
    with open(cache._store.path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(100)
        file.write(b"\xff" * (size - 100))


WRITER = """
import sys
from converter.tree.cache import open_cache
from tests.tree.workers import VALUES
who, rounds = sys.argv[1], int(sys.argv[2])
with open_cache() as cache:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(rounds):
        cache.put_many("sites", f"{who} {number}", VALUES)
        cache.get_many("sites", "k", VALUES)
print(*cache.warnings, sep="\\n", end="", flush=True)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Callable[[str, int], subprocess.Popen[str]]]:
    """Starts a process that opens the cache and, on a line of input, writes VALUES under as many keys as asked."""
    started: list[subprocess.Popen[str]] = []

    def start(who: str, rounds: int) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", WRITER, who, str(rounds)],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_scans_at_once_lose_nothing(writer: Callable[[str, int], subprocess.Popen[str]]) -> None:
    scans = {who: writer(who, 8) for who in ("one", "two", "three")}
    for scan in scans.values():
        assert scan.stdout is not None
        assert scan.stdout.readline() == "ready\n"
    assert [scan.communicate("go\n", timeout=30)[0] for scan in scans.values()] == ["", "", ""]
    with open_cache() as cache:
        for who in scans:
            for number in range(8):
                assert cache.get_many("sites", f"{who} {number}", VALUES) == VALUES


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03, 0.1])
def test_a_scan_killed_in_the_middle_leaves_whole_values(
    writer: Callable[[str, int], subprocess.Popen[str]], delay: float
) -> None:
    scan = writer("killed", 10_000)
    assert scan.stdin is not None
    assert scan.stdout is not None
    assert scan.stdout.readline() == "ready\n"
    scan.stdin.write("go\n")
    scan.stdin.flush()
    time.sleep(delay)
    scan.send_signal(signal.SIGKILL)
    scan.wait()
    with open_cache() as cache:
        kept = [len(cache.get_many("sites", f"killed {number}", VALUES)) for number in range(200)]
        assert set(kept) <= {0, len(VALUES)}
        assert kept == sorted(kept, reverse=True)
        assert cache.warnings == ()
    found()
    assert found() == (VALUES, ())


def test_the_cache_of_a_tree_is_shared_between_scans_of_it(tree: Path) -> None:
    opened = settled(tree)
    with open_cache() as one, open_cache() as other:
        one.remember_digests(opened, {"mm/mmap.c": "aa" * 20})
        other.remember_digests(opened, {"mm/internal.h": "bb" * 20})
        assert one.digests(open_tree(tree)) == {"mm/internal.h": "bb" * 20}
