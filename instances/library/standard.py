"""Selects `standard-v1` from measured candidates, and writes its files.

Run ``python -m splitopt.instances.library.standard``. What depends on solvers (optima, hosts at the
optimum, what a MILP proves in 10 s) is read from the committed table that
``python -m splitopt.bench.studies candidates`` wrote; nothing is solved here, and the same
table gives the same choice.

Candidates are sorted into cells by what their optimum is like and whether a MILP proved it. From
each cell a stated number is taken, farthest first: the next one is that whose nearest chosen
neighbour, in any cell of its problem, is farthest away. Distances are Euclidean over features
that are each replaced by their rank among the candidates, so that no unit counts more.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from splitopt.instances.core.arrays import Floats
from splitopt.instances.core.documents import canonical, parse_json, write_bytes
from splitopt.instances.core.errors import InputError
from splitopt.instances.library import build
from splitopt.instances.library.candidates import candidates, generate_candidate

Row = Mapping[str, Any]
TABLE = build.FOLDER / "candidates.json.gz"

# How many of each cell. Of CIFT's feasible ones more than a third have four hosts or more, and
# cells of one host and one node are kept small.
CELLS: Mapping[str, int] = {
    "cift-unproven": 46,
    "cift-infeasible": 10,
    "cift-continuous": 18,
    "cift-many-hosts": 24,
    "cift-few-hosts": 20,
    "cift-one-host": 16,
    "mepra-unproven-lattice": 14,
    "mepra-unproven": 1,
    "mepra-partition": 3,
    "mepra-free-inside": 12,
    "mepra-free": 6,
    "mepra-inside": 32,
    "mepra-mixed": 10,
    "mepra-one-node": 8,
}
# A gap left after 10 s that is more than what a slightly faster machine would close.
_CLEAR_GAP = {"cift": 2e-5, "mepra": 1.5e-6}


def read_table(path: Path = TABLE) -> list[Row]:
    """Return the rows of the measured candidates."""
    found = parse_json(gzip.decompress(path.read_bytes()), path.name)
    if not isinstance(found, list):
        raise InputError(path.name, found, "a list of rows", "measure the candidates again")
    return found


def _cift_cell(row: Row) -> str | None:
    if row["status"] == "infeasible":
        return "cift-infeasible"
    if "hosts" not in row:
        return None  # nothing is known of its optimum
    if row["continuous"]:
        return "cift-continuous"
    if row["milp_status"] == "unproven":
        clear = row["milp_gap"] is None or row["milp_gap"] > _CLEAR_GAP["cift"]
        return "cift-unproven" if clear and row["status"] == "optimal" else None
    hosts = row["hosts"]
    return f"cift-{'many' if hosts >= 4 else 'few' if hosts >= 2 else 'one'}-host" + (
        "s" if hosts >= 2 else ""
    )


def _mepra_cell(row: Row) -> str | None:
    if row["status"] != "optimal":
        return None
    if row["milp_status"] == "unproven":
        if not (row["milp_gap"] is None or row["milp_gap"] > _CLEAR_GAP["mepra"]):
            return None
        return "mepra-unproven-lattice" if "lattice" in row["name"] else "mepra-unproven"
    if "lattice" in row["name"]:
        return None
    if "partition" in row["name"]:
        return "mepra-partition"
    if row["one_node"]:
        return "mepra-one-node"
    free = row["features"]["free"] == 1
    if row["interior"] > 0:
        return "mepra-free-inside" if free else "mepra-inside"
    return "mepra-free" if free else "mepra-mixed"


def cell(row: Row) -> str | None:
    """Return the cell of a measured candidate, None where it is not eligible."""
    return _cift_cell(row) if row["problem"] == "cift" else _mepra_cell(row)


def ranks(rows: Sequence[Row]) -> Floats:
    """Return features as ranks in [0, 1], shape (rows, features); equal values share a rank."""
    keys = sorted(rows[0]["features"])
    table = np.array([[row["features"][key] for key in keys] for row in rows], dtype=np.float64)
    columns = []
    for values in table.T:
        _, place = np.unique(values, return_inverse=True)
        columns.append(place / max(1, int(place.max())))
    return np.stack(columns, axis=1)


def _select(rows: Sequence[Row]) -> list[int]:
    places = ranks(rows)
    members: dict[str, list[int]] = {name: [] for name in CELLS}
    for index, row in enumerate(rows):
        name = cell(row)
        if name is not None:
            members[name].append(index)
    taken: list[int] = []
    nearest = np.full(len(rows), np.inf)
    problem = rows[0]["problem"]
    for name, count in CELLS.items():
        if not name.startswith(problem):
            continue
        if len(members[name]) < count:
            raise InputError(name, len(members[name]), f"{count} candidates", "measure more")
        for _ in range(count):
            pool = [k for k in members[name] if k not in taken]
            # The first in the table among those equally far.
            best = pool[int(np.argmax(nearest[pool]))]
            taken.append(best)
            distance = np.sqrt(((places - places[best]) ** 2).sum(axis=1))
            nearest = np.minimum(nearest, distance)
    return sorted(taken)


def chosen(rows: Sequence[Row]) -> list[Row]:
    """Return the selected candidates, in the order of the table."""
    found: list[Row] = []
    for problem in ("cift", "mepra"):
        part = [row for row in rows if row["problem"] == problem]
        found += [part[k] for k in _select(part)]
    return found


def main(folder: Path = build.FOLDER) -> None:
    """Write the files of `standard-v1`; an existing set is frozen and not written over."""
    target = folder / build.STANDARD
    if any(target.glob("*.json.gz")):
        raise InputError(str(target), "files", "an empty folder", "standard-v1 is frozen")
    recipes = {recipe.name: recipe for recipe in candidates()}
    counts = {"cift": 0, "mepra": 0}
    size = 0
    for row in chosen(read_table()):
        counts[row["problem"]] += 1
        name = f"{row['problem']}-standard-{counts[row['problem']]:03d}"
        instance = generate_candidate(recipes[row["name"]], name)
        if instance.content_hash != row["content_hash"]:
            raise InputError(row["name"], instance.content_hash, row["content_hash"], "measure")
        document = instance.to_document() | {"description": f"{row['name']} of {build.STANDARD}"}
        data = gzip.compress(canonical(document) + b"\n", compresslevel=9, mtime=0)
        write_bytes(target / f"{name}.json.gz", data)
        size += len(data)
    sys.stderr.write(f"{sum(counts.values())} instances, {size / 1e6:.2f} MB\n")


if __name__ == "__main__":
    main()
