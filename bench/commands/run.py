"""``splitopt run``: methods on instances, recorded."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from splitopt.bench.commands.arguments import (
    FOLDER,
    Figure,
    MethodNames,
    SetOrInstance,
    Whole,
    plugin_option,
)
from splitopt.bench.commands.output import echo_json, echo_table, json_option, note, say
from splitopt.bench.commands.selection import (
    read_bytes_limit,
    read_method_options,
    read_numbers,
    select_instances,
    select_methods,
)
from splitopt.bench.commands.signals import interruption
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from splitopt.bench.runs.cluster.spec import ClusterSpec
    from splitopt.bench.runs.runner import RunPlan, RunSummary

# What belongs to --cluster, by the arguments of `read_cluster`.
_CLUSTER_OPTIONS = {
    "options": "--cluster-options",
    "interface": "--interface",
    "wait_s": "--worker-wait",
    "unencrypted": "--allow-unencrypted",
}
FAILED = 1
_DAMAGED = "damaged"
_MOST_REASONS = 3


@click.command(
    epilog="""\b
Examples:
  splitopt run quick --methods all --time-limit 3 --jobs 2 --out results/quick
  splitopt run my.json tiny --methods jqodi,highs-flow --seeds 0..4 --out results/mine
  splitopt run quick -m jqodi,highs-flow --epsilon 0.01 --out results/fine --dry-run
  splitopt run large --methods exact --cluster local:8 --out results/large
  splitopt run large -m exact --cluster slurm:20 --cluster-options slurm.yaml --out results/large
