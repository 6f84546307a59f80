"""The memory-management model: a machine whose mapping granule (PTE_SIZE) and allocation unit (PG_SIZE) differ.

Knows nothing of C source. Start at `mm.Machine`; `geometry.Geometry` fixes the two sizes.
"""
