"""What page-size names in an expression take its inputs for: bytes or counts, and where two counts meet."""

from __future__ import annotations

from dataclasses import dataclass, field

from converter.lift.arithmetic import COMPARE, SHIFTS
from converter.lift.value import Value


@dataclass
class Measures:
    """Notes of one expression; see Lifted. `last` is the offset of the page-size name that was read last."""

    measures: dict[str, tuple[str, int]] = field(default_factory=dict)
    meets: set[tuple[int, int]] = field(default_factory=set)
    scaled: set[str] = field(default_factory=set)

    def counted(self, sign: str, a: Value, b: Value, last: int) -> int:
        """The name by which the result is a count, if it is one; notes where two counts meet."""
        if (sign == ">>" and b.page == "shift") or (sign == "/" and b.page == "size" and not a.page):
            return last
        if a.count >= 0 and ((sign == "<<" and b.page == "shift") or (sign == "*" and b.page == "size")):
            self.meets.add((a.count, last))
        elif b.count >= 0 and sign == "*" and a.page == "size":
            self.meets.add((b.count, last))
        elif a.count >= 0 and b.count >= 0 and (sign in ("+", "-") or sign in COMPARE):
            self.meets.add((a.count, b.count))
        return max(a.count, b.count) if sign in ("+", "-", "|", "&") else -1

    def measured(self, sign: str, a: Value, b: Value, last: int) -> tuple[frozenset[str], str]:
        """Notes what the operation takes inputs for; terms and page of the result."""
        if a.page and b.page:
            return frozenset(), a.page if a.page == b.page and sign in ("+", "-", "|", "&") else ""
        if not a.page and not b.page:
            if sign in ("*", "/", "%", *SHIFTS):
                self.scaled |= a.terms | b.terms
            return (a.terms | b.terms if sign in ("+", "-") else frozenset()), ""
        page, other, right = (b.page, a, True) if b.page else (a.page, b, False)
        if other.literal is not None and not other.terms:
            kept = {"-": "mask" if page == "size" and other.literal == 1 else page, "+": page}.get(sign, "")
            return frozenset(), "size" if sign == "<<" and page == "shift" and right else kept
        measure = {
            ("<<", "shift", True): "count", (">>", "shift", True): "byte", ("*", "size", True): "count",
            ("*", "size", False): "count", ("/", "size", True): "byte", ("%", "size", True): "byte",
            ("&", "mask", True): "byte", ("&", "mask", False): "byte", ("|", "mask", True): "byte",
        }.get((sign, page, right), "byte" if page == "size" and (sign in "+-" or sign in COMPARE) else "")  # fmt: skip
        if measure:
            for term in other.terms:
                self.measures.setdefault(term, (measure, last))
        additive = sign in ("+", "-") or (sign in ("&", "|") and page == "mask")
        return (other.terms if additive else frozenset()), ""
