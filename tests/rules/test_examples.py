"""Every entry under rules/ carries an example, and the example comes out as the entry says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tree_sitter_c
from tree_sitter import Language, Parser

from converter import data
from converter.analyse import analyse
from converter.classify.roles import inert_directory, rules
from converter.csource import normalise
from converter.decided import decide
from converter.examine import Analysis
from converter.tree import Entry, Tree
from converter.vocabulary import scheme, vocabulary

RULES = data.path("rules")
SCHEMES = sorted(path.stem for path in (RULES / "schemes").glob("*.toml"))

Table = dict[str, Any]


def case(entry: Table, name: str) -> Any:
    return pytest.param(entry, id=name)


class NoReader:
    """Of a tree whose files are analysed already."""

    def read(self, entry: Entry) -> bytes:
        raise AssertionError(entry)

    def close(self) -> None: ...

    read_many = read


def example(entry: Table) -> Analysis:
    """The facts of a tree that holds an entry's example alone."""
    path = entry.get("at", "mm/example.c")
    facts = analyse(path, as_file(entry["example"], path).encode(), "pte-pg")
    assert facts is not None, "no name of the vocabulary in the example"
    tree = Tree("example", "/", None, "6.12.0", (), (), 0, NoReader())  # type: ignore[arg-type]
    return Analysis(tree, [path], [facts], {}, [])


def decisions(made: Analysis) -> list[str]:
    """The unit of each use of the family in order; 'logic', or '-' where nothing is known."""
    sites = decide(made, scheme("pte-pg")).sites
    return [
        "logic" if s.status == "logic" else s.unit or "-" for s in sites if not s.derived and s.status != "definition"
    ]


def as_file(example: str, path: str) -> str:
    """Declarations, definitions and assembler as they are, statements in a function."""
    if (
        not path.endswith((".c", ".h"))
        or re.match(r"#|(static|struct|union|const|extern)\b", example)
        or re.match(r"[^;={}]*\)\s*\{.*\}", example, re.S)
    ):
        return example + "\n"
    return f"void example(void)\n{{\n\t{example}\n}}\n"


def entries(folder: str, *tables: str) -> Iterator[tuple[Path, str, Table]]:
    """(file, table, entry) of every entry of the given tables."""
    for path in sorted(RULES.glob(folder)):
        loaded = tomllib.loads(path.read_text(encoding="utf-8"))
        for table in tables:
            for entry in loaded.get(table, ()):
                yield path, table, entry


def roles() -> list[Any]:
    return [case(entry, entry["id"]) for _, _, entry in entries("roles/*.toml", "rule")]


def hints() -> list[Any]:
    return [case(entry, f"{table}-{entry['id']}") for _, table, entry in entries("hints.toml", "name", "type")]


def signatures() -> list[Any]:
    found = []
    for path, _, entry in entries("signatures/*.toml", "function", "field", "global", "macro", "op"):
        owner = f"{entry['struct']}." if "struct" in entry else ""
        found.append(case(entry, f"{path.stem}-{owner}{entry.get('field', entry.get('name'))}"))
    return found


@pytest.mark.parametrize("rule", roles())
def test_a_role_rule_fires_on_its_example_and_decides_it(rule: Table) -> None:
    made = example(rule)
    assert rule["id"] in {name for use in made.facts[0].uses for name in use.rules}
    assert decisions(made) == rule["expect"]


@pytest.mark.parametrize("entry", [*hints(), *signatures()])
def test_a_hint_or_signature_decides_its_example(entry: Table) -> None:
    assert decisions(example(entry)) == entry["expect"]


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in rules().rules.values()])
def test_every_scheme_knows_the_unit_of_a_role(rule: Any) -> None:
    for name in SCHEMES:
        assert rule.unit == "logic" or scheme(name).known(rule.unit), name


@pytest.mark.parametrize("entry", [pytest.param(e, id=e["path"]) for _, _, e in entries("inert.toml", "inert")])
def test_an_inert_directory_holds_its_example(entry: Table) -> None:
    assert inert_directory(str(Path(entry["example"]).parent)) == entry["why"]
    assert inert_directory(entry["path"].replace("*", "x")) == entry["why"]
    assert not inert_directory("mm/" + entry["path"].replace("*", "x"))


def has_error(code: bytes) -> bool:
    return Parser(Language(tree_sitter_c.language())).parse(code).root_node.has_error


ASSEMBLER = [pytest.param(e, arch, id=arch) for _, _, e in entries("assembler.toml", "comment") for arch in e["arch"]]


@pytest.mark.parametrize(("entry", "arch"), ASSEMBLER)
class TestCommentOfAssembler:
    def uses(self, path: str, text: str) -> list[bool]:
        facts = analyse(path, text.encode(), "pte-pg")
        assert facts is not None
        return [bool(u.inert) for u in facts.uses]

    def test_the_code_of_its_example_is_a_use_and_the_comment_inert(self, entry: Table, arch: str) -> None:
        first, *rest = self.uses(f"arch/{arch}/mm/tlb.S", entry["example"] + "\n")
        assert not first
        assert rest
        assert all(rest)

    def test_it_means_nothing_in_linker_scripts_and_preprocessor_lines(self, entry: Table, arch: str) -> None:
        assert self.uses(f"arch/{arch}/kernel/vmlinux.lds.S", f". = A {entry['starts']} B(PAGE_SIZE)\n") == [False]
        assert self.uses(f"arch/{arch}/mm/tlb.S", f"#define A {entry['starts']} PAGE_SIZE\n") == [False]


@pytest.mark.parametrize("entry", [pytest.param(e, id=e.id) for e in normalise.entries()])
class TestNormalisation:
    def test_it_is_needed(self, entry: normalise.Normalisation) -> None:
        assert has_error(entry.example.encode())

    def test_it_repairs_its_example(self, entry: normalise.Normalisation) -> None:
        assert not has_error(normalise.normalise(entry.example.encode()))

    def test_it_keeps_length_lines_and_names(self, entry: normalise.Normalisation) -> None:
        before = entry.example.encode()
        after = normalise.normalise(before)
        assert len(after) == len(before)
        for kept in (re.compile(rb"\n"), vocabulary().pattern()):
            assert [(m.start(), m.group()) for m in kept.finditer(after)] == [
                (m.start(), m.group()) for m in kept.finditer(before)
            ]


@pytest.mark.parametrize("entry", [pytest.param(e, id=e["name"]) for _, _, e in entries("vocabulary.toml", "name")])
@pytest.mark.parametrize("name", SCHEMES)
def test_a_name_of_the_vocabulary_is_found_and_has_two_replacements(entry: Table, name: str) -> None:
    word = entry["name"]
    made = analyse("mm/example.c", f"int x = {word};\n".encode(), name)
    assert made is not None
    assert [use.name for use in made.uses] == [word]
    assert all(scheme(name).replacement(word, unit) for unit in ("pte", "pg"))
