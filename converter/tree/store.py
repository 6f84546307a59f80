"""One SQLite file that several scans share, and that may vanish or rot at any time.

Whatever is wrong with it, the scan goes on: a damaged file is dropped and made anew, one that stays locked or cannot be
written is not used for the rest of the run. WAL mode (sqlite.org/wal.html) lets one scan write while others read, and
undoes what a killed scan had begun.
"""

import contextlib
import fcntl
import os
import secrets
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from converter.tree.problems import shown

V = TypeVar("V")

FORMAT = 2
"""Changes with the tables; part of the file's name, so that versions of the tool do not drop each other's work."""

PATIENCE = 3.0
"""Seconds to wait for another scan."""

_TABLES = """
CREATE TABLE generation (id INTEGER PRIMARY KEY, kind TEXT, key TEXT, used INTEGER, UNIQUE (kind, key));
CREATE TABLE value (generation INTEGER, digest BLOB, crc INTEGER, data BLOB, UNIQUE (generation, digest));
CREATE TABLE stat_index (root BLOB PRIMARY KEY, used INTEGER, crc INTEGER, data BLOB);
"""

_PAGE_SIZE = "PRAGMA page_size = 16384"
"""Of a new file: a solved graph is one large value, and SQLite chains its pages one by one."""

_NO_SYNC = "PRAGMA synchronous = OFF"
"""No waiting for the disk: what a power failure leaves of the file is met like any other damage."""

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_UNUSABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR}


class Store:
    """The SQLite file scan-N.sqlite in a directory that is made if need be; None for a store that keeps nothing.

    All who have the file open hold a shared lock on another one beside it, and who replaces it needs that lock alone: a
    database removed while a process has it open can damage its successor (sqlite.org/howtocorrupt.html, 4.2).
    """

    def __init__(self, directory: str | None) -> None:
        self.warnings: list[str] = []
        self.path = ""
        self._database: sqlite3.Connection | None = None
        self._lock: int | None = None
        if directory is not None:
            self.path = os.path.join(directory, f"scan-{FORMAT}.sqlite")
            self._open(directory)

    @property
    def usable(self) -> bool:
        """Is the file there, as far as is known?"""
        return self._database is not None

    def run(self, action: Callable[[sqlite3.Connection], V], otherwise: V, write: bool = False) -> V:
        """What `action` makes of the database, in one transaction; `otherwise` where there is none, or not any more."""
        database = self._database
        if database is None:
            return otherwise
        try:
            database.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            result = action(database)
            database.execute("COMMIT")
            return result
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.Error as error:
            self._failed(error)
            return otherwise
        finally:
            if self._database is database and database.in_transaction:
                database.execute("ROLLBACK")

    def empty(self) -> None:
        """Delete everything and give the space back; scans that have the file open find nothing any more."""

        def delete(database: sqlite3.Connection) -> None:
            for table in ("generation", "value", "stat_index"):
                database.execute(f"DELETE FROM {table}")

        self.run(delete, None, write=True)
        if self._database is not None:
            # Only space is at stake: a scan that reads just now may keep it.
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("VACUUM")

    def close(self) -> None:
        """Let go of the file."""
        self._disconnect()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _open(self, directory: str) -> None:
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            if os.stat(directory).st_uid != os.geteuid():
                # Under sudo: files of root's would lock the owner out.
                return
            self._lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            if not self._obtain(None):
                self._give_up("is locked by another scan")
        except OSError:
            self.close()
        except sqlite3.Error as error:
            self._failed(error)

    def _failed(self, error: sqlite3.Error) -> None:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code & 0xFF in _LOCKED:
            self._give_up("is locked by another scan")
        elif code & 0xFF in _UNUSABLE and code != sqlite3.SQLITE_IOERR_SHORT_READ:
            self._give_up(f"cannot be used ({error})")
        elif code & 0xFF == sqlite3.SQLITE_FULL:
            self._give_up("cannot grow: no space left")
        else:
            self._replace_damaged()

    def _replace_damaged(self) -> None:
        """The rows that could still be read are given up too: no part of a damaged file is worth a doubt."""
        try:
            if self._obtain(self._identity()):
                self.warnings.append(f"{shown(self.path)}: the cache was damaged and is made anew")
            else:
                self._give_up("is damaged, and other scans have it open")
        except (sqlite3.Error, OSError) as error:
            self._give_up(f"is damaged and cannot be replaced ({error})")

    def _give_up(self, why: str) -> None:
        self.warnings.append(f"{shown(self.path)}: the cache {why}; going on without it")
        self.close()

    def _obtain(self, bad: int | None) -> bool:
        """Open the database, or a new one where there is none, it is not usable, or it is `bad`; False after PATIENCE.

        The lock is taken at once or not at all, and the database looked at again each time: another scan may have made
        a new one meanwhile. Raises sqlite3.Error and OSError where waiting does not help.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            self._disconnect()
            if self._locked(fcntl.LOCK_SH):
                if self._connect(bad):
                    return True
                self._disconnect()
                if self._locked(fcntl.LOCK_EX):
                    if not self._connect(bad):
                        self._disconnect()
                        self._create()
                    self._locked(fcntl.LOCK_SH)
                    return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)

    def _locked(self, kind: int) -> bool:
        assert self._lock is not None
        try:
            fcntl.flock(self._lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            # What was held before is lost with the attempt to change it (flock(2)).
            return False
        return True

    def _connect(self, bad: int | None) -> bool:
        """Open the database; whether it is ready for use. Raises sqlite3.Error when that cannot be told."""
        self._database = database = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        try:
            database.execute(_NO_SYNC)
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA cell_size_check = ON")
            ready = database.execute("PRAGMA user_version").fetchone()[0] == FORMAT
            return ready and (bad is None or self._identity() != bad)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _LOCKED | _UNUSABLE:
                raise
            return False

    def _identity(self) -> int | None:
        """The random number given to the database when it was made; None where it cannot be read."""
        with contextlib.suppress(sqlite3.Error):
            if self._database is not None:
                return int(self._database.execute("PRAGMA application_id").fetchone()[0])
        return None

    def _create(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            if os.path.lexists(self.path + suffix):
                os.unlink(self.path + suffix)
        self._database = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        os.chmod(self.path, 0o600)
        self._database.execute(_NO_SYNC)
        self._database.execute(_PAGE_SIZE)
        self._database.execute("PRAGMA journal_mode = WAL")
        identity = secrets.randbelow(2**31 - 1) + 1
        self._database.executescript(
            f"BEGIN; {_TABLES} PRAGMA application_id = {identity}; PRAGMA user_version = {FORMAT}; COMMIT;"
        )

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
