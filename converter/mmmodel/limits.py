"""How large a machine can be simulated: its arrays must fit into the memory of the machine that simulates it."""

from __future__ import annotations

from converter.errors import InputError
from converter.mmmodel.geometry import Geometry, format_size

MOST_PAGES = 1 << 28
"""Pages of PG_SIZE, of RAM and swap together: 1 TiB at 4K."""


def check_size(geometry: Geometry, memory: int) -> None:
    """Raises InputError for more bytes of RAM and swap than can be simulated at this geometry."""
    if memory >> geometry.pg_shift > MOST_PAGES:
        most = format_size(MOST_PAGES << geometry.pg_shift)
        raise InputError(
            f"a machine of {format_size(memory)} is too large to simulate at PG_SIZE {format_size(geometry.pg_size)}"
            f" (RAM and swap: at most {most})"
        )
