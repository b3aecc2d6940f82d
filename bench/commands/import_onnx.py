"""``splitopt import onnx``: a profile of a model file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from splitopt.bench.commands.arguments import PATH, Figure, Whole
from splitopt.bench.commands.output import check_writable, note
from splitopt.bench.commands.written import out_option, write_document

if TYPE_CHECKING:
    from splitopt.instances.networks.modelfiles.profiles import Imported
    from splitopt.instances.networks.modelfiles.timing import Timing


@click.command(
    "onnx",
    epilog="""\b
Examples:
  splitopt import onnx resnet50.onnx --name resnet50 --out resnet50.json
  splitopt import onnx bert.onnx --name bert --input input_ids=1,128 --merge operators
  splitopt import onnx resnet50.onnx --name resnet50 --measure --out resnet50.json
\b
Needs the packages onnx and, for --measure, onnxruntime: pip install 'splitopt[onnx]'.
Without --measure the work of a block is its FLOPs, two a multiply-add; with it, its share of the
seconds measured here, times the speed of this machine.
""",
)
@click.argument("model", type=PATH)
@click.option("--name", required=True, help="Name of the profile.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=N,N,...",
    help="Shape of an input that the file leaves open; may be repeated.",
)
@click.option(
    "--merge",
    type=click.Choice(["blocks", "operators"]),
    default="blocks",
    help="The chain between cuts that one tensor crosses, or the graph.",
)
@click.option(
    "--input-bits",
    type=Figure(most=1e30),
    help="Bits of one raw input as it is shipped, such as 8 a pixel; by default those of its type.",
)
@click.option("--measure", is_flag=True, help="Measure the seconds of each block on this machine.")
@click.option("--threads", type=Whole(1, 1024), default=1, help="With --measure: threads.")
@click.option("--repeat", type=Whole(1), default=20, help="With --measure: rounds.")
@click.option(
    "--trace",
    type=PATH,
    metavar="JSON",
    help="Take the seconds of each block from a profile that onnxruntime wrote elsewhere.",
)
@click.option("--measured-on", default="this-machine", help="Name of what was measured.")
@click.option(
    "--times",
    type=PATH,
    metavar="CSV",
    help="With --measure or --trace: write FLOPs, bytes, bits, seconds and spread of each block.",
)
@click.option("--title", default="", show_default=False, help="One line about the network.")
@out_option
def onnx_(
    model: Path,
    name: str,
    inputs: tuple[str, ...],
    merge: str,
    input_bits: float | None,
    measure: bool,
    threads: int,
    repeat: int,
    trace: Path | None,
    measured_on: str,
    times: Path | None,
    title: str,
    out: Path | None,
) -> None:
    """Make a profile of MODEL, an ONNX file, and perhaps measure its blocks."""
    from splitopt.instances.core.errors import InputError
    from splitopt.instances.networks.modelfiles.profiles import import_onnx, with_times

    if measure and trace is not None:
        raise InputError("--trace", str(trace), "nothing with --measure", "leave one of them out")
    if times is not None:
        if not measure and trace is None:
            raise InputError("--times", str(times), "nothing without --measure", "add --measure")
        check_writable("--times", times)
    made = import_onnx(
        model,
        name,
        inputs=read_shapes(inputs),
        merge=merge,
        input_bits=input_bits,
        title=title,
    )
    counted = made
    if measure or trace is not None:
        timing = _traced(made, trace) if trace else _measured(made, threads, repeat, merge)
        made = with_times(made, timing, measured_on)
        if times is not None:
            _write_times(times, counted, timing)
    write_document(made.profile.to_document(), out)
    _tell(counted, out)


def read_shapes(given: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Return shapes by input from texts ``name=1,3,224,224``.

    Raises
    ------
    InputError
        For a text that is none.
    """
    from splitopt.bench.commands.arguments import read_assignments
    from splitopt.instances.core.errors import InputError

    shapes = {}
    for name, text in read_assignments("--input", given).items():
        sizes = re.split(r"[,x]", text) if text else []
        if not all(re.fullmatch(r"[1-9][0-9]{0,8}", size) for size in sizes):
            raise InputError(
                "--input", f"{name}={text}", "whole numbers such as 1,3,224,224", "correct it"
            )
        shapes[name] = tuple(map(int, sizes))
    return shapes


