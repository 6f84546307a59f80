"""A series of mails: applied to its base in memory, never to the checkout."""

from __future__ import annotations

import base64
import quopri
from collections.abc import Callable
from pathlib import Path

import pytest

from converter.errors import InputError
from tests.ci.conftest import Repo, brief
from tests.ci.test_history import BAD, contents


def series(repo: Repo, *options: str) -> bytes:
    """Everything since the base as git format-patch writes it; the work tree goes back to the base."""
    text = repo.git("format-patch", "--stdout", *options, f"{repo.base}..HEAD")
    repo.git("reset", "-q", "--hard", repo.base)
    return text.encode() + b"\n"


@pytest.fixture
def mails(repo: Repo, tmp_path: Path) -> Path:
    """Two mails, of which the second is bad."""
    repo.edit("mm: a comment", "mm/converted.c", ("#include", "/* mm */\n#include"))
    repo.edit("mm: back", "mm/converted.c", BAD)
    file = tmp_path / "series.mbox"
    file.write_bytes(series(repo, "--cover-letter", f"--base={repo.base}"))
    return file


def test_each_mail_is_judged_on_top_of_the_one_before(repo: Repo, mails: Path) -> None:
    before = contents(repo.root)
    judgement = repo.judge(mails=mails)
    assert [(c.name, c.subject) for c in judgement.commits] == [
        ("mail 2", "[PATCH 1/2] mm: a comment"), ("mail 3", "[PATCH 2/2] mm: back"),
    ]  # fmt: skip
    assert brief(list(judgement.findings)) == [("new-use", "mm/converted.c", 14, "PTE_SIZE")]
    assert contents(repo.root) == before


def test_mails_out_of_order_are_put_in_order(repo: Repo, mails: Path) -> None:
    parts = mails.read_bytes().split(b"\nFrom ")
    mails.write_bytes(b"\nFrom ".join([parts[0], parts[2], parts[1]]) + b"\n")
    assert [c.subject for c in repo.judge(mails=mails).commits] == ["[PATCH 1/2] mm: a comment", "[PATCH 2/2] mm: back"]


def test_the_base_that_the_series_names_is_taken(repo: Repo, mails: Path) -> None:
    repo.commit("mm: gone", {"mm/converted.c": None})
    assert len(repo.findings(mails=mails)) == 1
    with pytest.raises(InputError, match=r"mail 2 .*: does not apply: mm/converted.c: does not exist in index"):
        repo.findings(mails=mails, base="HEAD")


def test_new_files_renames_and_binary_patches_apply(repo: Repo, tmp_path: Path) -> None:
    repo.git("mv", "mm/converted.c", "mm/other.c")
    repo.edit("mm: rename", "mm/other.c", BAD)
    repo.commit("new", {"fs/new.bin": bytes(range(256)), "fs/n\u00e4w.c": "int x;\n"})
    file = tmp_path / "series.mbox"
    file.write_bytes(series(repo, "-M", "--binary"))
    assert brief(repo.findings(mails=file)) == [("new-use", "mm/other.c", 13, "PTE_SIZE")]


@pytest.mark.parametrize("encoding", ["quoted-printable", "latin-1"])
def test_a_mail_in_another_encoding_is_decoded(repo: Repo, mails: Path, encoding: str) -> None:
    raw = mails.read_bytes()
    start = raw.index(b"\nFrom ", raw.index(b"PATCH 2/2") - 400)
    head, body = raw[start:].split(b"\n\n", 1)
    body = body.replace(b"addr += PAGE_SIZE;", "addr += PAGE_SIZE; /* é */".encode())
    if encoding == "latin-1":
        head, body = head + b"\nContent-Type: text/plain; charset=iso-8859-1", body.decode().encode("latin-1")
    else:
        head += b"\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable"
        body = quopri.encodestring(body)
    mails.write_bytes(raw[:start] + head + b"\n\n" + body)
    assert len(repo.findings(mails=mails)) == 1


def rewritten(mails: Path, write: Callable[[bytes], bytes]) -> None:
    """The file with what `write` makes of the last mail's body, which may begin with more headers."""
    raw = mails.read_bytes()
    start = raw.index(b"\nFrom ", raw.index(b"PATCH 2/2") - 400)
    head, body = raw[start:].split(b"\n\n", 1)
    mails.write_bytes(raw[:start] + head + b"\n" + write(body))


