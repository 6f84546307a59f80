"""Swap space: slots of PTE_SIZE bytes, handed out in runs of one page so that the part of a page a slot holds is known.

A slot's count is the number of PTEs that hold it (swap_map, mm/swapfile.c).
"""

import numpy as np

from converter.mmmodel.geometry import Geometry


class Swap:
    """`size` bytes of swap; slots are numbered in PTE units."""

    def __init__(self, geometry: Geometry, size: int) -> None:
        self.clusters = size >> geometry.pg_shift
        self.per_page = geometry.ptes_per_page
        self.count = np.zeros(self.clusters * self.per_page, dtype=np.int32)
        self.data: dict[int, bytes] = {}
        self._free = list(range(self.clusters - 1, -1, -1))
        self._used_in = np.zeros(self.clusters, dtype=np.int32)  # slots in use of each run

    @property
    def used_slots(self) -> int:
        """Slots that some PTE holds."""
        return int(np.count_nonzero(self.count))

    @property
    def free_clusters(self) -> int:
        """Runs of one page that are wholly free."""
        return len(self._free)

    def alloc(self) -> int | None:
        """The first slot of a free run of one page, None if swap is full; counts start at 0."""
        return self._free.pop() * self.per_page if self._free else None

    def get(self, slot: int) -> None:
        """One more PTE holds `slot`."""
        if not self.count[slot]:
            self._used_in[slot // self.per_page] += 1
        self.count[slot] += 1

    def put(self, slot: int) -> None:
        """One PTE less holds `slot`; the last one frees it, and the run when it was the last of its run."""
        self.count[slot] -= 1
        if not self.count[slot]:
            self.data.pop(slot, None)
            cluster = slot // self.per_page
            self._used_in[cluster] -= 1
            if not self._used_in[cluster]:
                self._free.append(cluster)
