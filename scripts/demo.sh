#!/usr/bin/env bash
# The main job on the tree that travels with pgconv, each command shown before its output. `make demo` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."

show() {
    printf '\n$ %s\n' "$*"
    "$@"
}

show pgconv scan fixtures/tree
show pgconv scan fixtures/tree mm/mremap.c --format gcc
show pgconv scan fixtures/tree --status logic --format gcc
show pgconv explain fixtures/tree mm/mremap.c:22
show pgconv convert fixtures/tree mm/mremap.c
show pgconv verify fixtures/tree mm/mremap.c --level units --level arithmetic
show pgconv sim run mremap-storm --pg 4K,64K
