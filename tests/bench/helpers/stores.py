"""Stores with made-up rows, and stores of older versions."""

import dataclasses
import sqlite3
from pathlib import Path

from splitopt.bench.store.rows import Row
from splitopt.bench.store.store import Store

OLD_STORES = Path(__file__).parents[2] / "data" / "stores"


def restore(version, folder):
    """Make a store of an older version from its dump; return the rows as they stand in it."""
    connection = sqlite3.connect(folder / "runs.sqlite")
    connection.executescript((OLD_STORES / f"version-{version}.sql").read_text())
    assert connection.execute("PRAGMA user_version").fetchone()[0] == version
    connection.row_factory = sqlite3.Row
    rows = [dict(found) for found in connection.execute("SELECT * FROM runs ORDER BY id")]
    connection.close()
    return rows


def row(method="m", seed=0, instance="h", solve_time_s=1.0, **changes):
    filled = {field.name: None for field in dataclasses.fields(Row)} | {
        "key": f"{instance}-{method}-{seed}",
        "method": method,
        "instance_hash": instance,
        "instance_name": f"name-{instance}",
        "problem": "mepra",
        "options": {},
        "seed": seed,
        "repetition": 0,
        "time_limit_s": 10.0,
        "grace_s": 1.0,
        "threads": 1,
        "relative_gap": 1e-6,
        "jobs": 1,
        "enforced": {},
        "not_enforced": {},
        "environment_hash": "e",
        "started_at": "now",
        "termination": "solved",
        "status": "feasible",
        "solve_time_s": solve_time_s,
        "wall_time_s": 1.0,
        "overhead_s": 0.0,
        "objective": 10.0,
        "verdict": "right",
        "violations": (),
        "trajectory": (),
        "statistics": {},
        "stdout": "",
        "stdout_bytes": 0,
        "stderr": "",
        "stderr_bytes": 0,
    }
    return Row(**(filled | changes))


def fill(folder, rows):
    with Store(folder, create=True) as store:
        for one in rows:
            store.put_instance(one.instance_hash, one.instance_name, "mepra", "x", b"{}")
            store.add(one)
    return folder
