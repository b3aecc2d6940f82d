"""What each host of a plan runs, takes and sends, from the model file its profile was made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from splitopt.bench.rehearse.wire import Form
from splitopt.instances.cift.model import CiftInstance
from splitopt.instances.cift.plan import CiftPlan
from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.modelfiles.cutting import Part, part
from splitopt.instances.networks.modelfiles.graph import crossing
from splitopt.instances.networks.modelfiles.profiles import Imported, import_onnx
from splitopt.instances.networks.modelfiles.shapes import static_shapes
from splitopt.instances.networks.profiles import Profile


@dataclass(frozen=True, slots=True)
class HostPart:
    """One stop of a plan.

    Attributes
    ----------
    part
        Its part of the network; None for a stop without blocks.
    takes, sends
        Tensors that arrive (at the source: the raw input), and that go on.
    """

    part: Part | None
    takes: tuple[Form, ...]
    sends: tuple[str, ...]


def match(
    instance: CiftInstance,
    plan: CiftPlan,
    path: Path,
    inputs: Mapping[str, Sequence[int]] | None = None,
) -> Imported:
    """Return the plan's network from its model file, once it is the one of the instance.

    Raises
    ------
    InputError
        When the file, or a block made of it, is another than the instance has.
    """
    profile = instance.models[instance.model_index[plan.model]]
    level = instance.compressions[instance.compression_index[plan.compression]]
    if {level.flops_factor, level.param_factor, level.activation_factor} != {1.0}:
        raise InputError(
            "plan.compression",
            level.name,
            "a level that changes nothing; the model file is not compressed",
            "rehearse the compressed model, imported as a profile of its own",
        )

    def known(key: str) -> str:
        return str(instance.origin.get(f"{profile.name}.{key}", ""))

    shapes = dict(inputs or {})
    if not shapes and known("onnx_inputs"):
        shapes = {
            name: tuple(map(int, sizes.split(",")))
            for name, _, sizes in (x.partition("=") for x in known("onnx_inputs").split(";"))
        }
    merge = "operators" if profile.is_graph else "blocks"
    made = import_onnx(path, profile.name, inputs=shapes, merge=merge)
    if known("onnx_sha256") not in ("", made.network.sha256):
        raise InputError(
            "--model",
            f"{path.name} of SHA-256 {made.network.sha256[:12]}",
            f"the file that profile {profile.name} was made of, {known('onnx_sha256')[:12]}",
            "give that file, or import this one",
        )
    _same_blocks(profile, made, path.name)
    return made


def host_parts(made: Imported, hosted: Sequence[Iterable[int]]) -> list[HostPart]:
    """Return what each stop does, from the blocks that each hosts, of a chain or of a graph.

    Whatever was made, or given, and is still needed crosses each hop once.
    """
    network = made.network
    shapes, types = static_shapes(network.model)
    found: list[HostPart] = []
    done: set[int] = set()
    for blocks in hosted:
        taken = tuple(Form(x, shapes[x], _kind(types[x])) for x in crossing(network, done))
        own = [place for block in blocks for place in made.blocks[block].operators]
        done |= set(own)
        sent = tuple(crossing(network, done))
        found.append(HostPart(part(network, own) if own else None, taken, sent))
    return found


def _kind(elem_type: int) -> str:
    import onnx.helper

    return str(onnx.helper.tensor_dtype_to_np_dtype(elem_type))


def _same_blocks(profile: Profile, made: Imported, source: str) -> None:
    """Raise unless the profile's blocks end with the tensors that the file's blocks end with."""
    ours = made.profile.blocks
    if len(ours) != len(profile.blocks):
        raise InputError(
            "--model",
            f"{source} of {len(ours)} blocks",
            f"the {len(profile.blocks)} blocks of profile {profile.name}",
            "give the file it was made of, by splitopt import onnx",
        )
    for k, (theirs, here) in enumerate(zip(profile.blocks, ours, strict=True)):
        same = (theirs.name, theirs.activation_bits) == (here.name, here.activation_bits)
        if not same:
            raise InputError(
                "--model",
                f"{source}, block {k + 1}: tensor {here.name} of {here.activation_bits:.0f} bits",
                f"tensor {theirs.name} of {theirs.activation_bits:.0f} bits, as in profile "
                f"{profile.name}",
                "give the file it was made of, by splitopt import onnx",
            )
