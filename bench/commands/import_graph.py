"""``splitopt import graph`` and ``splitopt import factors``: what goes beyond chains."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from splitopt.bench.commands.arguments import PATH, InstanceName, open_instance
from splitopt.bench.commands.output import note
from splitopt.bench.commands.written import out_option, write_document


@click.command(
    "graph",
    epilog="""\b
Examples:
  splitopt import graph my-net.json                      # how many sets of blocks can be done first
  splitopt import graph my-net.json --merge runs --out smaller.json
  splitopt import graph my-net.json --merge blocks --out chain.json
\b
PROFILE is a JSON file of version 2: blocks in an order in which tensors lead forward, and tensors
with name, bits, producer (position of a block, null for a raw input) and consumers.
""",
)
@click.argument("profile", type=PATH)
@click.option(
    "--merge",
    type=click.Choice(["none", "runs", "blocks"]),
    default="none",
    help="Runs of blocks as one block each; or a chain of what lies between cuts through one "
    "tensor. Every plan of the result is one of the network, not the other way round.",
)
@click.option("--name", help="Name of the result; that of the profile by default.")
@out_option
def graph(profile: Path, merge: str, name: str | None, out: Path | None) -> None:
    """Check a network that is a graph, make it smaller, or make a chain of it."""
    import dataclasses

    from splitopt.instances.cift.importing import read_profile
    from splitopt.instances.core.errors import InputError
    from splitopt.instances.networks.downsets import downsets_of
    from splitopt.instances.networks.merging import merged

    given = read_profile(str(profile))
    try:
        made = merged(given, merge)
        kind = f"a graph of {len(downsets_of(made))} downsets" if made.is_graph else "a chain"
    except InputError as error:
        if merge == "none":
            raise
        remedy = "import it with --merge blocks, for cuts through one tensor"
        raise InputError(error.field, error.value, error.allowed, remedy) from None
    if name is not None:
        made = dataclasses.replace(made, name=name)
    if out is not None:
        write_document(made.to_document(), out)
    note(
        f"profile {made.name}: {len(made.blocks)} blocks of {len(given.blocks)}, {kind}, "
        f"{made.flops / 1e9:.6g} GFLOP" + (f", written to {out}" if out else "")
    )


@click.command(
    "factors",
    epilog="""\b
Example:
  splitopt import factors lab.json measured.csv --out lab-measured.json
\b
Columns of MEASURED, a line for each block measured on a node:
  node, model, block
  factor, or time_s        times the seconds of FLOPs over speed; or the seconds themselves
  speed_flop_per_s         with time_s, optional: at which speed; the node's highest by default
""",
)
@click.argument("instance", type=InstanceName())
@click.argument("measured", type=PATH)
@out_option
def factors(instance: str, measured: Path, out: Path | None) -> None:
    """Give the nodes of a CIFT instance their own times of single blocks."""
    from splitopt.instances.cift.factors import with_factors
    from splitopt.instances.cift.model import CiftInstance
    from splitopt.instances.core.errors import InputError

    given = open_instance(instance)
    if given.problem != "cift":
        raise InputError("instance", instance, "an instance of CIFT", "MEPRA has no factors")
    made = with_factors(cast("CiftInstance", given), measured)
    write_document(made.to_document(), out)
    nodes = [node.name for node in made.nodes if node.factors]
    note(f"instance {made.name}: factors on {', '.join(nodes) or 'no node'}")
