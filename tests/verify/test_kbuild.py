"""What a dry run of kbuild says: the command of each object, and not the copies that it writes down."""

from __future__ import annotations

from converter.verify.kbuild import planned

LOG = """
set -e;  echo '  CC [M]  net/nat.o';   trap 'rm -f net/nat.o' HUP; gcc -Wp,-MMD,net/.nat.o.d -DNAME='"nat"' -DPGCONV_ASKS -c -o net/nat.o /src/net/nat.c  ; scripts/basic/fixdep net/.nat.o.d net/nat.o 'gcc -Wp,-MMD,net/.nat.o.d -DNAME='\\''"nat"'\\'' -DPGCONV_ASKS -c -o net/nat.o /src/net/nat.c ; ./tools/objtool/objtool --orc net/nat.o' > net/.nat.o.cmd
cd /build && gcc -c -o net/plain.o /src/net/plain.c && echo 'savedcmd_net/plain.o := gcc -c -o net/plain.o /src/net/plain.c' > net/.plain.o.cmd
"""  # noqa: E501


def test_each_object_has_the_words_of_its_compiler() -> None:
    assert planned(LOG) == {
        "net/nat.o": ["gcc", "-Wp,-MMD,net/.nat.o.d", '-DNAME="nat"', "-c", "-o", "net/nat.o", "/src/net/nat.c"],
        "net/plain.o": ["gcc", "-c", "-o", "net/plain.o", "/src/net/plain.c"],
    }
