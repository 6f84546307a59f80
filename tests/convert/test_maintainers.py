"""MAINTAINERS as get_maintainer.pl reads it."""

from __future__ import annotations

import pytest

from converter.convert.maintainers import Maintainers, addresses, parse

TEXT = """List of maintainers
M: *Mail* patches to: FullName <address@domain>

Maintainers List
----------------

DEEP DRIVER
M:\tDee Deep <dee@example.org>
L:\tdeep@lists.example.org (subscribers-only)
S:\tMaintained
F:\tdrivers/net/deep/

LEFT BEHIND
M:\tLee Left <lee@example.org>
S:\tOrphan
T:\tgit git://example.org/left.git
F:\tdrivers/net/left.c

NETWORKING DRIVERS
M:\tNora Net <nora@example.org>
R:\tRoy Review <roy@example.org>
L:\tnetdev@lists.example.org (moderated for non-subscribers)
S:\tMaintained
T:\tgit git://example.org/net.git
F:\tdrivers/net/
X:\tdrivers/net/wireless/

ONE LEVEL
M:\tOlga One <olga@example.org>
S:\tMaintained
F:\tfs/*
F:\tinclude/linux/one?.h
N:\t(^|/)onelevel_

THE REST
M:\tRita Rest <rita@example.org>
L:\tall@lists.example.org
S:\tBuried alive in reporters
F:\t*
F:\t*/
"""


@pytest.fixture
def maintainers() -> Maintainers:
    return Maintainers(TEXT, {"drivers/net", "drivers/net/deep"}.__contains__)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("drivers/net/deep/a/b.c", ["DEEP DRIVER", "NETWORKING DRIVERS", "THE REST"]),
        ("drivers/net/wireless/w.c", ["THE REST"]),
        ("fs/exec.c", ["ONE LEVEL", "THE REST"]),
        ("fs/ext4/super.c", ["THE REST"]),
        ("include/linux/one2.h", ["ONE LEVEL", "THE REST"]),
        ("sound/onelevel_x.c", ["ONE LEVEL", "THE REST"]),
    ],
)
def test_sections_of_a_file_come_most_specific_first(maintainers: Maintainers, path: str, names: list[str]) -> None:
    assert [s.name for s in maintainers.of(path)] == names


def test_the_format_description_is_no_section() -> None:
    assert next(s.name for s in parse(TEXT)) == "DEEP DRIVER"


def test_a_patch_goes_through_the_nearest_tree(maintainers: Maintainers) -> None:
    section = maintainers.merger("drivers/net/deep/a.c")
    assert section is not None
    assert section.name == "NETWORKING DRIVERS"


def test_an_orphan_takes_no_patches(maintainers: Maintainers) -> None:
    section = maintainers.merger("drivers/net/left.c")
    assert section is not None
    assert section.name == "NETWORKING DRIVERS"


def test_without_a_tree_the_most_specific_section_takes_it(maintainers: Maintainers) -> None:
    section = maintainers.merger("fs/exec.c")
    assert section is not None
    assert section.name == "ONE LEVEL"


def test_lists_for_subscribers_get_no_mail(maintainers: Maintainers) -> None:
    assert maintainers.of("drivers/net/deep/a.c")[0].lists == ()
    assert maintainers.of("drivers/net/a.c")[0].lists == ("netdev@lists.example.org",)


def test_a_directory_without_its_slash_is_one() -> None:
    text = "Maintainers List\n\nX\nM:\tA <a@example.org>\nF:\tdrivers/net\n"
    assert Maintainers(text, {"drivers/net"}.__contains__).of("drivers/net/x/y.c")
    assert not Maintainers(text, set[str]().__contains__).of("drivers/net/x/y.c")


def test_addresses_are_named_once() -> None:
    assert addresses(['"D. M." <d@example.org>', "d@EXAMPLE.org", "nobody"]) == [("D. M.", "d@example.org")]
