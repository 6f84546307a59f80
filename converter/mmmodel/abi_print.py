"""A program of the oracle as source text: a Python script and a C program that run it on the real kernel.

Both print what each operation returned, and the lines of /proc/self/maps in the arena at the end. Processes take turns
by a counter in shared memory; each runs down the same list and does what is its own. The text around the list is in
templates/.
"""

from pathlib import Path
from string import Template

from converter.mmmodel.abi import Difference
from converter.mmmodel.abi_model import describe
from converter.mmmodel.abi_program import ARENA_SIZE, BREAK, FILE_SIZES, PAGE, Op

_TEMPLATES = Path(__file__).parent / "templates"


def python_source(difference: Difference) -> str:
    """A script for Python 3 that runs the program on the kernel."""
    steps = "\n".join(_python_step(i, op) for i, op in enumerate(difference.program))
    return _fill("program.py.txt", difference, "# ", files=str(FILE_SIZES), steps=steps)


def c_source(difference: Difference) -> str:
    """A C program (gcc, no options needed) that runs the program on the kernel."""
    steps = "\n".join(_c_step(i, op) for i, op in enumerate(difference.program))
    sizes = ", ".join(map(str, FILE_SIZES))
    return _fill("program.c.txt", difference, " * ", nfiles=str(len(FILE_SIZES)), sizes=sizes, steps=steps)


def _fill(template: str, difference: Difference, margin: str, **fields: str) -> str:
    return Template((_TEMPLATES / template).read_text()).substitute(
        fields,
        said=difference.said.replace("\n", "\n" + margin),
        setup=describe(difference.setup),
        base=hex(difference.setup.base),
        size=hex(ARENA_SIZE),
        page=PAGE,
        brk=hex(BREAK),
        last=len(FILE_SIZES) - 1,
        count=len(difference.program),
    )


def _python_step(step: int, op: Op) -> str:
    head = f"if mine({step}, {op.process}):\n"
    if op.name == "fork":
        return head + f"    if os.fork():\n        done({step})\n    else:\n        me = {op.args[0]}\n"
    if op.name == "exit":
        return head + f"    done({step})\n    os._exit(0)\n"
    return head + f"    show({step}, op_{op.name}({_arguments(op)}))\n    done({step})\n"


def _c_step(step: int, op: Op) -> str:
    head = f"\tif (mine({step}, {op.process}))"
    if op.name == "fork":
        return head + f" {{\n\t\tif (fork())\n\t\t\t*turn = {step + 1};\n\t\telse\n\t\t\tme = {op.args[0]};\n\t}}"
    if op.name == "exit":
        return head + f" {{\n\t\t*turn = {step + 1};\n\t\t_exit(0);\n\t}}"
    return head + f"\n\t\tshow({step}, op_{op.name}({_arguments(op)}));"


def _arguments(op: Op) -> str:
    """Addresses and sizes in hex, small numbers as they are."""
    return ", ".join(hex(arg) if arg >= PAGE else str(arg) for arg in op.args)
