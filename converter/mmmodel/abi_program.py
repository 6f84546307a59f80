"""Programs of memory operations, as data: what the oracle runs on the real kernel and on the model.

An operation names its process (0 is the first) and its arguments as plain ints; addresses are byte offsets from the
start of the arena, so that a program says nothing of where the arena lies. Files are numbers: see `FILE_SIZES`.
"""

import random
from typing import NamedTuple

from converter.mmmodel import uapi

ARENA_PAGES = 64
"""Pages of PTE_SIZE in the arena; a page-table boundary lies in its middle."""
PAGE = 4096
"""PTE_SIZE of the machine that the oracle runs on."""
ARENA_SIZE = ARENA_PAGES * PAGE
FILE_SIZES = (24 * PAGE + 100, 9 * PAGE)
"""Bytes of the files; the last one is open for reading only. One page cache each, all of it cached at the start."""
BREAK = (ARENA_PAGES // 2 + 5) * PAGE
"""Where the heap starts."""
MAX_PROCESSES = 4

BOUNDARIES = (
    ("pte", (1 << 39) + (1 << 30) + (1 << 21)),
    ("pmd", (1 << 39) + (1 << 30)),
    ("pud", 1 << 39),
)
"""Page-table levels and a byte address at which a table of that level ends: the middle of the arena."""


class Op(NamedTuple):
    """One operation of process `process`: a name of `OPERATIONS` and its arguments."""

    process: int
    name: str
    args: tuple[int, ...]


OPERATIONS = {
    "mmap": ("addr", "length", "prot", "flags", "file", "offset", "back"),
    "munmap": ("addr", "length"),
    "mprotect": ("addr", "length", "prot"),
    "mremap": ("addr", "old_size", "new_size", "flags", "new_addr"),
    "madvise": ("addr", "length", "advice"),
    "mlock": ("addr", "length"),
    "munlock": ("addr", "length"),
    "mincore": ("addr", "length"),
    "msync": ("addr", "length", "flags"),
    "brk": ("addr",),
    "fork": ("child",),
    "exit": (),
    "read": ("addr", "length"),
    "write": ("addr", "length", "byte"),
}
"""Operations and their arguments. A mapping that the kernel places outside the arena is moved back in: mmap to `back`,
mremap (MAYMOVE without FIXED) to `new_addr`. `file` -1 is anonymous memory, `addr` -1 of mmap no
address at all."""

_WEIGHTS = {
    "mmap": 16,
    "munmap": 7,
    "mprotect": 9,
    "mremap": 12,
    "madvise": 10,
    "mlock": 2,
    "munlock": 1,
    "mincore": 1,
    "msync": 1,
    "brk": 3,
    "fork": 2,
    "exit": 1,
    "read": 12,
    "write": 24,
}
_PROTS = (0, 1, 3, 3, 3, 3, 1, 2, 5, 7)
_ADVICE = (
    *(uapi.MADV_DONTNEED,) * 6,
    *(uapi.MADV_REMOVE,) * 2,
    *(uapi.MADV_POPULATE_READ, uapi.MADV_POPULATE_WRITE) * 2,
    uapi.MADV_NORMAL,
    uapi.MADV_RANDOM,
    uapi.MADV_SEQUENTIAL,
    uapi.MADV_WILLNEED,
    uapi.MADV_COLD,
    uapi.MADV_DONTFORK,
    uapi.MADV_DOFORK,
    uapi.MADV_WIPEONFORK,
    uapi.MADV_KEEPONFORK,
    uapi.MADV_DONTDUMP,
    uapi.MADV_DODUMP,
    -1,
)


_START_MAPPINGS = 4


class Generator:
    """Random operations of one program. MADV_FREE and MADV_PAGEOUT never meet: what the two leave is up to the LRU."""

    def __init__(self, rng: random.Random, brk: bool = True) -> None:
        self._rng = rng
        weights = dict(_WEIGHTS) if brk else {**_WEIGHTS, "brk": 0}
        self._names = list(weights)
        self._weights = list(weights.values())
        self._advice = (*_ADVICE, *(rng.choice((uapi.MADV_FREE, uapi.MADV_PAGEOUT)),) * 3)
        self._processes = [0]
        self._mapped: dict[int, int] = {}  # page -> protection
        self._started = 0
        self._hot = [ARENA_PAGES // 2, rng.randrange(ARENA_PAGES), rng.randrange(0, ARENA_PAGES, 16)]

    def op(self) -> Op:
        """The next operation."""
        rng = self._rng
        if self._started < _START_MAPPINGS:
            self._started += 1
            return Op(0, "mmap", self._mmap())
        process = 0 if rng.random() < 0.7 else rng.choice(self._processes)
        name = rng.choices(self._names, self._weights)[0]
        if name == "exit" and process == 0:
            name = "write"
        if name == "fork":
            free = sorted(set(range(1, MAX_PROCESSES)) - set(self._processes))
            if not free:
                name = "read"
            else:
                self._processes.append(free[0])
                return Op(process, name, (free[0],))
        if name == "exit":
            self._processes.remove(process)
            return Op(process, name, ())
        method = getattr(self, f"_{name}", self._range)
        args: tuple[int, ...] = method()
        if process == 0 and args:
            self._follow(name, args)
        return Op(process, name, args)

    def _follow(self, name: str, args: tuple[int, ...]) -> None:
        """Keep in mind, roughly, which pages are mapped: most operations should find something there."""
        pages = _pages(args[6] if name == "mmap" and args[0] < 0 else args[0], args[1]) if len(args) > 1 else ()
        prot = self._mapped.get(args[0] // PAGE, 0)
        if name == "mmap":
            self._mapped.update(dict.fromkeys(pages, args[2]))
        elif name == "mprotect":
            self._mapped.update({page: args[2] for page in pages if page in self._mapped})
        elif name == "munmap" or (name == "mremap" and args[3] & 5 == uapi.MREMAP_MAYMOVE):
            for page in pages:
                self._mapped.pop(page, None)
        if name == "mremap" and args[3] & uapi.MREMAP_MAYMOVE:
            self._mapped.update(dict.fromkeys(_pages(args[4], args[2]), prot))

    def _page(self, prot: int = 0) -> int:
        """A page of the arena, most often one that is mapped with at least `prot`, or one near a boundary."""
        rng = self._rng
        if rng.random() < 0.85:
            fitting = sorted(page for page, found in self._mapped.items() if found & prot == prot)
            if fitting:
                return rng.choice(fitting)
        if rng.random() < 0.5:
            return min(ARENA_PAGES - 1, max(0, rng.choice(self._hot) + rng.randint(-6, 6)))
        return rng.randrange(ARENA_PAGES)

    def _range(self) -> tuple[int, int]:
        """(addr, length) inside the arena; rarely misaligned, empty or not a multiple of a page."""
        rng = self._rng
        page = self._page()
        count = min(rng.choice((1, 1, 1, 2, 2, 3, 4, 6, 8, 12, 16, 24)), ARENA_PAGES - page)
        addr, length, luck = page * PAGE, count * PAGE, rng.random()
        if luck < 0.02:
            addr += rng.choice((1, 8, 2048))
        elif luck < 0.03:
            length = 0
        elif luck < 0.12:
            length -= rng.choice((1, 100, PAGE - 1))
        return addr, length

    def _mmap(self) -> tuple[int, ...]:
        rng = self._rng
        addr, length = self._range()
        if rng.random() < 0.4:
            length = min(length + rng.randrange(24) * PAGE, ARENA_SIZE - addr)
        prot = rng.choice(_PROTS)
        file = rng.choice((-1, -1, -1, -1, 0, 0, 0, 1))
        flags = rng.choice((uapi.MAP_PRIVATE, uapi.MAP_PRIVATE, uapi.MAP_SHARED))
        if rng.random() < 0.02:
            flags = rng.choice((0, uapi.MAP_SHARED_VALIDATE))
        if file < 0:
            flags |= uapi.MAP_ANONYMOUS
        flags |= rng.choice((uapi.MAP_FIXED,) * 8 + (uapi.MAP_FIXED_NOREPLACE, 0))
        for flag, chance in (
            (uapi.MAP_POPULATE, 0.1),
            (uapi.MAP_NORESERVE, 0.05),
            (uapi.MAP_LOCKED, 0.02),
            (uapi.MAP_GROWSDOWN, 0.05),
        ):
            if rng.random() < chance:
                flags |= flag
        offset = rng.randrange(28) * PAGE if file >= 0 else 0
        if rng.random() < 0.02:
            offset += 512
        if rng.random() < 0.03:
            addr, flags = -1, flags & ~(uapi.MAP_FIXED | uapi.MAP_FIXED_NOREPLACE)
        return addr, length, prot, flags, file, offset, self._room(length)

    def _room(self, length: int) -> int:
        """A place in the arena for `length` bytes."""
        return self._rng.randrange(ARENA_PAGES - -(-length // PAGE) + 1) * PAGE

    def _mprotect(self) -> tuple[int, ...]:
        return (*self._range(), self._rng.choice(_PROTS))

    def _mremap(self) -> tuple[int, ...]:
        rng = self._rng
        addr, old_size = self._range()
        new_size = old_size
        luck = rng.random()
        if luck < 0.35:
            new_size = min(rng.choice((1, 2, 3, 4, 6, 8, 16)) * PAGE, ARENA_SIZE)
        if luck < 0.05:
            old_size = 0
        flags = rng.choice((0, 1, 1, 3, 3, 3, 3, 3, 3, 5, 7, 7))
        if rng.random() < 0.02:
            flags = rng.choice((2, 4, 6, 8))
        if flags & uapi.MREMAP_DONTUNMAP and rng.random() < 0.9:
            new_size = old_size
        new_size = min(new_size, ARENA_SIZE - addr)
        new_addr = self._room(new_size)
        if rng.random() < 0.02:
            new_addr += 16
        return addr, old_size, new_size, flags, new_addr

    def _madvise(self) -> tuple[int, ...]:
        return (*self._range(), self._rng.choice(self._advice))

    def _msync(self) -> tuple[int, ...]:
        return (*self._range(), self._rng.choice((1, 2, 4, 4, 5, 6, 8)))

    def _brk(self) -> tuple[int, ...]:
        return (BREAK + self._rng.randint(-1, 14) * PAGE + self._rng.choice((0, 0, 1, 700)),)

    def _access(self, prot: int) -> tuple[int, int]:
        offset = self._rng.choice((0, 0, 8, 4000, self._rng.randrange(PAGE)))
        return self._page(prot) * PAGE + offset, min(self._rng.choice((1, 8, 64)), PAGE - offset)

    def _read(self) -> tuple[int, ...]:
        return self._access(uapi.PROT_READ)

    def _write(self) -> tuple[int, ...]:
        return (*self._access(uapi.PROT_WRITE), self._rng.randrange(1, 256))


def _pages(addr: int, length: int) -> range:
    return range(max(addr, 0) // PAGE, min(-(-(addr + length) // PAGE), ARENA_PAGES))


def file_content(file: int) -> bytes:
    """The bytes of a file at the start: every page distinct."""
    size = FILE_SIZES[file]
    pages = [bytes([file * 100 + page + 1]) * 16 + bytes(PAGE - 16) for page in range(-(-size // PAGE))]
    return b"".join(pages)[:size]
