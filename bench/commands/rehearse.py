"""``splitopt rehearse``: a plan run for real on this machine, beside what it predicts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from splitopt.bench.commands.arguments import PATH, Figure, InstanceName, Whole, open_instance
from splitopt.bench.commands.output import (
    Cell,
    check_writable,
    echo_json,
    echo_table,
    json_option,
    note,
    say,
)

if TYPE_CHECKING:
    from splitopt.bench.rehearse.rehearsal import Rehearsal, StageTimes

# Share by which the machine may differ from when it was measured before that is told.
_SHIFT = 0.03


@click.command(
    epilog="""\b
Examples:
  splitopt rehearse lab.json --plan plan.json --model resnet50.onnx
  splitopt rehearse lab.json --plan plan.json --model resnet50.onnx --time-scale 20 --out seen.svg
\b
Each host is a process that runs its part in onnxruntime with one thread on a core of its own, as
far as there are cores; each hop is a loopback connection held to the link's rate and delay. A host
slower than this machine sleeps the rest. Needs the packages onnx and onnxruntime.
"""
)
@click.argument("instance", type=InstanceName())
@click.option(
    "--plan",
    required=True,
    type=PATH,
    metavar="PLAN",
    help="The plan; a result of `solve --json` is one too.",
)
@click.option(
    "--model",
    required=True,
    type=PATH,
    metavar="ONNX",
    help="The file that the plan's profile was made of, by `import onnx`.",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=N,N,...",
    help="Shape of an input that the file leaves open; by default as in the import.",
)
@click.option("--requests", type=Whole(1, 100_000), default=50, help="To measure.")
@click.option("--warm-up", type=Whole(), default=5, help="Requests before, not counted.")
@click.option(
    "--time-scale",
    type=Figure(1e-3, 1e6),
    default=1.0,
    help="Run everything so many times slower: for hosts faster than this machine.",
)
@click.option(
    "--port", type=Whole(1, 65535), help="First of the ports on 127.0.0.1; by default free ones."
)
@click.option("--out", type=PATH, metavar="FILE", help="Draw it (SVG) to FILE.")
@json_option
def rehearse(
    instance: str,
    plan: Path,
    model: Path,
    inputs: tuple[str, ...],
    requests: int,
    warm_up: int,
    time_scale: float,
    port: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Run PLAN on this machine and print measured latencies beside those it predicts."""
    from splitopt.bench.commands.import_onnx import read_shapes
    from splitopt.bench.rehearse.processes import RehearsalError
    from splitopt.bench.rehearse.rehearsal import rehearse as run
    from splitopt.instances.cift.model import CiftInstance
    from splitopt.instances.cift.plan import CiftPlan
    from splitopt.instances.core.errors import InputError
    from splitopt.instances.judge import read_plan

    if out is not None:
        check_writable("--out", out)
    found, decisions = open_instance(instance), read_plan(plan)
    if not isinstance(found, CiftInstance) or not isinstance(decisions, CiftPlan):
        raise InputError(
            "INSTANCE", instance, "an instance and a plan of CIFT", "MEPRA is not rehearsed"
        )
    try:
        seen = run(
            found,
            decisions,
            model,
            inputs=read_shapes(inputs),
            requests=requests,
            warm_up=warm_up,
            time_scale=time_scale,
            port=port,
        )
    except RehearsalError as error:
        raise click.ClickException(f"the rehearsal broke off: {error}") from None
    if out is not None:
        from splitopt.bench.rehearse.picture import draw
        from splitopt.instances.core.documents import write_bytes

        write_bytes(out, draw(f"{found.name}: {decisions.model}", seen))
        note(f"drawn: {out}")
    if as_json:
        echo_json(_document(found.name, decisions.model, seen))
        return
    _tell(seen)


def _document(instance: str, model: str, seen: Rehearsal) -> dict[str, object]:
    def times(stage: StageTimes) -> dict[str, object]:
        return {
            "kind": stage.kind,
            "where": stage.where,
            "predicted_s": stage.predicted_s,
            "median_s": stage.median_s,
            "undisturbed_s": stage.undisturbed_s,
            "measured_s": list(stage.measured_s),
            "lost_s": list(stage.lost_s),
        }

    return {
        "instance": instance,
        "model": model,
        "machine_flop_per_s": seen.machine_flop_per_s,
        "machine_now": seen.machine_now,
        "predicted_now_s": seen.predicted_now_s,
        "time_scale": seen.time_scale,
        "cores": seen.cores,
        "hosts": seen.hosts,
        "same_output": seen.same_output,
        "total": times(seen.total),
        "stages": [times(stage) for stage in seen.stages],
    }


def _tell(seen: Rehearsal) -> None:
    """Print a line a stage, and what has to be known to read it."""
    rows: list[dict[str, Cell]] = []
    for stage in (*seen.stages, seen.total):
        ordered = sorted(stage.measured_s)
        rows.append(
            {
                "where": stage.where if stage is not seen.total else "in all",
                "predicted": 1e3 * stage.predicted_s,
                "median": 1e3 * stage.median_s,
                "best": 1e3 * ordered[0],
                "late": 1e3 * ordered[int(0.95 * (len(ordered) - 1))],
                "off": 100 * (stage.median_s / stage.predicted_s - 1)
                if stage.predicted_s
                else None,
            }
        )
    columns = {
        "where": "stage",
        "predicted": "predicted, ms",
        "median": "measured, ms",
        "best": "best",
        "late": "95 %",
        "off": "off by, %",
    }
    echo_table(columns, rows, f"{len(seen.total.measured_s)} requests, one after another")
    say(
        f"this machine: {seen.machine_flop_per_s / 1e9:.4g} GFLOP/s when measured, "
        f"{seen.machine_now:.2f} of it between the requests; "
        f"{seen.hosts} process{'es' * (seen.hosts > 1)} on {seen.cores} cores"
        + (f"; {seen.time_scale:g} times slower than life" if seen.time_scale != 1 else "")
    )
    total = seen.total
    if abs(seen.machine_now - 1) > _SHIFT or total.undisturbed_s < (1 - _SHIFT) * total.median_s:
        off = 100 * (total.undisturbed_s / seen.predicted_now_s - 1)
        note(
            "warning: the machine is not as it was when the profile was measured. At the speed it "
            f"had between the requests {1e3 * seen.predicted_now_s:.4g} ms are predicted; without "
            "what other programs took of the processor a request takes "
            f"{1e3 * total.undisturbed_s:.4g} ms: off by {off:.3g} %"
        )
    if not seen.same_output:
        note("warning: the parts together gave another output than the whole network")
