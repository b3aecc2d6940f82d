"""``splitopt import``: the user's own measurements become profiles and instances."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from splitopt.bench.commands.arguments import PATH, Figure, Whole
from splitopt.bench.commands.import_graph import factors, graph
from splitopt.bench.commands.import_onnx import onnx_
from splitopt.bench.commands.output import note
from splitopt.bench.commands.written import out_option, write_document

if TYPE_CHECKING:
    from splitopt.instances.cift.model import CiftInstance
    from splitopt.instances.mepra.model import MepraInstance

Command = TypeVar("Command", bound=Callable[..., Any])

profile_option = click.option(
    "--profile",
    "profiles",
    multiple=True,
    required=True,
    metavar="PROFILE",
    help="A profile file, or a committed profile such as resnet18-imagenet; may be repeated.",
)


def _csv(name: str, text: str, *, required: bool = False) -> Callable[[Command], Command]:
    return click.option(
        name, type=click.Path(path_type=Path), metavar="CSV", required=required, help=text
    )


@click.group("import")
def import_() -> None:
    """Make a profile or an instance of a model file or of your own measurements."""


import_.add_command(onnx_)


@import_.command(
    "profile",
    epilog="""\b
Example, measured times on a board that does 13.5 GFLOP/s:
  splitopt import profile blocks.csv --name my-net --input-bits 1204224 \\
      --measured-speed my-board 13.5e9 --out my-net.json
\b
Columns of BLOCKS, a line a block in order:
  name                                  unique
  flops, or time_s                      forward FLOPs of one sample (two a multiply-add), or seconds
  param_bytes                           bytes of parameters
  activation_bits or activation_bytes   the block's output for one sample
  exit_flops                            optional: FLOPs of an early exit behind the block
\b
A file of a profiler, with names, units and commas of its own:
  splitopt import profile trace.csv --name my-net --input-bits 1204224 --decimal comma \\
      --column name=Layer --column 'time_s=Latency (ms)*1e-3' --column 'param_bytes=Params*4' \\
      --column 'activation_bytes=Out [KiB]*1024' --measured-speed my-board 13.5e9
""",
)
@click.argument("blocks", type=PATH)
@click.option("--name", required=True, help="Name of the profile.")
@click.option("--input-bits", required=True, type=Figure(most=1e30), help="Bits of one raw input.")
@click.option(
    "--measured-speed",
    type=(str, float),
    metavar="NODE FLOP/S",
    help="With time_s: where the times were measured, and how fast it is.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="OURS=THEIRS[*FACTOR]",
    help="The file's name of a column, and what to multiply it by; may be repeated.",
)
@click.option(
    "--decimal",
    type=click.Choice(["point", "comma"]),
    help="What stands before decimals; the other may separate thousands, as spaces may.",
)
@click.option(
    "--head-blocks",
    type=Whole(),
    default=0,
    show_default=False,
    help="Blocks at the end that are the head.",
)
@click.option(
    "--classes",
    type=Whole(),
    default=0,
    show_default=False,
    help="Classes the network tells apart.",
)
@click.option("--title", default="", show_default=False, help="One line about the network.")
@out_option
def profile(
    blocks: Path,
    name: str,
    input_bits: float,
    measured_speed: tuple[str, float] | None,
    columns: tuple[str, ...],
    decimal: str | None,
    head_blocks: int,
    classes: int,
    title: str,
    out: Path | None,
) -> None:
    """Make a profile from BLOCKS, a CSV file with a line a block."""
    from splitopt.instances.cift.importing import BLOCK_COLUMNS, profile_from_csv
    from splitopt.instances.core.csv_columns import read_columns
    from splitopt.instances.core.errors import InputError

    if blocks.suffix == ".json":
        raise InputError(
            "BLOCKS",
            blocks.name,
            "a CSV file",
            "a profile that onnxruntime wrote goes with its model: splitopt import onnx MODEL "
            "--trace FILE",
        )

    made = profile_from_csv(
        blocks,
        name,
        input_bits,
        measured_on="" if measured_speed is None else measured_speed[0],
        measured_speed_flop_per_s=None if measured_speed is None else measured_speed[1],
        head_blocks=head_blocks,
        classes=classes,
        title=title,
        columns=read_columns(columns, BLOCK_COLUMNS, decimal),
    )
    write_document(made.to_document(), out)
    note(
        f"profile {made.name}: {len(made.blocks)} blocks, {made.flops / 1e9:.6g} GFLOP, "
        f"{made.param_bytes / 2**20:.6g} MiB" + (f", written to {out}" if out else "")
    )
    for line in made.notes:
        note(f"note: {line}")


@import_.command(
    "instance",
    epilog="""\b
Example:
  splitopt import instance --name lab --profile my-net.json --nodes nodes.csv --links links.csv \\
      --requests 1000 --inference-deadline 0.05 --out lab.json
\b
Columns of NODES:
  name, tier (end, edge or cloud), speeds_flop_per_s (1e9;2e9 for levels, 1e9..2e9 for an
  interval), kappa_j_s2_per_flop3 (w FLOP at speed f take kappa w f^2 joules), busy_power_w,
  memory_bytes, and perhaps samples (the local data set of an end node)
