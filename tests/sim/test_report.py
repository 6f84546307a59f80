"""The HTML report: one page that needs nothing else, and that nothing on the machine can break out of."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from converter.mmmodel.footprint import alignment, measure, measure_together
from converter.mmmodel.geometry import Geometry
from converter.mmmodel.pagecache_cost import Tree, buckets, cost
from converter.mmmodel.procfs import Process, Skipped
from converter.mmmodel.report import Files, Memory, render
from tests.sim.conftest import Sim, mapping, process

SIZES = [Geometry(), Geometry.parse("16K"), Geometry.parse("64K")]
HOSTILE = '<script>alert(1)</script>"&\n\x1b[2J $x$'


class Page(HTMLParser):
    """Tags, the addresses they refer to, and the text of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


def page(processes: list[Process], root: str = "/srv") -> str:
    tree = Tree(root, np.array([10, 5000, 70_000], dtype=np.int64), 0, 0, 0, 0)
    memory = Memory(
        total=[measure_together(processes, geometry) for geometry in SIZES],
        each=[(each, [measure(each, geometry) for geometry in SIZES]) for each in processes],
        alignment=[alignment(processes, geometry) for geometry in SIZES],
        skipped=Skipped(vanished=(1,)),
    )
    return render(1 << 40, SIZES, memory, Files(tree, [cost(tree, geometry) for geometry in SIZES], buckets(tree)))


@pytest.fixture(scope="module")
def example() -> Page:
    return Page(page([process(mapping(0x10000, 40, anon=range(7)), name="worker", pid=42)]))


def test_it_refers_to_nothing_outside(example: Page) -> None:
    assert len(example.references) == 4
    assert all(reference.startswith("data:image/svg+xml;base64,") for reference in example.references)
    assert not {"script", "link", "iframe", "object"} & set(example.tags)


def test_it_says_what_struct_pages_cost_and_the_order_of_a_huge_page(example: Page) -> None:
    assert "Memory: 1024.0 GiB" in example.text
    assert "struct pages16,384.0 MiB4,096.0 MiB1,024.0 MiB" in example.text
    assert "saved against 4K0.0 MiB12,288.0 MiB15,360.0 MiB" in example.text
    assert "order of a 2M block975" in example.text


def test_it_shows_the_waste_of_each_process_and_the_page_cache(example: Page) -> None:
    assert "worker 42" in example.text
    assert "Page cache of /srv" in example.text


def test_names_from_the_machine_are_text_and_nothing_else() -> None:
    hostile = Page(page([process(mapping(0, 1, anon=[0], path=HOSTILE), name=HOSTILE)] * 2, root=HOSTILE))
    assert "script" not in hostile.tags
    assert "<script>alert(1)</script>" in hostile.text
    assert "\x1b" not in hostile.text


def test_the_command_writes_it_for_this_machine(sim: Sim, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    result = sim("report", "-o", tmp_path / "r.html", "--pid", os.getpid(), "--dir", tmp_path / "tree", "--ram", "64G")
    assert (result.code, result.err) == (0, "")
    assert "Memory: 64.0 GiB" in Page((tmp_path / "r.html").read_text()).text
