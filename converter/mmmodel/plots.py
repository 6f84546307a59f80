"""Plots of the simulator's figures: each function draws one and returns it; save() and to_svg() write it.

matplotlib is imported when a plot is asked for: it takes longer to load than most commands run.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from converter.errors import InputError
from converter.mmmodel.footprint import Held
from converter.mmmodel.geometry import MAX_PAGE_ORDER, Geometry, format_size
from converter.mmmodel.pagecache_cost import Bucket, Cost
from converter.mmmodel.smaps_bounds import Bounds, Range

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")
"""What a plot can be written as."""

_USED = "#4878a8"
_CAUSE_COLOURS = {
    "vma_end": "#e08a4f",
    "misaligned": "#b5482f",
    "crossing": "#7a3b69",
    "cow_siblings": "#c9a227",
    "unmapped": "#8a9a5b",
    "cache_siblings": "#5f9ea0",
    "file_tail": "#6b7f8f",
}
_SIZE_COLOURS = ("#a9c4de", "#4878a8", "#1f4e79", "#0b2440")
_BARS = 12  # as many as can be told apart in one plot
_MIB = 1 << 20


def check_suffix(path: Path) -> None:
    """Raises InputError, before any work is done, where save() could not write to this path."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: a plot is written as {' or '.join(SUFFIXES)}; name the file so")
    if not path.parent.is_dir():
        raise InputError(f"{path}: no such directory: {path.parent}")


