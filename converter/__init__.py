"""pgconv: split the kernel's PAGE_SIZE into PTE_SIZE and PG_SIZE."""