\b
The same command again does what is left and nothing twice. Exit code 0: everything was done, if
only to find that methods do not take these instances, and nothing contradicts anything. 1: two
results contradict each other, the judge refutes a claim, every run crashed or was killed; or the
machine has no room or no process for runs, the cluster cannot be had or is lost, or the results
were removed meanwhile: what was done is kept. 2: bad input; no results are left behind. 130:
interrupted by Ctrl-C, 143: by SIGTERM, 129: by SIGHUP; what was done is kept.
"""
)
@click.argument(
    "instances", nargs=-1, required=True, type=SetOrInstance(), metavar="SET|INSTANCE..."
)
@click.option(
    "-m",
    "--methods",
    required=True,
    type=MethodNames(),
    help="Methods with commas; or all, exact, approximation, heuristic, learner.",
)
@click.option(
    "--out",
    required=True,
    type=FOLDER,
    metavar="DIR",
    help="Folder of the results; one that holds results is continued.",
)
@click.option("--time-limit", type=Figure(), default=10.0, metavar="S", help="Seconds a run.")
@click.option(
    "--grace",
    type=Figure(),
    metavar="S",
    help="Killed so long after its time limit; 2 s and a tenth of the limit by default.",
)
@click.option("--cpu-limit", type=Figure(), metavar="S", help="Processor seconds of a process.")
@click.option("--seeds", default="0", help="Such as 0,1,2 or 0..4.")
@click.option("--repetitions", type=Whole(1, 100_000), default=1, help="Runs of each seed.")
@click.option("--jobs", type=Whole(1, 100_000), default=1, help="Runs at a time.")
@click.option("--threads", type=Whole(1, 100_000), default=1, help="Threads of a run.")
@click.option("--memory-limit", metavar="SIZE", help="Bytes a run may hold, such as 2GiB.")
@click.option(
    "--epsilon", type=Figure(), metavar="E", help="Option epsilon of every method that has one."
)
@click.option(
    "--gap", type=Figure(most=1e30), metavar="G", help="Relative gap at which exact methods stop."
)
@click.option(
    "-o",
    "--option",
    "assignments",
    multiple=True,
    metavar="M.K=V",
    help="Option K of method M; may be repeated.",
)
@click.option(
    "--cluster",
    metavar="WHERE",
    help="Spread the runs over workers: local:N, tcp://HOST:PORT, tls://HOST:PORT, slurm:N, ...",
)
@click.option(
    "--cluster-options",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Options of the job queue, or certificates; JSON or YAML.",
)
@click.option(
    "--interface",
    metavar="NAME",
    help="Network interface by which jobs reach the runner, such as eth0; for a job queue.",
)
@click.option(
    "--worker-wait",
    type=Figure(),
    metavar="S",
    help="Give up after so long without a worker; 120 s by default, a day for a job queue.",
)
@click.option(
    "--allow-unencrypted",
    is_flag=True,
    help="Use a tcp:// scheduler on another machine: whoever reaches it runs code as you.",
)
@click.option("--keep-logs", is_flag=True, help="Keep solvers' logs in DIR/logs, a file a run.")
@plugin_option
@click.option(
    "--retry",
    metavar="T,...",
    help="Do again what ended so, such as crashed,killed; or what is damaged.",
)
@click.option("--dry-run", is_flag=True, help="Say how many runs there are, and do none.")
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    instances: tuple[str, ...],
    methods: tuple[str, ...],
    out: Path,
    time_limit: float,
    grace: float | None,
    cpu_limit: float | None,
    seeds: str,
    repetitions: int,
    jobs: int,
    threads: int,
    memory_limit: str | None,
    epsilon: float | None,
    gap: float | None,
    assignments: tuple[str, ...],
    cluster: str | None,
    cluster_options: Path | None,
    interface: str | None,
    worker_wait: float | None,
    allow_unencrypted: bool,
    keep_logs: bool,
    plugins: tuple[str, ...],
    retry: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run methods on a SET of the library, on instances, or on both, and record every run."""
    chosen = select_instances(instances)
    named = select_methods(methods, plugins)
    workers = _cluster(
        ctx,
        cluster,
        cluster_options,
        interface=interface,
        wait_s=worker_wait,
        unencrypted=allow_unencrypted,
    )
    from splitopt.bench.runs import runner
    from splitopt.bench.store.rows import Limits

    spec = runner.RunSpec(
        instances=chosen,
        methods=named,
        limits=Limits.of(
            time_limit,
            grace_s=grace,
            cpu_limit_s=cpu_limit,
            memory_limit_bytes=read_bytes_limit("--memory-limit", memory_limit),
            threads=threads,
            relative_gap=gap,
        ),
        seeds=read_numbers("--seeds", seeds),
        repetitions=repetitions,
        options=read_method_options(assignments, named),
        shared={} if epsilon is None else {"epsilon": epsilon},
        plugins=plugins,
    )
    if dry_run:
        _tell_plan(runner.plan(spec, out, jobs=jobs, cluster=workers), out, as_json)
        return
    from splitopt.bench.runs.progress import progress

    again = _terminations(retry)
    if _DAMAGED in again:
        _discard_damaged(out)
    with progress() as on_event:
        summary = runner.run_set(
            spec,
            out,
            jobs=jobs,
            cluster=workers,
            on_event=on_event,
            retry=again,
            keep_logs=keep_logs,
            command=["splitopt", *sys.argv[1:]],
        )
    if as_json:
        echo_json(_document(summary))
    else:
        _tell(summary)
    if summary.interrupted:
        said, code = interruption()
        note(f"{said}; go on with: splitopt " + shlex.join(sys.argv[1:]))
        ctx.exit(code)
    if not summary.ok:
        ctx.exit(FAILED)


def _cluster(
    ctx: click.Context, text: str | None, options: Path | None, **more: Any
) -> ClusterSpec | None:
    """Return the cluster asked for, None without one."""
    if text is None:
        for name, value in {"options": options, **more}.items():
            if value is not None and value is not False:  # a wait of 0 s was given too
                shown = "no cluster" if value is True else str(value)
                raise InputError(
                    _CLUSTER_OPTIONS[name], shown, "--cluster beside it", "give --cluster too"
                )
        return None
    given = ctx.get_parameter_source("jobs")
    if given is not None and given.name != "DEFAULT":
        raise InputError(
            "--jobs",
            ctx.params["jobs"],
            "no --jobs beside --cluster, whose workers say how many runs go on at a time",
            "leave it out",
        )
    from splitopt.bench.runs.cluster.spec import read_cluster

    return read_cluster(text, options, **more)


def _discard_damaged(out: Path) -> None:
    """Throw the rows away that are not as they were stored: their runs are then not done yet."""
    from splitopt.bench.store.store import FILE_NAME, Store

    if not (out / FILE_NAME).is_file():
        return
    with Store(out) as store:
        if count := store.discard_damaged():
            note(f"splitopt: note: {count} damaged rows thrown away")


def _terminations(text: str | None) -> tuple[str, ...]:
    from splitopt.instances.contract.method import Termination

    known = [*(str(one) for one in Termination), _DAMAGED]
    names = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    for name in names:
        if name not in known:
            raise InputError("--retry", name, "one of " + ", ".join(known), "correct the name")
    return names