def flowed(body: bytes) -> bytes:
    """As a mailer of RFC 3676 sends it: lines that begin with a space are stuffed, long ones broken."""
    lines = [b" " + line if line.startswith((b" ", b">", b"From ")) else line for line in body.split(b"\n")]
    broken = [line.replace(b"unsigned long addr, ", b"unsigned long addr, \n") for line in lines]
    return b"Content-Type: text/plain; charset=utf-8; format=flowed\n\n" + b"\n".join(broken)


def attached(body: bytes, kind: str) -> bytes:
    return (
        b'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain\n\nsee below\n--x\n'
        b'Content-Disposition: attachment; filename="2.patch"\nContent-Transfer-Encoding: base64\n'
        b"Content-Type: " + kind.encode() + b"\n\n" + base64.encodebytes(body) + b"\n--x--\n"
    )


@pytest.mark.parametrize(
    "write",
    [
        lambda body: b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(body),
        flowed,
        lambda body: attached(body, "text/x-patch"),
        lambda body: attached(body, "application/octet-stream"),
        lambda body: b'Content-Type: multipart/alternative; boundary="x"\n\n--x\nContent-Type: text/plain\n\n' + body
        + b"\n--x\nContent-Type: text/html\n\n<pre>" + body + b"</pre>\n--x--\n",
    ],
    ids=["base64", "flowed", "attached", "attached as bytes", "with a copy in HTML"],
)  # fmt: skip
def test_a_patch_is_read_however_it_was_sent(repo: Repo, mails: Path, write: Callable[[bytes], bytes]) -> None:
    rewritten(mails, write)
    assert brief(repo.findings(mails=mails)) == [("new-use", "mm/converted.c", 14, "PTE_SIZE")]


def test_a_numbered_mail_without_a_patch_is_not_passed_over(repo: Repo, mails: Path) -> None:
    rewritten(mails, lambda body: b"Content-Transfer-Encoding: base64\n\n!!!\n")
    with pytest.raises(InputError, match=r"mail 3 \(\[PATCH 2/2\] mm: back\): no patch in it that could be read"):
        repo.findings(mails=mails)


def test_a_second_copy_of_a_mail_is_passed_over(repo: Repo, mails: Path) -> None:
    raw = mails.read_bytes()
    mails.write_bytes(raw + raw)
    assert [c.name for c in repo.judge(mails=mails).commits] == ["mail 2", "mail 3"]


def test_two_versions_of_a_series_are_refused(repo: Repo, mails: Path) -> None:
    raw = mails.read_bytes()
    mails.write_bytes(raw + raw.replace(b"[PATCH ", b"[PATCH v2 "))
    with pytest.raises(InputError, match="holds versions 1, 2 of a series; keep one"):
        repo.findings(mails=mails)


def test_a_series_with_a_gap_is_refused(repo: Repo, mails: Path) -> None:
    """What comes after a mail that is not there was not written for the tree that it would be judged on."""
    raw = mails.read_bytes()
    mails.write_bytes(raw.replace(b"PATCH 2/2", b"PATCH 3/3").replace(b"PATCH 1/2", b"PATCH 1/3"))
    with pytest.raises(InputError, match=r"series.mbox: holds patch 3 of a series, and 1, but not 2"):
        repo.findings(mails=mails)


def test_a_mail_of_a_series_may_be_judged_alone(repo: Repo, mails: Path) -> None:
    parts = mails.read_bytes().split(b"\nFrom ")
    mails.write_bytes(b"From " + parts[2] + b"\n")
    assert [c.subject for c in repo.judge(mails=mails, base="HEAD").commits] == ["[PATCH 2/2] mm: back"]


def test_a_hunk_that_differs_in_white_space_says_so(repo: Repo, mails: Path) -> None:
    rewritten(mails, lambda body: b"\n" + body.replace(b" \taddr += PTE_SIZE;", b"         addr += PTE_SIZE;"))
    with pytest.raises(InputError, match=r"line 13, 'addr \+= PTE_SIZE;', differs in white space"):
        repo.findings(mails=mails)


def test_a_hunk_that_does_not_fit_is_named_with_the_reason(repo: Repo, mails: Path) -> None:
    repo.edit("mm: other", "mm/converted.c", ("\taddr += PTE_SIZE;", "\taddr = addr + PTE_SIZE;"))
    said = (
        r"mail 3 \(\[PATCH 2/2\] mm: back\): does not apply: hunk 1 of 1 of mm/converted.c \(line 11\): "
        r"line 13 should be 'addr \+= PTE_SIZE;', the file has 'addr = addr \+ PTE_SIZE;'"
    )
    with pytest.raises(InputError, match=said):
        repo.findings(mails=mails, base="HEAD")


