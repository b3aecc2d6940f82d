"""Compare two saved runs of the benchmarks: the last two, or those named.

    python tests/benchmarks/compare.py results/benchmarks [BEFORE.json AFTER.json]

For each phase it prints the ratio of the lower quartiles of the rounds' times, after over before,
with a bootstrap interval over rounds, and says faster or slower where the interval leaves out 1 and
the change is above the threshold. The exit code is 1 where something got slower.

What a machine does besides only ever adds time: the lower quartile is moved less by it than a mean.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_RESAMPLES = 4000
_MACHINE = ("brand_raw", "hz_advertised_friendly", "count", "arch")


@dataclass(frozen=True)
class Change:
    """One phase in both runs: lower quartiles, and their ratio with its interval."""

    name: str
    before_s: float
    after_s: float
    ratio: float
    low: float
    high: float

    def statement(self, threshold: float) -> str:
        """Say faster, slower, or nothing shown."""
        if self.high < 1.0 and self.ratio < 1.0 - threshold:
            return "faster"
        if self.low > 1.0 and self.ratio > 1.0 + threshold:
            return "slower"
        return "-"


def rounds_of(document: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the seconds of each round by benchmark; those without an answer are left out."""
    found = {}
    for one in document["benchmarks"]:
        if one.get("extra_info", {}).get("censored"):
            continue
        data = one["stats"].get("data") or [one["stats"]["median"]]
        found[one["name"]] = np.asarray(data, dtype=np.float64)
    return found


def compare(before: dict[str, Any], after: dict[str, Any], seed: int = 0) -> list[Change]:
    """Return the changes of all benchmarks in both runs."""
    first, second = rounds_of(before), rounds_of(after)
    rng = np.random.default_rng(seed)
    changes = []
    for name in first:
        if name not in second:
            continue
        sides = []
        for rounds in (first[name], second[name]):
            picks = rng.integers(0, rounds.size, (_RESAMPLES, rounds.size))
            sides.append(np.quantile(rounds[picks], 0.25, axis=1))
        low, high = np.quantile(sides[1] / sides[0], [0.025, 0.975])
        a, b = (float(np.quantile(rounds, 0.25)) for rounds in (first[name], second[name]))
        changes.append(Change(name, a, b, b / a, float(low), float(high)))
    return changes


def machine(document: dict[str, Any]) -> str:
    """Return what makes two machines two."""
    cpu = document.get("machine_info", {}).get("cpu", {})
    return ", ".join(str(cpu[key]) for key in _MACHINE if cpu.get(key))


def last_two(folder: Path) -> list[Path]:
    """Return the newest two runs saved for one machine, the older first."""
    saved = sorted(folder.rglob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    if not saved:
        return []
    return [path for path in saved if path.parent == saved[-1].parent][-2:]


def text(changes: list[Change], threshold: float) -> str:
    """Return the changes as a table, what got slower first."""
    order = {"slower": 0, "faster": 1, "-": 2}
    lines = [("benchmark", "before", "after", "ratio", "95 % interval", "")]
    for c in sorted(changes, key=lambda c: (order[c.statement(threshold)], -c.ratio)):
        lines.append(
            (
                c.name,
                f"{c.before_s:.4g} s",
                f"{c.after_s:.4g} s",
                f"{c.ratio:.3g}",
                f"{c.low:.3g} to {c.high:.3g}",
                c.statement(threshold),
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k in (0, 5) else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the comparison; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--threshold", type=float, default=0.05, metavar="SHARE")
    chosen = parser.parse_args(arguments)
    files = chosen.files or last_two(chosen.folder)
    if len(files) != 2:
        print(f"{len(files)} saved runs in {chosen.folder}: nothing to compare with yet.")
        return 0
    before, after = (json.loads(path.read_text()) for path in files)
    print(f"before: {files[0]}\nafter:  {files[1]}")
    if machine(before) != machine(after):
        print(f"DIFFERENT MACHINES: {machine(before)} and {machine(after)}. Times do not compare.")
        return 0
    changes = compare(before, after)
    print(text(changes, chosen.threshold))
    return int(any(c.statement(chosen.threshold) == "slower" for c in changes))


if __name__ == "__main__":
    sys.exit(main())
