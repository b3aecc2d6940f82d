"""``splitopt explain``: why the optimum is what it is."""

from __future__ import annotations

import click

from splitopt.bench.commands.arguments import Figure, InstanceName, open_instance
from splitopt.bench.commands.output import echo_json, json_option, note, say


@click.command(
    epilog="""\b
Examples:
  splitopt explain cift-tiny-both
  splitopt explain mepra-image-10mbps --json
\b
Exit code 0 also where there is no plan: it says what must give, and by how much.
"""
)
@click.argument("instance", type=InstanceName())
@click.option(
    "--time-limit",
    type=Figure(1e-9),
    default=10.0,
    metavar="S",
    help="Wall-clock seconds for each solve.",
)
@json_option
def explain(instance: str, time_limit: float, as_json: bool) -> None:
    """Say which deadline binds, what comes next and what a change of INSTANCE is worth."""
    from splitopt.bench.explain import explain as work

    found = work(open_instance(instance), time_limit)
    if as_json:
        echo_json(
            {
                "instance": found.instance,
                "status": found.status,
                "method": found.method,
                "objective": found.objective,
                "bound": found.bound,
                "findings": [
                    {"kind": f.kind, "text": f.text, "figures": dict(f.figures)}
                    for f in found.findings
                ],
            }
        )
        return
    if found.status == "infeasible":
        say(f"{found.instance}: no plan exists, proved by {found.method}.")
    elif found.objective is None:
        note(
            f"{found.instance}: {found.method} found nothing within {time_limit:g} s; raise "
            "--time-limit (the first run after an installation also compiles)."
        )
    else:
        what, bound = "optimum", ""
        if found.status != "optimal":
            what = "best found"
            bound = f" (the optimum is at least {found.bound:.8g})" if found.bound else ""
        say(f"{found.instance}: {what} {found.objective:.8g}{bound}, by {found.method}.")
    for finding in found.findings:
        say(f"- {finding.text}")
