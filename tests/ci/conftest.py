"""Repositories of a small tree that speaks the scheme, and what is said of commits to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from converter.ci import baseline, policy
from converter.ci.finding import Finding, Judgement
from converter.ci.session import Options, Outcome, run
from converter.tree.cache import open_cache
from tests.tree.conftest import MAKEFILE, run_git, write_files

PAGE_H = """#ifndef _ASM_PAGE_H
#define _ASM_PAGE_H
#define PTE_SHIFT 12
#define PTE_SIZE (1UL << PTE_SHIFT)
#define PTE_MASK (~(PTE_SIZE - 1))
#define PG_SHIFT CONFIG_PG_SHIFT
#define PG_SIZE (1UL << PG_SHIFT)
#define PG_MASK (~(PG_SIZE - 1))
#if PTE_SHIFT == PG_SHIFT
#define PAGE_SHIFT PTE_SHIFT
#define PAGE_SIZE PTE_SIZE
#define PAGE_MASK PTE_MASK
#endif
#endif
"""

CONVERTED = """#include <linux/mm.h>

int check_range(unsigned long addr, unsigned long pfn)
{
	if (addr & ~PTE_MASK)
		return -EINVAL;
	return map(addr, pfn << PTE_SHIFT);
}

unsigned long step(unsigned long addr, pte_t *pte)
{
	addr += PTE_SIZE;
	pte++;
	return addr;
}
"""

HALF = """unsigned long size_of(struct folio *folio)
{
	return folio_nr_pages(folio) << PG_SHIFT;
}

unsigned long old_size(struct folio *folio)
{
	return folio_nr_pages(folio) << PAGE_SHIFT;
}
"""

OPEN = """unsigned long bytes(struct vm_area_struct *vma)
{
	return vma->vm_pgoff << PAGE_SHIFT;
}
"""

FILES = {
    "Makefile": MAKEFILE,
    "arch/x86/include/asm/page.h": PAGE_H,
    "include/linux/mm.h": "struct vm_area_struct {\n\tunsigned long vm_start;\n\tunsigned long vm_pgoff;\n};\n",
    "include/linux/box.h": "struct box {\n\tstruct folio *what;\n\tpgoff_t at;\n};\n",
    "mm/converted.c": CONVERTED,
    "mm/half.c": HALF,
    "mm/open.c": OPEN,
    "fs/open.c": "void fill(char *buf)\n{\n\tmemset(buf, 0, PAGE_SIZE);\n}\n",
}


class Repo:
    """A repository with a work tree, and the judge."""

    def __init__(self, root: Path, files: Mapping[str, str | bytes]) -> None:
        self.root = root
        root.mkdir(parents=True)
        run_git(root, "init", "-q")
        run_git(root, "config", "core.autocrlf", "false")
        self.base = self.commit("base", files)

    def commit(self, subject: str, files: Mapping[str, str | bytes | None]) -> str:
        """A commit that writes files, or removes those that are None; its id."""
        for name, content in files.items():
            if content is None:
                (self.root / name).unlink()
            else:
                write_files(self.root, {name: content})
        return self.record(subject)

    def record(self, subject: str) -> str:
        """A commit of the work tree as it is."""
        self.git("add", "-Af", ".")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def git(self, *arguments: str) -> str:
        return run_git(self.root, *arguments)

    def edit(self, subject: str, path: str, *changes: tuple[str, str]) -> str:
        """A commit that replaces text in one file."""
        text = (self.root / path).read_bytes().decode("utf-8", "surrogateescape")
        for old, new in changes:
            assert text.count(old) >= 1, old
            text = text.replace(old, new, 1)
        return self.commit(subject, {path: text.encode("utf-8", "surrogateescape")})

    def outcome(self, range_: str | None = None, **options: Any) -> Outcome:
        """What a run comes to. `baseline` and `policy` as objects."""
        known, chosen = options.pop("known", None), options.pop("chosen", None) or policy.load()
        with open_cache(True) as cache:
            return run(Options(str(self.root), range_, **options), chosen, known, cache)

    def judge(self, range_: str | None = None, **options: Any) -> Judgement:
        """The judgement on a range; by default on all that came after the base."""
        return self.outcome(range_ or self.default(options), **options).judgement

    def default(self, options: Mapping[str, Any]) -> str | None:
        """All that came after the base, where no mails are judged."""
        return None if "mails" in options else f"{self.base}..HEAD"

    def lowered(self, known: baseline.Baseline, range_: str | None = None, **options: Any) -> baseline.Baseline:
        """The baseline after a run that updates it."""
        done = self.outcome(range_ or self.default(options), known=known, update=True, **options)
        assert done.lowered is not None
        return done.lowered

    def findings(self, range_: str | None = None, **options: Any) -> list[Finding]:
        return list(self.judge(range_, **options).findings)

    def baseline(self, rev: str = "HEAD", scheme: str = "pte-pg") -> baseline.Baseline:
        """The baseline of a revision."""
        from converter.ci.session import of, record

        with open_cache(True) as cache:
            _, tree, commit = record(str(self.root), rev, scheme, cache, jobs=1)
            return of(tree, commit.name)


def brief(findings: list[Finding]) -> list[tuple[str, str, int, str | None]]:
    """Rule, path, line and replacement of each finding."""
    return [(f.rule, f.path, f.line, f.replacement) for f in findings]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository of a tree that is half converted."""
    return Repo(tmp_path / "linux", dict(FILES))


@pytest.fixture
def make_repo(tmp_path: Path) -> Callable[..., Repo]:
    """A repository of these files."""

    def make(files: Mapping[str, str | bytes], name: str = "linux") -> Repo:
        return Repo(tmp_path / name, files)

    return make