def test_a_hunk_is_compared_where_most_of_it_is(repo: Repo, mails: Path) -> None:
    """Code above it came in meanwhile: not the line at the same place is what does not fit."""
    above = ("\tif (addr", "\tint one;\n\tint two;\n\n\tif (addr")
    repo.edit("mm: other", "mm/converted.c", above, ("\taddr += PTE_SIZE;", "\taddr = addr + PTE_SIZE;"))
    said = r"\(line 11\): line 16 should be 'addr \+= PTE_SIZE;', the file has 'addr = addr \+ PTE_SIZE;'"
    with pytest.raises(InputError, match=said):
        repo.findings(mails=mails, base="HEAD")


@pytest.mark.parametrize(
    ("end", "mine", "theirs"),
    [
        ("beginning", ("#include", "/* mm */\n#include"), ("#include", "int one;\n#include")),
        (
            "end",
            ("return addr;\n}\n", "return addr;\n}\nint two;\n"),
            ("return addr;\n}\n", "return addr;\n}\nint one;\n"),
        ),
    ],
)
def test_a_hunk_that_git_holds_to_an_end_of_the_file_says_so(
    repo: Repo, tmp_path: Path, end: str, mine: tuple[str, str], theirs: tuple[str, str]
) -> None:
    repo.edit("mm: x", "mm/converted.c", mine)
    file = tmp_path / "series.mbox"
    file.write_bytes(series(repo))
    repo.edit("mm: other", "mm/converted.c", theirs)
    with pytest.raises(InputError, match=rf"its lines are at line \d+, and should be at the {end} of the file"):
        repo.findings(mails=file, base="HEAD")


def test_a_hunk_that_is_nowhere_says_so(repo: Repo, mails: Path) -> None:
    repo.commit("mm: anew", {"mm/converted.c": "int a;\n{\n}\n\n" * 9})
    said = r"\(line 1\): nothing in the file is like its lines, which begin with '#include <linux/mm.h>'"
    with pytest.raises(InputError, match=said):
        repo.findings(mails=mails, base="HEAD")


