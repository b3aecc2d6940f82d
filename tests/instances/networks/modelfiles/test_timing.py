"""Measured blocks: what a profile makes of seconds, which are whatever this machine took."""

import json
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from splitopt.instances.core.errors import InputError
from splitopt.instances.networks.modelfiles.cutting import made_up, part, session
from splitopt.instances.networks.modelfiles.graph import graph
from splitopt.instances.networks.modelfiles.profiles import import_onnx, with_times
from splitopt.instances.networks.modelfiles.timing import (
    Measured,
    Timing,
    joules,
    measure,
)
from splitopt.instances.networks.modelfiles.traces import timing_from_trace

DATA = Path(__file__).parents[3] / "data" / "onnx"


@pytest.fixture(scope="module")
def squeezenet():
    import onnx

    light = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    return import_onnx(light / "light_squeezenet.onnx", "squeezenet")


def test_parts_one_after_another_give_what_the_whole_gives(squeezenet):
    """Along the chain and along the graph, several tensors a cut."""
    import numpy as np

    network = squeezenet.network
    whole = session(part(network, range(len(network.operators))).model)
    given = made_up(whole)
    (wanted,) = whole.run(None, given)
    for blocks in (squeezenet.blocks, graph(network)):
        alive = dict(given)
        for block in blocks:
            own = part(network, block.operators)
            made = session(own.model).run(list(own.outputs), {x: alive[x] for x in own.inputs})
            alive |= zip(own.outputs, made, strict=True)
        np.testing.assert_allclose(alive["softmaxout_1"], wanted, rtol=1e-4)


def test_every_block_is_measured(squeezenet):
    timing = measure(squeezenet.network, squeezenet.blocks, repeat=2, chained=True)
    assert len(timing.blocks) == len(squeezenet.blocks)
    assert all(0 < x.best_s <= x.median_s for x in (*timing.blocks, timing.whole))
    assert all(x.joined_s > 0 for x in timing.blocks)


def test_work_is_the_share_of_the_seconds(squeezenet):
    """Twice the seconds is twice the work, and the whole stays what was counted."""
    count = len(squeezenet.blocks)
    blocks = [Measured(1e-3, 1e-3)] * (count - 1) + [Measured(3e-3, 3e-3, 1e-3)]
    timing = Timing(tuple(blocks), Measured(2e-3, 2e-3), 0.0)
    made = with_times(squeezenet, timing, "here").profile
    assert made.flops == pytest.approx(squeezenet.profile.flops)
    # The cut behind the last one costs a millisecond of its three.
    assert made.blocks[-1].flops == pytest.approx(2 * made.blocks[0].flops)
    assert made.origin["measured_speed_flop_per_s"] == squeezenet.profile.flops / 2e-3
    assert made.origin["measured_parts_over_whole"] == pytest.approx((count + 2) / 2)
    assert "measured on here" in made.notes[-1]


def test_energy_is_read_where_the_machine_counts_it(tmp_path):
    """Packages are added up, their parts are in them; where none can be read there is none."""
    assert joules(tmp_path) is None
    for name, energy in (("intel-rapl:0", 2_000_000), ("intel-rapl:1", 500_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(f"{energy}\n")
    (tmp_path / "intel-rapl:0:0").mkdir()
    assert joules(tmp_path) == pytest.approx(2.5)
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("locked")
    assert joules(tmp_path) is None


def test_weights_that_are_not_there_are_told():
    made = import_onnx(DATA / "external.onnx", "x")
    with pytest.raises(InputError, match=r"external\.onnx: .*weights beside it: weights\.bin"):
        part(made.network, [0])


def test_what_onnxruntime_does_not_know_is_told():
    made = import_onnx(DATA / "unknown-operator.onnx", "x")
    with pytest.raises(InputError, match="a model that onnxruntime runs"):
        measure(made.network, made.blocks)


def trace(path, *runs):
    """Write what onnxruntime's profiler writes: kernels with microseconds, then the run."""
    events = [{"cat": "Session", "name": "model_loading_uri", "dur": 900, "args": {}}]
    for run in runs:
        events += [
            {"cat": "Node", "name": f"{name}_kernel_time", "dur": dur, "args": {"op_name": "X"}}
            for name, dur in run
        ]
        events.append({"cat": "Session", "name": "model_run", "dur": 10_000, "args": {}})
    path.write_text(json.dumps(events))
    return path


def kernels(network, blocks, scale):
    """One kernel a block, named as onnxruntime names a fused one: after the block's last tensor."""
    ends = [network.operators[block.operators[-1]].outputs[0] for block in blocks]
    return [(f"{end}_nchwc", scale * (k + 1)) for k, end in enumerate(ends)]


def test_a_trace_of_onnxruntime_gives_seconds(squeezenet, tmp_path):
    network, blocks = squeezenet.network, squeezenet.blocks
    first, second, third = (kernels(network, blocks, scale) for scale in (90, 20, 30))
    # What it puts in between belongs to the block before: here the last one.
    second.append(("ReorderOutput", 7))
    # By the name of the node, too, where the kernel was not fused.
    third[0] = (network.model.graph.node[network.operators[0].node].name, 30)
    timing, untold = timing_from_trace(
        trace(tmp_path / "runs.json", first, second, third), network, blocks
    )
    # The first run warms up; of the others the best and the middle.
    assert timing.blocks[1].best_s == pytest.approx(40e-6)
    assert timing.blocks[1].median_s == pytest.approx(50e-6)
    assert timing.blocks[-1].best_s == pytest.approx((20 * 18 + 7) * 1e-6)
    ranks = sum(range(1, 19))
    assert timing.whole.best_s == pytest.approx((20 * ranks + 7) * 1e-6)
    assert untold == pytest.approx(7 / (140 * ranks + 7))


def test_a_trace_that_is_none_is_told(squeezenet, tmp_path):
    network, blocks = squeezenet.network, squeezenet.blocks
    whole = kernels(network, blocks, 5)
    path = tmp_path / "trace.json"
    for content, said in [
        ([], "0 kernels, no whole run"),
        ({"a": 1}, "no list of events"),
        ([{"name": "x", "dur": -1}], r"trace\.json\[0\]\.dur: -1, expected a finite number >= 0"),
        ([3], r"trace\.json\[0\]: 3, expected an event"),
    ]:
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match=said):
            timing_from_trace(path, network, blocks)
    with pytest.raises(InputError, match="no kernel of block r4', expected a profile of light_sq"):
        timing_from_trace(trace(path, [whole[0], *whole[2:]]), network, blocks)