Columns of LINKS: tail, head, rate_bit_per_s, delay_s, energy_j_per_bit
Columns of COMPRESSIONS: name, flops_factor, param_factor, activation_factor
Columns of CONFIGURATIONS: model, compression, source, fraction, epochs
\b
Without --configurations: every profile at every compression level from every end node, with all
its data and --epochs epochs. Without --compressions: no compression.
""",
)
@click.option("--name", required=True, help="Name of the instance.")
@profile_option
@_csv("--nodes", "The nodes.", required=True)
@_csv("--links", "The links; without it every end node is alone.")
@_csv("--compressions", "The compression levels.")
@_csv("--configurations", "What there is to choose from.")
@click.option(
    "--requests", required=True, type=Whole(most=2**53), metavar="R", help="Inference requests."
)
@click.option("--epochs", type=Whole(), default=0, help="Epochs of fine-tuning.")
@click.option("--inference-deadline", type=Figure(), metavar="S", help="Seconds a request.")
@click.option(
    "--fine-tuning-deadline", type=Figure(), metavar="S", help="Seconds of all fine-tuning."
)
@click.option("--batch-size", type=Whole(), default=32, help="In fine-tuning.")
@click.option(
    "--throughput", type=Figure(), metavar="R/S", help="Requests a second that must be sustained."
)
@click.option("--description", default="", show_default=False, help="One line about the instance.")
@out_option
def instance(
    name: str,
    profiles: tuple[str, ...],
    nodes: Path,
    links: Path | None,
    compressions: Path | None,
    configurations: Path | None,
    requests: int,
    epochs: int,
    inference_deadline: float | None,
    fine_tuning_deadline: float | None,
    batch_size: int,
    throughput: float | None,
    description: str,
    out: Path | None,
) -> None:
    """Make a CIFT instance from CSV files of nodes and links."""
    from splitopt.instances.cift.importing import cift_from_csv, read_profile
    from splitopt.instances.cift.model import Training
    from splitopt.instances.core.errors import InputError

    if configurations is not None and epochs != 0:
        raise InputError(
            "--epochs", epochs, "nothing beside --configurations", "write epochs in that file"
        )
    made = cift_from_csv(
        name,
        [read_profile(reference) for reference in profiles],
        nodes,
        links,
        requests=requests,
        compressions=compressions,
        configurations=configurations,
        epochs=epochs,
        inference_deadline_s=inference_deadline,
        fine_tuning_deadline_s=fine_tuning_deadline,
        training=Training(batch_size=batch_size),
        description=description,
    )
    if throughput is not None:
        made = made.replace(throughput_per_s=throughput)
    write_document(made.to_document(), out)
    _tell(made, f"{len(made.nodes)} nodes, {len(made.configurations)} configurations", out)


@import_.command(
    "devices",
    epilog="""\b
Example:
  splitopt import devices devices.csv --name ward --profile my-net.json --bandwidth 1e7 \\
      --edge-capacity 1e12 --out ward.json
\b
Columns of DEVICES, a line a device:
  speed_flop_per_s, power_w, transmit_power_w
  fraction_1, fraction_2, ...   tasks that would leave at each exit, one a layer of the network
  profile                       its network, where several are given
  exits                         with --exits column: the enabled ones, such as 3;7;13
  name                          optional, for people
\b
Layers are the blocks of the profile before its head; behind each is an exit.
""",
)
@click.argument("devices", type=PATH)
@click.option("--name", required=True, help="Name of the instance.")
@profile_option
@click.option(
    "--edge-capacity",
    required=True,
    type=Figure(most=1e30),
    metavar="FLOP/S",
    help="Of the edge server.",
)
@click.option(
    "--bandwidth", required=True, type=Figure(most=1e30), metavar="BIT/S", help="Of each device."
)
@click.option("--weight-time", type=Figure(most=1e30), default=1.0, help="w_T, a second.")
@click.option("--weight-energy", type=Figure(most=1e30), default=1.0, help="w_E, a joule.")
@click.option(
    "--exits",
    type=click.Choice(["all", "free", "column"]),
    default="all",
    help="All enabled, a decision, or as the column says.",
)
@click.option("--total", type=Figure(most=1e30), default=1.0, help="What fractions add up to.")
@click.option(
    "--reading",
    type=click.Choice(["as-given", "proportional", "leftover-to-last"]),
    default="as-given",
    help="What to do where they do not.",
)
@click.option("--description", default="", show_default=False, help="One line about the instance.")
@out_option
def devices(
    devices: Path,
    name: str,
    profiles: tuple[str, ...],
    edge_capacity: float,
    bandwidth: float,
    weight_time: float,
    weight_energy: float,
    exits: str,
    total: float,
    reading: str,
    description: str,
    out: Path | None,
) -> None:
    """Make a MEPRA instance from DEVICES, a CSV file with a line a device."""
    from splitopt.instances.cift.importing import read_profile
    from splitopt.instances.mepra.importing import mepra_from_csv

    made = mepra_from_csv(
        name,
        [read_profile(reference) for reference in profiles],
        devices,
        edge_capacity_flop_per_s=edge_capacity,
        bandwidth_bit_per_s=bandwidth,
        weight_time_per_s=weight_time,
        weight_energy_per_j=weight_energy,
        exits=exits,  # type: ignore[arg-type]
        total=total,
        reading=reading,  # type: ignore[arg-type]
        description=description,
    )
    write_document(made.to_document(), out)
    _tell(made, f"{made.devices} devices, exits {made.exits}", out)


def _tell(made: CiftInstance | MepraInstance, size: str, out: Path | None) -> None:
    note(f"instance {made.name}: {size}" + (f", written to {out}" if out else ""))


for _command in (graph, factors):
    import_.add_command(_command)