def save(figure: Figure, path: Path) -> None:
    """Writes a plot in the format that the file name asks for. Raises InputError where that is not possible."""
    check_suffix(path)
    content = to_svg(figure) if path.suffix.lower() == ".svg" else _to_png(figure)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def to_svg(figure: Figure) -> bytes:
    """A plot as SVG text; equal figures give equal bytes."""
    from matplotlib import rc_context

    out = io.BytesIO()
    with rc_context({"svg.hashsalt": "pgconv"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _to_png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=120)
    return out.getvalue()


def footprint(title: str, total: Sequence[Held], parts: Sequence[tuple[str, Sequence[int]]]) -> Figure:
    """Memory held at each PG_SIZE by cause of waste, and what the largest parts (processes, mappings) hold.

    parts: a name, and its bytes at each PG_SIZE of `total`.
    """
    figure, (left, right) = _figure(title)
    names = [format_size(held.pg_size) for held in total]
    _stack(left, names, "pages that are present", _USED, [held.present for held in total])
    below = [held.present for held in total]
    for cause, colour in _CAUSE_COLOURS.items():
        waste = [held.waste[cause] for held in total]
        if any(waste):
            _stack(left, names, cause.replace("_", " "), colour, waste, below)
            below = [lower + upper for lower, upper in zip(below, waste, strict=True)]
    _over(left, names, below)
    left.set_ylabel("MiB held")
    left.set_xlabel("PG_SIZE")
    left.legend(fontsize=8, frameon=False, loc="upper left")

    _bars(right, names, parts, "MiB held")
    return figure


def bounds(title: str, total: Sequence[Bounds], parts: Mapping[str, Sequence[Range]]) -> Figure:
    """Memory held at each PG_SIZE where only bounds are known: the least, and what may come on top."""
    figure, (left, right) = _figure(title)
    names = [format_size(each.pg_size) for each in total]
    least = [each.total.low for each in total]
    _stack(left, names, "at least", _USED, least)
    _stack(left, names, "at most", "#d9e2ec", [each.total.high - each.total.low for each in total], least)
    _over(left, names, [each.total.high for each in total])
    left.set_ylabel("MiB held")
    left.set_xlabel("PG_SIZE")
    left.legend(fontsize=8, frameon=False, loc="upper left")
    _bars(right, names, [(label, [each.high for each in ranges]) for label, ranges in parts.items()], "MiB at most")
    return figure


def waste(title: str, sizes: Sequence[Geometry], parts: Sequence[tuple[str, Sequence[int]]]) -> Figure:
    """What the largest parts waste at each PG_SIZE, and that as a share of what each uses.

    parts: a name, bytes used, and then bytes wasted at each size.
    """
    figure, (left, right) = _figure(title)
    names = [format_size(geometry.pg_size) for geometry in sizes]
    shares = [[waste / used * 100 for waste in wasted] for _, (used, *wasted) in parts if used]
    left.boxplot(
        [[share[number] for share in shares] for number in range(len(names))],
        tick_labels=names,
        widths=0.5,
        medianprops={"color": "#b5482f"},
        flierprops={"markersize": 3},
    )
    left.set_ylabel(f"waste of each of {len(shares)}, % of what it uses")
    left.set_xlabel("PG_SIZE")
    _bars(right, names, [(name, wasted) for name, (_, *wasted) in parts], "MiB wasted")
    return figure


def scenario(title: str, sizes: Sequence[Geometry], figures: Sequence[Mapping[str, int]]) -> Figure:
    """The most memory that a scenario had in use at each PG_SIZE, and what is in use and wasted after its last step.

    figures: those of scenario_run.Run, one at each size.
    """
    figure, (left, right) = _figure(title)
    names = [format_size(geometry.pg_size) for geometry in sizes]
    peaks = [each["peak"] for each in figures]
    _stack(left, names, "most memory in use", _USED, peaks)
    _over(left, names, peaks)
    left.set_ylabel("MiB, most in use")
    left.set_xlabel("PG_SIZE")

    labels = {"anon": "anonymous", "file": "page cache", "tables": "page tables"}
    for each in figures:
        causes = (name.removeprefix("waste.") for name in each if name.startswith("waste.") and name != "waste.all")
        labels |= {f"waste.{cause}": f"waste: {cause.replace('_', ' ')}" for cause in causes}
    parts = [(label, [each.get(name, 0) for each in figures]) for name, label in labels.items()]
    parts = [part for part in parts if any(part[1])]
    if parts:
        _bars(right, names, parts, "MiB after the last step")
    else:
        right.set_axis_off()
        right.text(0.5, 0.5, "after the last step nothing is in use", ha="center", transform=right.transAxes)
    return figure


def pagecache(title: str, content: int, costs: Sequence[Cost], buckets: Sequence[Bucket]) -> Figure:
    """Page cache of a file tree at each PG_SIZE, and the waste by file size. content: bytes of all files."""
    figure, (left, right) = _figure(title)
    names = [format_size(cost.pg_size) for cost in costs]
    _stack(left, names, "content", _USED, [content] * len(costs))
    _stack(left, names, "behind ends of files", "#e08a4f", [cost.total_waste for cost in costs], [content] * len(costs))
    _over(left, names, [cost.total for cost in costs])
    left.set_ylabel("MiB of page cache")
    left.set_xlabel("PG_SIZE")
    left.legend(fontsize=8, frameon=False, loc="upper left")

    width = 0.8 / len(costs)
    for number, cost in enumerate(costs):
        places = [place + width * number for place in range(len(buckets))]
        right.bar(
            places, [waste / _MIB for waste in cost.waste], width, color=_SIZE_COLOURS[number], label=names[number]
        )
    right.set_xticks([place + 0.4 - width / 2 for place in range(len(buckets))])
    right.set_xticklabels([_bucket(bucket) for bucket in buckets], fontsize=8)
    right.set_xlabel("file size (number of files)")
    right.set_ylabel("MiB behind ends of files")
    right.legend(title="PG_SIZE", fontsize=8, title_fontsize=8, frameon=False)
    return figure


def struct_pages(ram: int, sizes: Sequence[Geometry]) -> Figure:
    """What struct pages cost for `ram` bytes, and the buddy order of a 2M block, at each PG_SIZE."""
    figure, (left, right) = _figure(f"A machine with {ram / (1 << 30):.1f} GiB of memory")
    names = [format_size(geometry.pg_size) for geometry in sizes]
    costs = [geometry.struct_page_bytes(ram) / _MIB for geometry in sizes]
    bars = left.bar(names, costs, color=_USED, width=0.6)
    left.bar_label(bars, [f"{cost:,.1f}" for cost in costs], fontsize=8)
    left.set_ylabel("MiB of struct pages (64 bytes each)")
    left.set_xlabel("PG_SIZE")
    for number, (size, label) in enumerate(((2 << 20, "2M"), (1 << 30, "1G"))):
        orders = [geometry.order_of(size) for geometry in sizes]
        places = [place + 0.4 * number for place in range(len(sizes))]
        right.bar_label(right.bar(places, orders, 0.4, color=_SIZE_COLOURS[number], label=label), fontsize=8)
    right.axhline(MAX_PAGE_ORDER, color="#b5482f", linewidth=1, label="largest buddy order")
    right.set_yticks(range(0, 20, 2))
    right.set_xticks([place + 0.2 for place in range(len(sizes))], names)
    right.set_ylabel("order of the block")
    right.set_xlabel("PG_SIZE")
    right.legend(title="block", fontsize=8, title_fontsize=8, frameon=False, loc="upper right")
    return figure


def _bars(axes: Axes, names: Sequence[str], parts: Sequence[tuple[str, Sequence[int]]], what: str) -> None:
    """A group of horizontal bars for each of the largest parts."""
    largest = sorted(parts, key=lambda part: part[1][-1], reverse=True)[:_BARS][::-1]
    height = 0.8 / len(names)
    for number, name in enumerate(names):
        sizes = [part[number] / _MIB for _, part in largest]
        places = [row - height * number for row in range(len(largest))]
        axes.barh(places, sizes, height=height, color=_SIZE_COLOURS[number], label=name)
    axes.set_yticks([row - 0.4 + height / 2 for row in range(len(largest))])
    axes.set_yticklabels([_short(name) for name, _ in largest], fontsize=8)
    axes.set_xlabel(what if len(parts) <= _BARS else f"{what}, the {_BARS} largest of {len(parts)}")
    axes.legend(title="PG_SIZE", fontsize=8, title_fontsize=8, loc="lower right", frameon=False)


def _figure(title: str) -> tuple[Figure, tuple[Axes, Axes]]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(f"plots need matplotlib ({error}); install it with: pip install matplotlib") from error
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    figure.suptitle(_plain(title), fontsize=12)
    left, right = figure.subplots(1, 2, width_ratios=(2, 3))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure, (left, right)


def _stack(
    axes: Axes, names: Sequence[str], label: str, colour: str, sizes: Sequence[int], below: Sequence[int] | None = None
) -> None:
    bottom = [size / _MIB for size in below or [0] * len(sizes)]
    axes.bar(names, [size / _MIB for size in sizes], 0.6, bottom=bottom, color=colour, label=label)


def _over(axes: Axes, names: Sequence[str], totals: Sequence[int]) -> None:
    """Writes the sum over each stack, and leaves room above for the legend."""
    for name, size in zip(names, totals, strict=True):
        axes.annotate(f"{size / _MIB:,.1f}", (name, size / _MIB), ha="center", va="bottom", fontsize=8)
    entries = len(axes.get_legend_handles_labels()[0])
    axes.set_ylim(0, max(*totals, _MIB // 64) / _MIB * (1.15 + 0.07 * entries))


def _short(name: str) -> str:
    """A name that leaves room for the plot."""
    return _plain(name if len(name) <= 28 else f"...{name[-25:]}")


def _plain(text: str) -> str:
    """Text that is drawn as it stands: a dollar sign would begin a formula."""
    return "".join(character if character.isprintable() else "?" for character in text).replace("$", r"\$")


def _bucket(bucket: Bucket) -> str:
    end = f"to {format_size(bucket.size)}" if bucket.size is not None else f"over {format_size(bucket.above)}"
    return f"{end}\n({bucket.files:,})"
