"""The machine and its address spaces: the public face of the model.

System calls take byte addresses and lengths, and return what the kernel's own return: a non-negative int, or -errno.
Running out of simulated memory is a result (-ENOMEM, and `Machine.ooms` counts it), never an exception.
"""

import errno
from typing import Literal, NamedTuple

import numpy as np

from converter.errors import InputError
from converter.mmmodel import advice, forking, invariants, mapping, populate, reclaim, remap, waste
from converter.mmmodel.fault import Result, handle_fault
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.pagecache import File, Store
from converter.mmmodel.pagetable import DIRTY, PFN_SHIFT, PRESENT, WRITABLE, PageTable, TableStore
from converter.mmmodel.pagetable import TableStrategy as TableStrategy
from converter.mmmodel.physmem import ANON, FREE, KERNEL, PhysicalMemory
from converter.mmmodel.physmem import FILE as FILE_PAGE
from converter.mmmodel.swap import Swap
from converter.mmmodel.vma import VM_ACCESS_FLAGS, VM_EXEC, VM_MAYSHARE, VM_READ, VM_WRITE, AnonVma, VmaTree

Crossing = Literal["naive", "straddle"]


class MapsRow(NamedTuple):
    """One line of /proc/PID/maps: byte addresses, PROT_* bits, byte offset into `file` (0 and None if anonymous)."""

    start: int
    end: int
    prot: int
    shared: bool
    offset: int
    file: File | None

    def perms(self) -> str:
        """The permissions column, such as "rw-p"."""
        letters = "".join(c if self.prot & bit else "-" for c, bit in (("r", VM_READ), ("w", VM_WRITE), ("x", VM_EXEC)))
        return letters + ("s" if self.shared else "p")


class Machine:
    """RAM, swap, a page cache and the address spaces on it.

    ram, swap: bytes. tables: how 4 KiB page tables are put into pages of PG_SIZE. crossing: what an anonymous fault
    does with a page whose PTEs lie in two page tables: different pages on the two sides ("naive"), or one across
    ("straddle").
    """

    def __init__(
        self,
        geometry: Geometry,
        *,
        ram: int = 1 << 30,
        swap: int = 0,
        tables: TableStrategy = "whole-page",
        crossing: Crossing = "naive",
    ) -> None:
        if crossing not in ("naive", "straddle"):
            raise InputError(f"unknown crossing strategy {crossing!r}: naive or straddle")
        if tables not in ("whole-page", "packed", "batch"):
            raise InputError(f"unknown page-table strategy {tables!r}: whole-page, packed or batch")
        self.geometry = geometry
        self.crossing = crossing
        self.ram = ram
        self.memory = PhysicalMemory(geometry, ram)
        self.swap = Swap(geometry, swap)
        self.table_store = TableStore(self, tables)
        self.mms: list[MM] = []
        self.files: dict[int, File] = {}
        self.anon_vmas: dict[int, AnonVma] = {}
        self.ooms = 0  # allocations that failed with nothing left to reclaim
        self.reclaims = 0  # times that reclaim ran
        self.swap_ins = 0  # PTEs brought back from swap
        self.swap_outs = 0  # PTEs sent to swap
        self.copied_ptes = 0  # PTE_SIZE parts copied on write
        self.clock_hand = 0  # where reclaim goes on looking (PG units)
        self._idents = 0
        zero = self.memory.alloc(KERNEL)
        if zero is None:
            raise InputError(f"ram of {ram} bytes is too little for a machine with {geometry}")
        self.zero_pfn = geometry.page_to_pfn(zero)

    def spawn(self, brk: int = 0x5555_5555_0000) -> "MM":
        """A new, empty address space whose heap would start at byte address `brk`."""
        mm = MM(self, self.next_ident(), brk)
        self.mms.append(mm)
        return mm

    def file(self, content: bytes | int, name: str = "file", writable: bool = True, store: Store = "disk") -> File:
        """A file with these bytes, or of this many zero bytes; `writable`: is it open for writing."""
        file = File(self, self.next_ident(), name, content, writable, store)
        self.files[file.ident] = file
        return file

    def shared_anonymous(self, size: int) -> File:
        """What shmem_zero_setup() puts behind a shared anonymous mapping of `size` bytes."""
        return self.file(size, "/dev/zero (deleted)", store="anonymous")

    def next_ident(self) -> int:
        """A number no other object of this machine has."""
        self._idents += 1
        return self._idents

    def new_anon_vma(self, parent: AnonVma | None) -> AnonVma:
        """An anon_vma that pages can name."""
        anon_vma = AnonVma(self.next_ident(), parent)
        self.anon_vmas[anon_vma.ident] = anon_vma
        return anon_vma

    def drop_anon_vma(self, anon_vma: AnonVma) -> None:
        """The last area has left it."""
        del self.anon_vmas[anon_vma.ident]

    def release_file(self, file: File) -> None:
        """Shared anonymous memory ends with its last mapping; a file stays in the page cache."""
        if file.store == "anonymous" and not file.mapped_by:
            for index in list(file.pages):
                file.drop(index)
            del self.files[file.ident]

    def alloc_page(self, kind: int) -> int | None:
        """One order-0 page with refcount 1, after reclaim if need be; None, counted as an OOM, if nothing helps."""
        page = self.memory.alloc(kind)
        if page is None and reclaim.reclaim(self):
            page = self.memory.alloc(kind)
        if page is None:
            self.ooms += 1
        elif self.memory.below_low():
            reclaim.balance(self)
        return page

    def drop_caches(self) -> int:
        """Free the clean page-cache pages that nothing maps; returns how many (PG units)."""
        return reclaim.drop_caches(self)

    def memory_use(self) -> dict[str, int]:
        """Bytes by use: total, free, anon, file, tables, kernel (zero page and struct pages), swap_used."""
        kinds = np.bincount(self.memory.kind, minlength=KERNEL + 1) << self.geometry.pg_shift
        return {
            "total": self.memory.pages << self.geometry.pg_shift,
            "free": int(kinds[FREE]),
            "anon": int(kinds[ANON]),
            "file": int(kinds[FILE_PAGE]),
            "tables": self.table_store.pages << self.geometry.pg_shift,
            "kernel": int(kinds[KERNEL]),
            "swap_used": self.swap.used_slots << self.geometry.pte_shift,
        }

    def waste(self) -> dict[str, int]:
        """Bytes by cause over all address spaces and the page cache: see waste.py for the causes."""
        return waste.machine_waste(self)

    def check(self) -> None:
        """All invariants of all address spaces; InvariantError names the first that is broken."""
        invariants.check(self)


