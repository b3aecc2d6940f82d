"""What a user waits for before anything is solved, and what a run costs beyond its solve."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmark_models import mepra
from benchmark_spec import Phase, Spec

RUNS = 20


def command(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "splitopt.bench.cli", *arguments],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def cold(*arguments: str) -> str:
    """Run a command with nothing compiled before."""
    with tempfile.TemporaryDirectory(prefix="benchmark-cold-") as folder:
        return subprocess.run(
            [sys.executable, "-m", "splitopt.bench.cli", *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"NUMBA_CACHE_DIR": folder},
        ).stdout


def compiled() -> float:
    """Compile every kernel of JQODI and of the labels; return the processor time it took."""
    text = """
import time
begin = time.process_time()
for problem in ("cift", "mepra"):
    __import__(f"splitopt.heuristics.jqodi.{problem}.warm", fromlist=["warm"]).warm_up()
print(time.process_time() - begin)
"""
    with tempfile.TemporaryDirectory(prefix="benchmark-cold-") as folder:
        return float(
            subprocess.run(
                [sys.executable, "-c", text],
                capture_output=True,
                text=True,
                check=True,
                env=os.environ | {"NUMBA_CACHE_DIR": folder},
            ).stdout
        )


def program(text: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True
    ).stdout


def folder_with_instances() -> tuple[Path, list[str]]:
    from splitopt.instances.core.documents import write_json

    folder = Path(tempfile.mkdtemp(prefix="benchmark-runs-"))
    path = folder / "one.json"
    write_json(path, mepra(12).to_document())
    return folder / "out", [str(path)]


def run_many(out: Path, files: list[str]) -> float:
    """Record twenty runs of a method that takes no time: what is left is the runner's."""
    import shutil

    from splitopt.bench.runs.runner import RunSpec, run_set
    from splitopt.bench.store.rows import Limits
    from splitopt.bench.store.store import Store

    run_set(
        RunSpec(
            instances=files,
            methods=["even-shares"],
            limits=Limits.of(10.0),
            seeds=tuple(range(RUNS)),
        ),
        out,
    )
    with Store(out) as store:
        rows = store.rows()
    shutil.rmtree(out.parent)
    assert all(row.verdict == "right" for row in rows)
    return float(len(rows))


def spec(name: str, phase: Phase, small: bool = True) -> Spec:
    return Spec(f"start-{name}", "start-up", "start-up", small, (phase,), lambda: name)


SPECS = (
    *(
        spec(name, Phase("command", lambda a=arguments: a, command, rounds=10))
        for name, arguments in (
            ("help", ("--help",)),
            ("list", ("list",)),
            ("methods", ("methods",)),
        )
    ),
    *(
        spec(f"import-{name}", Phase("import", lambda t=f"import {module}": (t,), program))
        for name, module in (
            ("data", "splitopt.instances.judge"),
            ("runner", "splitopt.bench.runs.runner"),
            ("labels", "splitopt.heuristics.labels"),
        )
    ),
    *(
        spec(
            f"solve-{name}",
            Phase("cold", lambda n=instance: ("solve", n, "--method", "jqodi"), cold, rounds=3),
        )
        for name, instance in (("cift", "cift-tiny-both"), ("mepra", "mepra-image-10mbps"))
    ),
    *(
        spec(
            f"solve-{name}-again",
            Phase("command", lambda n=instance: ("solve", n, "--method", "jqodi"), command),
        )
        for name, instance in (("cift", "cift-tiny-both"), ("mepra", "mepra-image-10mbps"))
    ),
    spec("kernels", Phase("cold", tuple, compiled, rounds=1, smoke=False)),
    spec("runs", Phase(f"{RUNS} runs", folder_with_instances, run_many, float, rounds=3)),
)
