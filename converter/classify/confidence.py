"""Confidence: the measured share of right answers of each kind of evidence (rules/confidence.toml)."""

from __future__ import annotations

from functools import cache

from converter import data, toml


class Measured(toml.Entry, frozen=True):
    """Of `n` labelled uses with this kind of evidence, `right` were right."""

    n: int
    right: int


class _File(toml.Entry, frozen=True):
    prior: float  # share that a kind has before anything of it was measured
    weight: float  # how many uses the prior counts for
    kind: dict[str, Measured]


class Confidence:
    def __init__(self, loaded: _File) -> None:
        self._loaded = loaded

    def of(self, kind: str) -> float:
        """Share of right answers, drawn towards the prior where little was measured; 0 where there is no evidence."""
        if kind == "none":
            return 0.0
        f = self._loaded
        m = f.kind.get(kind, Measured(0, 0))
        return round((m.right + f.prior * f.weight) / (m.n + f.weight), 3)

    def measured(self) -> dict[str, Measured]:
        return dict(self._loaded.kind)


@cache
def confidence() -> Confidence:
    return Confidence(toml.load(data.path("rules/confidence.toml"), _File))