def _tell_plan(plan: RunPlan, out: Path, as_json: bool) -> None:
    """Say what would be run."""
    skipped = [
        {"instance": one.instance_name, "method": one.method, "reason": one.reason}
        for one in plan.skipped
    ]
    names = list(plan.changed.values())
    changed = {name: names.count(name) for name in dict.fromkeys(names)}
    if as_json:
        echo_json(
            {
                "out": str(out),
                "runs": len(plan),
                "done": len(plan) - len(plan.left),
                "left": len(plan.left),
                "worst_case_s": plan.worst_case_s,
                "changed": changed,
                "skipped": skipped,
            }
        )
        return
    counts: dict[tuple[str, str], int] = {}
    for one in plan:
        counts[one.problem, one.method] = counts.get((one.problem, one.method), 0) + 1
    echo_table(
        {"method": "method", "problem": "problem", "runs": "runs"},
        [{"method": m, "problem": p, "runs": n} for (p, m), n in counts.items()],
    )
    say(
        f"{len(plan)} runs, {len(plan) - len(plan.left)} done, {len(plan.left)} left; at worst "
        f"{_duration(plan.worst_case_s)} with {plan.jobs} at a time"
    )
    _tell_changed(changed)
    _tell_skipped([one.reason for one in plan.skipped])


def _tell_changed(changed: Mapping[str, int]) -> None:
    """Say of which methods the store has rows of other code."""
    for method, count in changed.items():
        note(
            f"{method} has changed: {count} of these runs were done by other code of that name, or "
            "by code not recorded; those rows stay, and do not count as done"
        )


def _tell_skipped(reasons: list[str]) -> None:
    """Say why pairs have no run; that a method is for the other problem is no news."""
    reasons = [reason for reason in reasons if " is no method for " not in reason]
    for reason in dict.fromkeys(reasons):
        note(f"skipped {reasons.count(reason)}: {reason}")


def _tell_unsupported(reasons: list[str]) -> None:
    """Say why no method took any of its instances."""
    more = len(reasons) - _MOST_REASONS
    note(
        "splitopt: no method takes any of these instances: "
        + "; ".join(reasons[:_MOST_REASONS])
        + (f"; and {more} other reasons" if more > 0 else "")
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _document(summary: RunSummary) -> dict[str, object]:
    return {
        "out": str(summary.out),
        "planned": summary.planned,
        "done_before": summary.done_before,
        "done_now": summary.done_now,
        "done_by_others": summary.done_by_others,
        "changed": dict(summary.changed),
        "terminations": dict(summary.terminations),
        "verdicts": dict(summary.verdicts),
        "unsupported": dict(summary.unsupported),
        "contradictions": [
            {
                "kind": one.kind,
                "instance": one.instance_name,
                "method": one.method,
                "statement": one.statement,
            }
            for one in summary.contradictions
        ],
        "skipped": [
            {"instance": one.instance_name, "method": one.method, "reason": one.reason}
            for one in summary.skipped
        ],
        "interrupted": summary.interrupted,
        "overhead_s": summary.overhead_s,
        "wall_time_s": summary.wall_time_s,
    }


def _tell(summary: RunSummary) -> None:
    ends = ", ".join(f"{count} {name}" for name, count in summary.terminations.items())
    verdicts = ", ".join(f"{count} {name}" for name, count in summary.verdicts.items())
    say(
        f"{summary.done_now} runs in {_duration(summary.wall_time_s)}, {summary.done_before} "
        f"done before; of {summary.planned}"
    )
    say(f"ended: {ends or 'none'}")
    say(f"judged: {verdicts or 'none'}")
    if summary.overhead_s is not None:
        say(f"overhead: median {summary.overhead_s:.3f} s a run, outside the solve")
    _tell_changed(summary.changed)
    _tell_skipped([one.reason for one in summary.skipped])
    for one in summary.contradictions:
        note(f"splitopt: contradiction: {one.instance_name}: {one.kind}: {one.statement}")
    if summary.none_in_order:
        note(f"splitopt: not one run ended in order: {ends}; splitopt report says why")
    if summary.none_taken:
        _tell_unsupported(list(summary.unsupported))
    say(f"results in {summary.out}; splitopt report {summary.out} shows them")
