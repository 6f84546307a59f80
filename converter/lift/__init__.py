"""C arithmetic as Python: expressions of kernel code with exact C semantics on numpy arrays (x86-64, LP64)."""