def _tell(made: Imported, out: Path | None) -> None:
    """Say on stderr what the profile holds and what was not counted."""
    flops = sum(block.flops for block in made.blocks)
    held = sum(block.param_bytes for block in made.blocks)
    note(
        f"profile {made.profile.name}: {len(made.blocks)} blocks of {len(made.network.operators)} "
        f"operators, {flops / 1e9:.6g} GFLOP, {held / 2**20:.6g} MiB, opset {made.network.opset}"
        + (f", written to {out}" if out else "")
    )
    for line in made.profile.notes[1:]:
        note(f"note: {line}")
    if len(made.blocks) == 1:
        note(
            "note: the chain is a single block; --merge operators keeps the cuts through several "
            "tensors"
        )


def _measured(made: Imported, threads: int, repeat: int, merge: str) -> Timing:
    """Measure the blocks here and say on stderr what was found."""
    from splitopt.instances.networks.modelfiles.timing import measure

    timing = measure(
        made.network, made.blocks, threads=threads, repeat=repeat, chained=merge == "blocks"
    )
    _tell_times(made, timing, threads)
    return timing


def _traced(made: Imported, trace: Path) -> Timing:
    """Read the seconds of the blocks and say on stderr what was found."""
    from splitopt.instances.networks.modelfiles.traces import timing_from_trace

    timing, untold = timing_from_trace(trace, made.network, made.blocks)
    note(
        f"{trace.name}: {timing.whole.best_s * 1e3:.4g} ms in all "
        f"(median {100 * timing.whole.spread:.3g} % above); {100 * untold:.3g} % in kernels that "
        "onnxruntime added, given to the block before"
    )
    return timing


def _tell_times(made: Imported, timing: Timing, threads: int) -> None:
    """Say on stderr what was measured, and whether the parts make up the whole."""
    import statistics

    from splitopt.instances.networks.modelfiles.profiles import SUM_TOLERANCE

    ratio = timing.parts_over_whole
    note(
        f"measured: {timing.whole.best_s * 1e3:.4g} ms in all with {threads} "
        f"thread{'s' if threads > 1 else ''} (median {100 * timing.whole.spread:.3g} % above), "
        f"{sum(b.flops for b in made.blocks) / timing.whole.best_s / 1e9:.4g} GFLOP/s; "
        f"the blocks one by one take {ratio:.3f} of it, {timing.joined_over_whole:.3f} without the "
        f"price of cuts, {1e3 * statistics.median(x.cut_s for x in timing.blocks):.3g} ms each"
    )
    if abs(ratio - 1) > SUM_TOLERANCE:
        note(
            "warning: the sum of the parts is more than 5 % off the whole, in which neighbours "
            "share a layout of data and caches; their seconds are scaled to the whole, and a plan "
            "with many cuts takes longer than it says"
        )
    if timing.whole.spread > 0.1:
        note("warning: the machine was not quiet; measure again or with a higher --repeat")
    if timing.whole.energy_j is None:
        note("note: this machine counts no energy that we may read (no RAPL), so joules are absent")


def _write_times(path: Path, made: Imported, timing: Timing) -> None:
    """Write a line a block: what was counted, and what was measured."""
    import csv
    import io

    from splitopt.instances.core.documents import write_bytes

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    energy = timing.whole.energy_j is not None
    writer.writerow(
        ["name", "flops", "param_bytes", "time_s", "median_s", "cut_s"]
        + (["energy_j"] if energy else [])
    )
    for block, measured in zip(made.blocks, timing.blocks, strict=True):
        line = [block.name, block.flops, block.param_bytes, measured.best_s, measured.median_s]
        line.append(measured.cut_s)
        writer.writerow(line + ([measured.energy_j] if energy else []))
    write_bytes(path, text.getvalue().encode())
