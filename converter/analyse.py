"""One file in, its facts out: what a worker of the scan does. Pure: the same bytes and rules give the same facts."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache, partial

import tree_sitter_c
from tree_sitter import Language, Node, Parser, Tree

from converter.classify.roles import Place, Rules, Text, rules, shared_directory
from converter.csource import context
from converter.csource.assembler import comment_start
from converter.csource.normalise import normalise
from converter.csource.pieces import Piece, Source, function_name
from converter.csource.text import Directive, Lines, hidden
from converter.csource.words import Mark, Words
from converter.tree.problems import spelled
from converter.units.declared import declared
from converter.units.edges import Edge
from converter.units.extract import Extractor
from converter.units.facts import Facts, Use
from converter.units.names import names
from converter.units.signatures import interesting, signatures
from converter.vocabulary import converted, unconverted, vocabulary

LARGE = 16 << 20
"""Files above this size are searched, not parsed (generated headers)."""

CORE = ("mm/", "fs/", "kernel/", "block/", "ipc/", "io_uring/")
"""Where files without a use are walked too: the code in which units flow from one function to the next."""

LINE = 400
"""Bytes of an assembler line that are looked at before and behind a use."""

DEEP = "nested too deeply to follow; some of its uses stay open"

_PREFIX = b"void _(void){"
_SUFFIX = b"\n;}"
_DEFINE = re.compile(rb"[ \t]*([A-Za-z_]\w*)(\(([^()]*)\))?")
_STATIC = re.compile(rb"\nstatic\b[^;{}()=\n]*?\b(\w+)\s*(?:\(|=|;|\[)")
_CALLED = re.compile(rb"\s*\(")
_MEMBER = re.compile(rb"(?:\.|->)\s*\Z")
_DECLARED = re.compile(rb"\s*;")
_NEAR = 80
"""Bytes before a member's name in which its `.` or `->` stands."""
_OPS = re.compile(rb"\.(\w+)\s*=\s*(\w+)\s*[,}]")
_VARIABLE = re.compile(rb"\s+\w+(?:\[\w*\])?\s*= \{")
_DECLARES = re.compile(rb"^(?:typedef |static |extern )*(?:struct|union)\b", re.M)


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_c.language()))


def analyse(path: str, content: bytes, scheme_name: str, inert: str = "") -> Facts | None:
    """Facts of one file; None where it holds nothing of interest. `inert` says why the file's directory is inert."""
    marks = _words(scheme_name).find(content)
    vocab = vocabulary().names
    facts = Facts()
    walked = path.endswith((".c", ".h")) and not inert
    if not marks and not (walked and path.startswith(CORE)):
        if path.endswith(".h") and path.startswith("include/") and _DECLARES.search(content):
            declared(spelled(path), Source(content).code, facts)
        return facts if facts.structs or facts.returns else None
    lines = Lines(content)
    assembler = not path.endswith((".c", ".h"))
    if inert or len(content) > LARGE:
        if len(content) <= LARGE and shared_directory(os.path.dirname(path)):
            facts.uses += _shared(content, marks, lines, inert)
            return facts
        covered = set() if inert else hidden(content, [m.start for m in marks])
        for m in marks:
            if m.word.decode() in vocab:
                facts.uses.append(_use(m, lines, inert=inert or ("comment or string" if m.start in covered else "")))
        if not inert:
            facts.warnings.append(f"larger than {LARGE >> 20} MiB: searched, not parsed; its uses stay open")
        return facts
    source = Source(content, assembler, comment_start(path))
    file = _File(path, content, source, lines, facts, scheme_name, assembler)
    file.run(marks)
    return facts


def _shared(content: bytes, marks: Iterable[Mark], lines: Lines, place: str) -> Iterator[Use]:
    """The uses of a header that user space and the kernel include: its text and its definitions are left alone."""
    source, vocab = Source(content), vocabulary().names
    for m in marks:
        name = vocab.get(m.word.decode())
        if name is None:
            continue
        use = _use(m, lines)
        directive = source.directive_at(m.start)
        head = _DEFINE.match(source.masked, directive.body, directive.end) if directive is not None else None
        if not name.family or (head is not None and head[1] in _family()) or source.masked[m.start : m.end] != m.word:
            use.inert = place
        else:
            use.shared = place
        yield use


