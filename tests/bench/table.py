"""What a benchmark says: our figure, the baseline's, and how they compare."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table; `baseline` and `ratio` are empty where nothing compares."""

    what: str
    ours: str
    baseline: str = ""
    ratio: str = ""


def printed(rows: Sequence[Row]) -> str:
    """The table as text."""
    lines = [("", "ours", "baseline", "ratio"), *((row.what, row.ours, row.baseline, row.ratio) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