class MM:
    """One address space (struct mm_struct)."""

    def __init__(self, machine: Machine, ident: int, brk: int) -> None:
        self.machine = machine
        self.geometry = machine.geometry
        self.ident = ident
        self.vmas = VmaTree()
        self.tables = PageTable(machine.geometry, machine.table_store, ident)
        self.start_brk = self.break_ = brk
        self.rss_anon = 0  # PTEs that map anonymous pages
        self.rss_file = 0  # PTEs that map page-cache pages
        self.swapped = 0  # PTEs that hold a swap slot
        self.faults = 0

    def mmap(self, addr: int, length: int, prot: int, flags: int, file: File | None = None, offset: int = 0) -> int:
        """mmap(2): the address, or -errno. Without MAP_ANONYMOUS and without a file it is -EBADF."""
        return mapping.mmap(self, addr, length, prot, flags, file, offset)

    def munmap(self, addr: int, length: int) -> int:
        """munmap(2)."""
        return mapping.munmap(self, addr, length)

    def mprotect(self, addr: int, length: int, prot: int) -> int:
        """mprotect(2)."""
        return mapping.mprotect(self, addr, length, prot)

    def brk(self, addr: int) -> int:
        """The system call behind brk(2): the new, or on failure the unchanged, program break."""
        return mapping.brk(self, addr)

    def mremap(self, old: int, old_size: int, new_size: int, flags: int, new_addr: int = 0) -> int:
        """mremap(2): the new address, or -errno."""
        return remap.mremap(self, old, old_size, new_size, flags, new_addr)

    def madvise(self, addr: int, length: int, advice_: int) -> int:
        """madvise(2) for the advices named in uapi.py; others are -EINVAL."""
        return advice.madvise(self, addr, length, advice_)

    def mlock(self, addr: int, length: int) -> int:
        """mlock(2) of a process with CAP_IPC_LOCK."""
        return advice.mlock(self, addr, length)

    def munlock(self, addr: int, length: int) -> int:
        """munlock(2)."""
        return advice.munlock(self, addr, length)

    def mincore(self, addr: int, length: int) -> bytes | int:
        """mincore(2): one byte, 0 or 1, for each PTE_SIZE page, or -errno."""
        return advice.mincore(self, addr, length)

    def msync(self, addr: int, length: int, flags: int) -> int:
        """msync(2)."""
        return advice.msync(self, addr, length, flags)

    def fork(self) -> "MM | int":
        """The address space of a child (dup_mmap()), or -ENOMEM."""
        return forking.fork(self)

    def exit(self) -> None:
        """exit_mmap(): everything is unmapped, all tables freed, and the machine forgets this address space."""
        forking.exit_mm(self)

    def touch(self, addr: int, length: int, write: bool = True) -> int:
        """Access every page of the range: the number of faults it took, -EFAULT or -ENOMEM."""
        return populate.touch(self, addr, length, write)

    def read(self, addr: int, n: int) -> bytes | int:
        """n bytes at `addr` as user space reads them, faults included; -EFAULT, or -ENOMEM without memory."""
        parts, end, size = [], addr + n, self.geometry.pte_size
        while addr < end:
            count = min(end - addr, size - addr % size)
            pfn = self._access(addr, False)
            if pfn < 0:
                return pfn
            parts.append(self.machine.memory.read(pfn, addr % size, count))
            addr += count
        return b"".join(parts)

    def write(self, addr: int, data: bytes) -> int:
        """Store bytes as user space does, faults included: len(data); -EFAULT, or -ENOMEM without memory.

        Bytes on the pages before the one that failed are stored.
        """
        done, size = 0, self.geometry.pte_size
        while done < len(data):
            offset = (addr + done) % size
            part = data[done : done + size - offset]
            pfn = self._access(addr + done, True)
            if pfn < 0:
                return pfn
            self.machine.memory.write(pfn, offset, part)
            done += len(part)
        return done

    def _access(self, addr: int, write: bool) -> int:
        """The page frame that an access to byte address `addr` reaches, or -errno."""
        n = addr >> self.geometry.pte_shift
        entry = self.tables.get(n)
        need = PRESENT | WRITABLE | DIRTY if write else PRESENT
        vma = self.vmas.lookup(addr)
        if vma is not None and entry & need == need and vma.flags & VM_ACCESS_FLAGS:
            return entry >> PFN_SHIFT
        result = self.user_fault(addr, write)
        if result is not Result.OK:
            return -errno.ENOMEM if result is Result.OOM else -errno.EFAULT
        return self.tables.get(n) >> PFN_SHIFT

    def user_fault(self, addr: int, write: bool) -> Result:
        """do_user_addr_fault(), arch/x86/mm/fault.c: a fault at byte address `addr`, with stack growth."""
        vma = self.vmas.lookup(addr)
        if vma is None:
            vma = mapping.grow_stack(self, addr)
            if vma is None:
                return Result.SEGV
        if not vma.flags & (VM_WRITE if write else VM_ACCESS_FLAGS):
            return Result.SEGV
        return handle_fault(vma, addr >> self.geometry.pte_shift, write)

    def peek(self, addr: int) -> bytes | None:
        """The PTE_SIZE bytes that the page at `addr` holds whatever its protection, without a fault.

        None if nothing is mapped there, or if the page lies beyond the end of its file.
        """
        vma = self.vmas.lookup(addr)
        if vma is None:
            return None
        n = addr >> self.geometry.pte_shift
        entry = self.tables.get(n)
        size = self.geometry.pte_size
        if entry & PRESENT:
            return self.machine.memory.read(entry >> PFN_SHIFT, 0, size)
        if entry:
            return self.machine.swap.data.get(entry >> PFN_SHIFT, bytes(size))
        if vma.file is None:
            return bytes(size)
        pteoff = vma.offset_of(addr)
        return vma.file.content(pteoff) if pteoff < vma.file.pte_count else None

    def maps(self) -> list[MapsRow]:
        """/proc/PID/maps."""
        shift = self.geometry.pte_shift
        return [
            MapsRow(
                vma.start,
                vma.end,
                vma.prot,
                bool(vma.flags & VM_MAYSHARE),
                vma.pteoff << shift if vma.file is not None else 0,
                vma.file,
            )
            for vma in self.vmas
        ]

    def rss(self) -> dict[str, int]:
        """Resident bytes that PTEs map, anon and file, and bytes swapped out."""
        shift = self.geometry.pte_shift
        return {"anon": self.rss_anon << shift, "file": self.rss_file << shift, "swap": self.swapped << shift}

    def waste(self) -> dict[str, int]:
        """Bytes of allocated memory that no PTE of anyone uses, by cause: see waste.py."""
        return waste.mm_waste(self)

    def check(self) -> None:
        """All invariants of the machine this address space is on; InvariantError names the first that is broken."""
        invariants.check(self.machine)

    def map_anon(self, page: int, count: int) -> None:
        """`count` more PTEs map parts of an anonymous page."""
        memory = self.machine.memory
        memory.map_at[page] += count
        memory.ref_at[page] += count
        self.rss_anon += count

    def map_file(self, page: int, count: int) -> None:
        """`count` more PTEs map parts of a page-cache page."""
        memory = self.machine.memory
        memory.map_at[page] += count
        memory.ref_at[page] += count
        self.rss_file += count

    def unmap(self, page: int, count: int) -> None:
        """`count` PTEs less map parts of a page; an anonymous page goes with its last one."""
        memory = self.machine.memory
        memory.map_at[page] -= count
        memory.ref_at[page] -= count
        if memory.kind_at[page] == ANON:
            self.rss_anon -= count
            if not memory.ref_at[page]:
                memory.free(page)
        else:
            self.rss_file -= count