def test_a_long_line_is_quoted_with_a_mark_that_it_goes_on(repo: Repo, mails: Path) -> None:
    repo.edit("mm: long", "mm/converted.c", ("\taddr += PTE_SIZE;", "\taddr += " + "PTE_SIZE + " * 9 + "0;"))
    with pytest.raises(InputError, match=r"the file has 'addr \+= PTE_SIZE \+ [^']*\.\.\.'"):
        repo.findings(mails=mails, base="HEAD")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("@@ -27,7 +27,7 @@", "@@ -27,7 +27,9 @@"),
         r"hunk 2 of 2 of mm/b.c \(line 27\): corrupt patch: its header counts 7 and 9 lines, old and new; "
         r"after 7 and 7 comes 'diff --git a/mm/c.c b/mm/c.c'"),
        (("@@ -2,7 +2,7 @@", "@@ -2,6 +2,7 @@"),
         r"hunk 1 of 2 of mm/b.c \(line 2\): corrupt patch: its header counts 6 and 7 lines, old and new; "
         r"after 7 and 7 comes '@@ -27,7"),
        ((" int v28;", " int\nv28;"), "hunk 2 of 2 of mm/b.c .* counts 7 and 7 lines, .*; after 2 and 2 comes 'v28;'"),
        ((" int v53;\n", ""), r"hunk 1 of 1 of mm/c.c .* counts 7 and 7 lines, .*; after 6 and 6 comes '[\d.]+"),
        (("@@ -27,7", "@@ -27,x"), r"mm/b.c: corrupt patch at '@@ -27,x \+27,7 @@"),
        (("@@ -47,7 +47,7 @@ int v46;\n", ""), "mm/c.c: patch with only garbage at 'int v47;'"),
        (("+++ b/mm/c.c\n", ""), "mm/c.c: git diff header lacks filename information at '@@ -47"),
    ],
    ids=["more than there is", "fewer", "wrapped", "a line is gone", "no number", "no header of a hunk", "no file"],
)  # fmt: skip
def test_what_git_cannot_read_is_named_by_mail_file_and_hunk(
    repo: Repo, tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    lines = [f"int v{n};" for n in range(1, 61)]
    repo.base = repo.commit("base", {f"mm/{name}.c": "\n".join(lines) + "\n" for name in "bc"})
    repo.edit("mm: fine", "mm/open.c", ("bytes", "octets"))
    for name, numbers in (("b", (5, 30)), ("c", (50,))):
        kept = [f"long v{n};" if n in numbers else line for n, line in enumerate(lines, 1)]
        (repo.root / f"mm/{name}.c").write_text("\n".join(kept) + "\n")
    repo.record("mm: long")
    text = series(repo).decode()
    assert text.count(change[0]) == 1
    file = tmp_path / "series.mbox"
    file.write_text(text.replace(*change))
    with pytest.raises(InputError, match=r"mail 2 \(\[PATCH 2/2\] mm: long\): does not apply: " + said):
        repo.findings(mails=file)


def test_a_mail_that_ends_too_early_is_named_by_what_is_there(repo: Repo, mails: Path) -> None:
    whole = mails.read_bytes()
    last = whole.rindex(b"@@ -")
    ends = {
        last: "mm/converted.c: patch with only garbage at its end",
        whole.index(b"\n", last) + 1: "hunk 1 of 1 of mm/converted.c .*; after 0 and 0 it ends",
    }
    for end, said in ends.items():
        mails.write_bytes(whole[:end])
        with pytest.raises(InputError, match=r"mail 3 \(\[PATCH 2/2\] mm: back\): does not apply: " + said):
            repo.findings(mails=mails)


def test_the_hunk_of_a_file_that_is_renamed_is_named(repo: Repo, tmp_path: Path) -> None:
    repo.git("mv", "mm/converted.c", "mm/other.c")
    repo.edit("mm: rename", "mm/other.c", BAD)
    file = tmp_path / "series.mbox"
    file.write_bytes(series(repo, "-M").replace(b" \tpte++;", b" \tpte--;"))
    with pytest.raises(InputError, match=r"hunk 1 of 1 of mm/converted.c \(line 10\): line 13 should be 'pte--;'"):
        repo.findings(mails=file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not an mbox"),
        (b"hello\n", "not an mbox"),
        (b"From x\nSubject: hello\n\nno patch here\n", "no patch in it: none of its 1 mails"),
        (b"From x\nSubject: a\n\nd\xe9j\xe0\n--- a/x\n+++ b/x\n", "mail 1: line 1 of its body is not utf-8: byte 0xe9"),
        (b"From x\nSubject: a\nContent-Type: text/plain; charset=klingon\n\nx\n", "unknown character set klingon"),
        (b"From x\nSubject: a\n\n--- a/mm/open.c\n+++ b/mm/open.c\n@@ -1 +1,9 @@\n-u\n",
         r"mail 1 .*: hunk 1 of 1 of mm/open.c \(line 1\): corrupt patch: .* 1 and 9 lines, .*; after 1 and 0 it ends"),
        (b"From x\nSubject: a\n\n--- a/../x\n+++ b/../x\n@@ -0,0 +1 @@\n+u\n", "mail 1 .*: does not apply"),
    ],
)
def test_an_mbox_that_cannot_be_used_is_refused(repo: Repo, tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "series.mbox"
    file.write_bytes(content)
    with pytest.raises(InputError, match=said):
        repo.findings(mails=file)


def test_a_fix_up_applies_on_top_of_its_commit(repo: Repo, tmp_path: Path) -> None:
    repo.edit("mm: back", "mm/converted.c", BAD, ("pfn << PTE_SHIFT", "pfn << PG_SHIFT"))
    patches = repo.outcome(f"{repo.base}..HEAD", suggest=True).patches
    file = tmp_path / "fixup.mbox"
    file.write_bytes(patches)
    repo.git("am", "-q", str(file))
    assert repo.git("log", "-1", "--format=%s") == "fixup! mm: back"
    assert repo.findings("HEAD") == []
    text = (repo.root / "mm/converted.c").read_text()
    assert "addr += PTE_SIZE;\n\taddr += PTE_SIZE;" in text
    assert "pfn << PTE_SHIFT" in text


def test_a_fix_up_of_a_mail_applies_after_the_mail(repo: Repo, mails: Path, tmp_path: Path) -> None:
    patches = repo.outcome(None, mails=mails, suggest=True).patches
    file = tmp_path / "fixup.mbox"
    file.write_bytes(patches)
    mails.write_bytes(mails.read_bytes().split(b"\n\nFrom ", 1)[1].join([b"From ", b""]))  # without the cover letter
    repo.git("am", "-q", str(mails))
    repo.git("am", "-q", str(file))
    assert "PAGE_SIZE" not in (repo.root / "mm/converted.c").read_text()
