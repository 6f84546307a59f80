"""Confidence: the measured share of right answers of each kind of evidence (rules/confidence.toml)."""

from __future__ import annotations

from functools import cache

from converter import data, toml


class Measured(toml.Entry, frozen=True):
    """Of `n` labelled uses with this kind of evidence, `right` were right."""

    n: int
    right: int


class _File(toml.Entry, frozen=True):
    weight: float  # how many uses a prior counts for
    first: Measured  # of the uses that the scan decided before anyone had looked at them
    family: dict[str, Measured]  # the same, by family of kinds
    kind: dict[str, Measured]


def family(kind: str) -> str:
    """The kinds that this one is like: all role rules; units by how far they came; hints by what they are of."""
    parts = kind.split(":")
    return f"units:{parts[2]}" if parts[0] == "units" else parts[0]


class Confidence:
    def __init__(self, loaded: _File) -> None:
        self._loaded = loaded

    def of(self, kind: str) -> float:
        """Share of right answers; 0 where there is no evidence.

        Where little was measured of a kind it is drawn towards the share of its family at first looks, and that towards
        the share of all first looks: labels that the rules were written against say less than uses nobody had seen.
        """
        if kind == "none":
            return 0.0
        f = self._loaded
        nothing = Measured(0, 0)
        alike = _drawn(f.family.get(family(kind), nothing), f.first.right / f.first.n, f.weight)
        return round(_drawn(f.kind.get(kind, nothing), alike, f.weight), 3)

    def measured(self) -> dict[str, Measured]:
        return dict(self._loaded.kind)


def _drawn(m: Measured, prior: float, weight: float) -> float:
    """The measured share, drawn towards what is known without it."""
    return (m.right + prior * weight) / (m.n + weight)


@cache
def confidence() -> Confidence:
    return Confidence(toml.load(data.path("rules/confidence.toml"), _File))