@cache
def _words(scheme_name: str) -> Words:
    """The vocabulary and the scheme's converted names."""
    return Words({n.encode() for n in vocabulary().names} | set(names(scheme_name).family))


@cache
def _ops_structs() -> frozenset[bytes]:
    return frozenset(struct.encode() for struct, _ in signatures().ops)


@cache
def _sought() -> Words:
    return Words(interesting() | _ops_structs())


@cache
def _family() -> frozenset[bytes]:
    return frozenset(n.name.encode() for n in vocabulary().names.values() if n.family)


@cache
def _forms() -> dict[str, str]:
    return {n.name: n.form for n in vocabulary().names.values()}


@cache
def _kinds() -> dict[str, str]:
    return {n.name: n.kind for n in vocabulary().names.values()}


def _use(m: Mark, lines: Lines, inert: str = "", defines: bool = False, function: str = "") -> Use:
    line, col = lines.at(m.start)
    return Use(line, col, m.word.decode(), inert=inert, defines=defines, function=function)


class _File:
    def __init__(
        self, path: str, content: bytes, source: Source, lines: Lines, facts: Facts, scheme_name: str, assembler: bool
    ) -> None:
        self.path = path
        self.content = content
        self.source = source
        self.lines = lines
        self.facts = facts
        self.assembler = assembler
        self.family = _family()
        self.kinds = _kinds()
        self.forms = _forms()
        self.converted, self.converted_pattern = converted(scheme_name)
        self._unconverted = partial(unconverted, scheme_name=scheme_name)
        self.speaks = False  # does a converted name stand in it?
        self.rules: Rules = rules()
        private = {m.group(1).decode() for m in _STATIC.finditer(b"\n" + source.code)} if path.endswith(".c") else set()
        if path.endswith(".c"):
            private |= {
                d.group(1).decode()
                for x in source.directives
                if x.keyword == b"define" and (d := self._define(x)) is not None
            }
        self.extractor = Extractor(facts, names(scheme_name), spelled(path), frozenset(private), lines.number)
        self.found: dict[int, Use] = {}

    def _define(self, d: Directive) -> re.Match[bytes] | None:
        return _DEFINE.match(self.source.masked, d.body, d.end)

    def run(self, marks: list[Mark]) -> None:
        source = self.source
        masked = source.masked
        vocab = self.kinds
        self.speaks = any(m.word.decode() in self.converted for m in marks)
        sought = [] if self.assembler else _sought().find(source.code)
        marks += [m for m in sought if m.word in interesting()]
        pieces: dict[int, tuple[Piece, list[Mark]]] = {}
        lines: dict[int, tuple[Directive, list[Mark]]] = {}
        for m in marks:
            if masked[m.start : m.end] != m.word:
                if m.word.decode() in vocab:
                    self.found[m.start] = _use(m, self.lines, inert="comment or string")
                continue
            directive = source.directive_at(m.start)
            if self._other(m, directive):
                self.found[m.start] = _use(m, self.lines, inert="a variable or member of that name")
            elif directive is not None:
                lines.setdefault(directive.start, (directive, []))[1].append(m)
            elif self.assembler:
                self._assembler_use(m)
            else:
                piece = source.piece_at(m.start)
                pieces.setdefault(piece.start, (piece, []))[1].append(m)
        if not self.assembler:
            declared(spelled(self.path), source.code, self.facts)
            self._ops([m for m in sought if m.word in _ops_structs()])
        for directive, own in lines.values():
            self._directive(directive, own)
        for piece, own in pieces.values():
            self._piece(piece, own)
        for m in marks:  # in what is no C at all
            if m.start not in self.found and m.word.decode() in vocab:
                self.found[m.start] = _use(m, self.lines)
        for offset in sorted(self.found):
            use = self.found[offset]
            (self.facts.written if use.written else self.facts.uses).append(use)

    def _other(self, m: Mark, directive: Directive | None) -> bool:
        """Does something else bear the name of a macro with arguments, of a function or of a member?"""
        form = self.forms.get(m.word.decode())
        masked = self.source.masked
        if form == "member":
            return not _MEMBER.search(masked, max(0, m.start - _NEAR), m.start) and not self._declares(m)
        if form != "call" or _CALLED.match(masked, m.end):
            return False
        return directive is None or (directive.keyword == b"define" and m.start > directive.body + 1)

    def _declares(self, m: Mark) -> bool:
        """Is this a member's declaration in a struct?"""
        if not _DECLARED.match(self.source.masked, m.end):
            return False
        return function_name(self.source.code, self.source.piece_at(m.start)) is None

    # pieces of C

    def _piece(self, piece: Piece, marks: list[Mark]) -> None:
        name = function_name(self.source.code, piece) or ""
        for variant in self.source.variants(piece):
            text = normalise(variant)
            tree = _parser().parse(text)
            function = _named(name, variant)
            self._walk(partial(self.extractor.run, tree.root_node, text, piece.start, function))
            self._collect(marks, tree, text, piece.start, function, variant)

    def _walk(self, walk: Callable[[], None]) -> None:
        """Uses that are nested too deeply for the walk have a record all the same, and no unit."""
        try:
            walk()
        except RecursionError:
            if DEEP not in self.facts.warnings:
                self.facts.warnings.append(DEEP)

    def _collect(
        self, marks: list[Mark], tree: Tree, text: bytes, base: int, function: str, raw: bytes,
        defines: bool = False,
    ) -> None:  # fmt: skip
        """Give each use of a parsed piece its node, context and rules."""
        before = self._unconverted(raw) if self.speaks and self.converted_pattern.search(raw) else None
        code = Text(before or raw, tree.root_node)
        for m in marks:
            start = m.start
            written = m.word.decode()
            word = self.converted.get(written, written)
            if word not in self.kinds or start in self.found or raw[start - base : m.end - base] != m.word:
                continue
            declares = self.forms[word] == "member" and self._declares(m)
            use = _use(m, self.lines, defines=defines or declares or word == function, function=function)
            if word != written:
                use.name, use.written = word, written
            seen = self.extractor.uses.get(start)
            syntax: Node | None
            if seen is not None:
                use.node, syntax = seen
            else:
                use.node = self.extractor.fresh(word)
                syntax = tree.root_node.descendant_for_byte_range(start - base, m.end - base)
            if syntax is not None:
                use.context = context.of(syntax, tree.root_node, text, self.kinds[word])
                if raw[max(0, start - base - 16) : start - base].rstrip(b" (").endswith((b"aligned", b"aligned__")):
                    use.context = replace(use.context, operation="align")
                use.types = self._types(syntax)
                if before is not None:
                    use.context = self._as_before(use.context)
                place = Place(self.path, word, function, use.context, use.types, code, start - base)
                use.rules = self.rules.match(place)
            self._bind(use)
            self.found[start] = use

    def _as_before(self, c: context.Context) -> context.Context:
        """Role rules speak of the names from before the conversion."""

        def old(text: str) -> str:
            return self._unconverted(text.encode()).decode()

        return context.Context(c.operation, tuple(map(old, c.operands)), old(c.expression), old(c.sink), old(c.stepped))

    def _bind(self, use: Use) -> None:
        if use.node is not None:
            for r in use.rules:
                self.facts.edges.extend((use.node, self.extractor.key("X:" + r), Edge.RULE, use.line))

    def _types(self, node: Node) -> tuple[str, ...]:
        return tuple(sorted(self.extractor.types_at(node)))

    # preprocessor lines

    def _directive(self, d: Directive, marks: list[Mark]) -> None:
        if d.keyword == b"define":
            self._macro(d, marks)
            return
        tested = []
        for m in marks:
            if m.word.decode() not in self.kinds:
                continue
            text = self.source.masked[d.body : d.end]
            use = _use(m, self.lines, function="")
            if d.keyword in (b"undef", b"ifdef", b"ifndef") or self._only_defined(m, text, d.body):
                use.defines = True
            elif d.keyword in (b"if", b"elif"):
                tested.append(m)
                continue
            else:
                use.inert = "text of #" + d.keyword.decode()
            self.found[m.start] = use
        if tested:
            self._condition(d, tested)

    def _only_defined(self, m: Mark, text: bytes, base: int) -> bool:
        before = text[: m.start - base].rstrip()
        return before.endswith((b"defined", b"defined("))

    def _condition(self, d: Directive, marks: list[Mark]) -> None:
        body = self.source.masked[d.body : d.end].replace(b"\\", b" ")
        text = _PREFIX + body + _SUFFIX
        tree = _parser().parse(text)
        base = d.body - len(_PREFIX)
        self._walk(partial(self.extractor.macro, tree.root_node, text, base, self.lines.number(d.body), "", None))
        self._collect(marks, tree, text, base, "", text)

    def _macro(self, d: Directive, marks: list[Mark]) -> None:
        head = self._define(d)
        if head is None:
            return
        name = head.group(1)
        defines = name in self.family
        if any(m.start == head.start(1) and m.word.decode() not in self.kinds for m in marks):
            self.facts.defines.append(name.decode())
        for m in marks:
            if m.start == head.start(1) and m.word.decode() in self.kinds:
                self.found[m.start] = _use(m, self.lines, defines=True, function=name.decode())
        rest = [m for m in marks if m.start >= head.end()]
        if not rest:
            return
        if name.decode() not in self.kinds and any(m.word in self.family for m in rest):
            self.facts.macros.append(name.decode())
        body = self.source.masked[head.end() : d.end].replace(b"\\", b" ")
        text = _PREFIX + body + _SUFFIX
        base = head.end() - len(_PREFIX)
        tree = _parser().parse(text)
        params = None
        if head.group(2) is not None:
            params = [p.strip().decode("utf-8", "replace") for p in (head.group(3) or b"").split(b",") if p.strip()]
        line = self.lines.number(head.end())
        self._walk(partial(self.extractor.macro, tree.root_node, text, base, line, name.decode(), params))
        self._collect(rest, tree, text, base, name.decode(), text, defines)

    # everything else

    def _ops(self, marks: list[Mark]) -> None:
        """Functions that are assigned to the known function pointers of ops structs take their parameters' units."""
        known = signatures().ops
        code = self.source.code
        for mark in marks:
            owner = _VARIABLE.match(code, mark.end)
            if owner is None:
                continue
            at = owner.end()
            end = code.find(b"};", at)
            struct = mark.word.decode()
            for m in _OPS.finditer(code, at, end + 1 if end >= 0 else len(code)):
                target = known.get((struct, m.group(1).decode()))
                if target is not None:
                    self._op(target, m.group(2).decode(), self.lines.number(m.start()))

    def _op(self, target: str, function: str, line: int) -> None:
        own = self.extractor.own(function)
        key = self.extractor.key
        for i in range(6):
            self.facts.edges.extend((key(f"P:{own}/{i}"), key(f"P:{target}/{i}"), Edge.ASSIGN, line))
        self.facts.edges.extend((key(f"R:{own}"), key(f"R:{target}"), Edge.ASSIGN, line))

    def _assembler_use(self, m: Mark) -> None:
        written = m.word.decode()
        word = self.converted.get(written, written)
        if word not in self.kinds:
            return
        start = max(m.start - self.lines.at(m.start)[1] + 1, m.start - LINE)
        line = self.source.masked[start : m.end + LINE].split(b"\n")[0]
        before, text = line[: m.start - start].rstrip(), self._unconverted(line) if self.speaks else line
        use = _use(m, self.lines)
        if word != written:
            use.name, use.written = word, written
        operation = "round" if before.endswith(b"ALIGN(") else "assembler"
        use.context = context.Context(operation, (), context.fold(text), context.ASSEMBLER)
        use.node = self.extractor.fresh(word)
        place = Place(self.path, word, "", use.context, (), Text(text))
        use.rules = self.rules.match(place)
        self._bind(use)
        self.found[m.start] = use


def _named(name: str, text: bytes) -> str:
    """`SYSCALL_DEFINE3(mlock, ...)` defines mlock: normalised away before the name is looked up."""
    if name.endswith(("SYSCALL_DEFINE0", "SYSCALL_DEFINE1")) or ("SYSCALL" in name and "_DEFINE" in name):
        m = re.search(re.escape(name).encode() + rb"\(\s*(\w+)", text)
        if m is not None:
            return m.group(1).decode()
    return name
