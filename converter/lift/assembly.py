"""The expression around a use in assembler or a linker script, written as C of the same value.

gas and ld compute in 64 bits, whatever the machine: each number and symbol becomes a u64. gas has precedences of its
own (shifts bind as products do, and both before & and |, which bind before + and -); those of ld and of preprocessor
lines are C's. `ALIGN(n)` of a linker script aligns the location counter, which is written `__dot` here.

Sources: "Infix Operators" of the gas manual, "Operators" and "Builtin Functions" of the ld manual.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    rb"(?P<number>0[xX][0-9a-fA-F]+|\d+)(?:UL|U|L)?\b(?![.\w$])"
    rb"|(?P<name>\.(?![\w.])|[\\.]?[A-Za-z_][\w.]*(?:\\@)?)"
    rb"|(?P<register>%(?=[A-Za-z_]))"
    rb"|(?P<assign>[-+*/&|]=(?!=))"
    rb"|(?P<sign>\|\||&&|<<|>>|==|!=|<=|>=|[-+*/%&|^~<>(),])"
    rb"|(?P<other>[^\s])"
)
_GAS = {"*": 4, "/": 4, "%": 4, "<<": 4, ">>": 4, "|": 3, "&": 3, "^": 3, "+": 2, "-": 2}
_C = {
    "*": 10, "/": 10, "%": 10, "+": 9, "-": 9, "<<": 8, ">>": 8, "<": 7, ">": 7, "<=": 7, ">=": 7, "==": 6, "!=": 6,
    "&": 5, "^": 4, "|": 3, "&&": 2, "||": 1,
}  # fmt: skip
LONGEST = 48
"""Tokens of a statement before and behind a use that are looked at."""


@dataclass(frozen=True, slots=True)
class Operand:
    """An expression. `text`: as it is written; `c`: in C; `uses`: offsets of each name, in the file and in `c`;
    `taker`: the instruction or directive that takes it."""

    text: str
    c: bytes
    uses: tuple[tuple[int, int], ...]
    taker: str


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def operand(masked: bytes, offset: int, linker: bool, directive: bytes = b"") -> Operand | None:
    """The largest expression around the name at an offset of a file whose comments are blank; None where it is none.

    linker     it is a linker script
    directive  keyword of the preprocessor line that the name is in
    """
    tokens = _statement(masked, offset)
    at = next((i for i, t in enumerate(tokens) if t.at == offset), None)
    if at is None:
        return None
    plain = linker or bool(directive)
    # A statement begins with its instruction, and a definition with `# define NAME`.
    first = 0 if tokens[0].text != "#" and plain else 3 if directive == b"define" else 1
    precedence = _C if linker or directive in (b"if", b"elif") else _GAS
    reach = range(max(first, at - LONGEST), at + 1)
    for width in range(min(len(tokens), 2 * LONGEST), 0, -1):
        for i in reach:
            if i <= at < i + width <= len(tokens):
                parsed = _parsed(tokens[i : i + width], precedence, linker)
                if parsed is not None:
                    last = tokens[i + width - 1]
                    text = " ".join(masked[tokens[i].at : last.at + len(last.text)].decode("latin-1").split())
                    taker = "" if plain else tokens[0].text
                    return Operand(text, parsed.c, tuple((tokens[i + n].at, p) for n, p in parsed.names), taker)
    return None


def _statement(masked: bytes, offset: int) -> list[_Token]:
    """The tokens of the statement on the line of an offset."""
    start = masked.rfind(b"\n", 0, offset) + 1
    end = masked.find(b"\n", offset)
    line = masked[start : end if end >= 0 else len(masked)]
    tokens: list[_Token] = []
    for m in _TOKEN.finditer(line):
        kind, text = m.lastgroup or "other", m[m.lastgroup or 0].decode("latin-1")
        here = start + m.start()
        if text in (";", ":", "{", "}") or (text == "\\" and not line[m.end() :].strip()):
            if here > offset:
                break
            tokens = []
            continue
        tokens.append(_Token(kind, text, here))
    return tokens


@dataclass(frozen=True, slots=True)
class _Parsed:
    """C text, and which tokens are names, each with where it stands in the text."""

    c: bytes
    names: tuple[tuple[int, int], ...]


class _NoExpression(Exception):
    pass


def _parsed(tokens: Sequence[_Token], precedence: dict[str, int], linker: bool) -> _Parsed | None:
    """All of the tokens as one expression; None where they are none."""
    parser = _Parser(tokens, precedence, linker)
    try:
        made = parser.expression(0)
    except _NoExpression:
        return None
    return made if parser.at == len(tokens) else None


class _Parser:
    """Precedence climbing over tokens, to C with every operand in parentheses."""

    def __init__(self, tokens: Sequence[_Token], precedence: dict[str, int], linker: bool) -> None:
        self.tokens = tokens
        self.precedence = precedence
        self.linker = linker
        self.at = 0

    def expression(self, least: int) -> _Parsed:
        left = self.operand()
        while (sign := self._sign()) in self.precedence and self.precedence[sign] > least:
            self.at += 1
            right = self.expression(self.precedence[sign])
            if sign in ("/", "%"):  # signed in both
                left = _joined("((u64)((long long)", left, f" {sign} (long long)", right, "))")
            else:
                left = _joined("((u64)(", left, f" {sign} ", right, "))")
        return left

    def operand(self) -> _Parsed:
        token = self._next()
        if token.text in ("-", "~", "+"):
            return _joined(f"({token.text}", self.operand(), ")")
        if token.text == "(":
            inner = self.expression(0)
            self._expect(")")
            return inner
        if token.kind == "number":
            return _Parsed(f"(u64){token.text}".encode(), ())
        if token.kind != "name":
            raise _NoExpression
        n = self.at - 1
        if self._sign() == "(":
            return self._call(token)
        name = re.sub(r"\W", "_", token.text).encode() if token.text != "." else b"__dot"
        return _Parsed(b"(u64)(" + name + b")", ((n, len(b"(u64)(")),))

    def _call(self, name: _Token) -> _Parsed:
        """Of a linker script's own functions, ALIGN alone is known; the family's are the tree's macros."""
        if not self.linker or name.text != "ALIGN":
            raise _NoExpression
        self._expect("(")
        first = self.expression(0)
        if self._sign() != ",":
            self._expect(")")
            return _joined("ALIGN((u64)(__dot), ", first, ")")
        self._expect(",")
        second = self.expression(0)
        self._expect(")")
        return _joined("ALIGN(", first, ", ", second, ")")

    def _sign(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) and self._kind() == "sign" else ""

    def _kind(self) -> str:
        return self.tokens[self.at].kind

    def _next(self) -> _Token:
        if self.at == len(self.tokens):
            raise _NoExpression
        self.at += 1
        return self.tokens[self.at - 1]

    def _expect(self, sign: str) -> None:
        if self._next().text != sign:
            raise _NoExpression


def _joined(*parts: str | _Parsed) -> _Parsed:
    c, names = b"", []
    for part in parts:
        if isinstance(part, str):
            c += part.encode()
        else:
            names += [(n, len(c) + at) for n, at in part.names]
            c += part.c
    return _Parsed(c, tuple(names))
