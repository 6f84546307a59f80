"""pgconv: split the kernel's PAGE_SIZE into PTE_SIZE and PG_SIZE."""

__version__ = "0.1.0"
