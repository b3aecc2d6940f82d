"""Rehearsed plans: the parts give what the whole gives, in no less than the links take."""

import dataclasses
import json
import socket
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from splitopt.bench.cli import cli  # noqa: E402
from splitopt.bench.rehearse import host  # noqa: E402
from splitopt.bench.rehearse.parts import host_parts, match  # noqa: E402
from splitopt.bench.rehearse.rehearsal import Rehearsal, StageTimes, rehearse  # noqa: E402
from splitopt.instances.cift.model import (  # noqa: E402
    CiftInstance,
    Compression,
    Configuration,
    Link,
    Node,
)
from splitopt.instances.cift.plan import CiftPlan, Stop, hosted_by  # noqa: E402
from splitopt.instances.core.documents import write_json  # noqa: E402
from splitopt.instances.core.errors import InputError  # noqa: E402
from splitopt.instances.networks.modelfiles.cutting import made_up, part, session  # noqa: E402
from splitopt.instances.networks.modelfiles.profiles import import_onnx  # noqa: E402

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
MODEL = LIGHT / "light_squeezenet.onnx"
SPEEDS = (1e9, 2e9, 4e9)


@pytest.fixture(scope="module")
def instance():
    """Three nodes in a row, slower than any machine of today, which is taken to do 4 GFLOP/s."""
    profile = import_onnx(MODEL, "net").profile
    names = ("board", "box", "server")
    tiers = ("end", "edge", "cloud")
    return CiftInstance(
        name="row",
        nodes=tuple(
            Node(name, tier, SPEEDS, 0, 1, 1e9) for name, tier in zip(names, tiers, strict=True)
        ),
        links=(Link("board", "box", 2e9, 1e-3, 0), Link("box", "server", 1e9, 2e-3, 0)),
        models=(profile,),
        compressions=(
            Compression("none", 1, 1, 1),
            Compression("half", 0.5, 0.5, 0.5),
        ),
        configurations=tuple(Configuration("net", x, "board", 1.0, 0) for x in ("none", "half")),
        requests=1,
        origin={
            "net.onnx_sha256": str(profile.origin["onnx_sha256"]),
            "net.measured_speed_flop_per_s": 4e9,
        },
    )


def plan(*blocks, compression="none", speed=4e9):
    names = ("board", "box", "server")
    stops = tuple(
        Stop(name, count, speed if count else None)
        for name, count in zip(names, blocks, strict=False)
    )
    return CiftPlan("net", compression, "board", 1.0, stops)


def test_three_hosts_give_what_one_gives(instance):
    seen = rehearse(instance, plan(3, 8, 7), MODEL, requests=2, warm_up=1)
    assert seen.same_output
    assert seen.hosts == 3
    assert [stage.where for stage in seen.stages] == [
        "board", "board -> box", "box", "box -> server", "server",
    ]  # fmt: skip
    assert [len(stage.measured_s) for stage in (*seen.stages, seen.total)] == [2] * 6
    hops = [stage for stage in seen.stages if stage.kind == "hop"]
    # No hop is faster than its link; what it takes more is this machine's.
    assert all(min(hop.measured_s) >= hop.predicted_s for hop in hops)
    assert seen.total.measured_s == pytest.approx(
        [sum(x) for x in zip(*(stage.measured_s for stage in seen.stages), strict=True)]
    )


def test_a_source_that_ships_the_raw_input_and_a_relay(instance):
    seen = rehearse(instance, plan(0, 0, 18), MODEL, requests=1, warm_up=0)
    assert seen.same_output
    assert [stage.where for stage in seen.stages] == ["board -> box", "box -> server", "server"]
    # 4.8 Mbit of raw input at 2 Gbit/s and 1 ms; at 1 Gbit/s and 2 ms.
    assert [stage.predicted_s for stage in seen.stages[:2]] == pytest.approx(
        [4816896 / 2e9 + 1e-3, 4816896 / 1e9 + 2e-3]
    )


def test_what_is_alive_crosses_each_hop_once(instance):
    made = match(instance, plan(3, 8, 7), MODEL)
    runs = hosted_by(made.profile, plan(3, 8, 7))
    assert runs == [tuple(range(3)), tuple(range(3, 11)), tuple(range(11, 18))]
    board, box, server = host_parts(made, runs)
    assert [form.name for form in board.takes] == ["data_0"]
    assert list(board.sends) == [form.name for form in box.takes] == ["r9"]
    assert list(box.sends) == [form.name for form in server.takes]
    assert server.sends == ()
    # The tensor behind block 3 of the profile, in its own shape.
    assert box.takes[0].shape == (1, 128, 55, 55)


def test_several_tensors_cross_a_cut_of_a_graph():
    """A fire module cut in the middle: one branch is done, what the other needs crosses too."""
    made = import_onnx(MODEL, "net", merge="operators")
    names = [block.name for block in made.blocks]
    first = range(names.index("r6") + 1)  # behind one of two expanding convolutions
    board, server = host_parts(made, [first, range(len(first), len(names))])
    assert [form.name for form in server.takes] == list(board.sends) == ["r4", "r6"]
    whole = session(part(made.network, range(len(made.network.operators))).model)
    alive = dict(made_up(whole))
    (wanted,) = whole.run(None, alive)
    for own in (board.part, server.part):
        given = {x: alive[x] for x in own.inputs}
        alive |= zip(own.outputs, session(own.model).run(list(own.outputs), given), strict=True)
    np.testing.assert_allclose(alive["softmaxout_1"], wanted, rtol=1e-4)


def branching(path):
    """Write a network of two branches behind a stem, joined again."""
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    sizes = {"w0": (16, 3, 3, 3), "w1": (16, 16, 3, 3), "w2": (16, 16, 1, 1), "w3": (4, 16, 1, 1)}
    draw = np.random.default_rng(0)
    weights = [
        onnx.numpy_helper.from_array(draw.standard_normal(size, dtype=np.float32), name)
        for name, size in sizes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["stem"], pads=[1] * 4),
        helper.make_node("Conv", ["stem", "w1"], ["left"], pads=[1] * 4),
        helper.make_node("Conv", ["stem", "w2"], ["right"]),
        helper.make_node("Add", ["left", "right"], ["joined"]),
        helper.make_node("Conv", ["joined", "w3"], ["y"]),
    ]
    told = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "two", [told("x", real, (1, 3, 64, 64))], [told("y", real, None)], weights
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)


def test_a_plan_of_named_blocks_is_rehearsed(tmp_path):
    """The hop takes as long as both of its tensors do."""
    path = tmp_path / "two.onnx"
    branching(path)
    profile = import_onnx(path, "two", merge="operators").profile
    instance = CiftInstance(
        name="pair",
        nodes=(
            Node("board", "end", (4e9,), 0, 1, 1e9),
            Node("server", "cloud", (4e9,), 0, 1, 1e9),
        ),
        links=(Link("board", "server", 1e8, 1e-3, 0),),
        models=(profile,),
        compressions=(Compression("none", 1, 1, 1),),
        configurations=(Configuration("two", "none", "board", 1.0, 0),),
        requests=1,
        origin={"two.measured_speed_flop_per_s": 4e9},
    )
    stops = (
        Stop("board", 2, 4e9, names=("stem", "right")),
        Stop("server", 3, 4e9, names=("left", "joined", "y")),
    )
    named = CiftPlan("two", "none", "board", 1.0, stops)
    seen = rehearse(instance, named, path, requests=2, warm_up=0)
    assert seen.same_output
    hop = seen.stages[1]
    # stem and right, 16 x 64 x 64 numbers of 32 bits each.
    assert hop.predicted_s == pytest.approx(2 * 16 * 64 * 64 * 32 / 1e8 + 1e-3)
    assert min(hop.measured_s) >= hop.predicted_s
    # A server that does its blocks in half of their seconds is as good as one twice as fast.
    factors = (("two", tuple((name, 0.5) for name in stops[1].names if name != "joined")),)
    board, server = instance.nodes
    quick = instance.replace(nodes=(board, dataclasses.replace(server, factors=factors)))
    with pytest.raises(InputError, match=r"host server: '8e\+09 FLOP/s', .*--time-scale 2 or more"):
        rehearse(quick, named, path, requests=1)


def test_a_slower_host_sleeps_the_rest_of_what_it_took(monkeypatch):
    """At a quarter of the speed, three times the half second that is no cost of the call."""

    class Runner:
        def get_inputs(self):
            return []

        get_outputs = get_inputs

        def run(self, names, given):
            return []

    one = object.__new__(host._Host)
    one._runner, one._arrays, one._task = Runner(), {}, {"slower": 4.0, "call_s": 0.25}
    clock, wall, slept = iter([10.0, 10.75]), iter([50.0, 51.0]), []
    monkeypatch.setattr(host.time, "thread_time", lambda: next(clock))
    monkeypatch.setattr(host.time, "monotonic", lambda: next(wall))
    monkeypatch.setattr(host.time, "sleep", slept.append)
    assert one._compute() == {}
    assert slept == [1.5]
    # A second on the wall: a quarter of it other programs had.
    assert one._lost == 0.25


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": LIGHT / "light_shufflenet.onnx"}, "--model: 'light_shufflenet.onnx of SHA-256"),
        ({"plan": plan(3, 8, 7, compression="half")}, "plan.compression: 'half'"),
        ({"plan": plan(3, 8, 6)}, "plan.blocks: 'net: 17 blocks are placed of 18', expected"),
        ({"model": LIGHT / "none.onnx"}, "file: "),
    ],
)
def test_what_does_not_fit_is_told(instance, changed, said):
    given = {"plan": plan(3, 8, 7), "model": MODEL} | changed
    with pytest.raises(InputError) as error:
        rehearse(instance, given["plan"], given["model"], requests=1)
    assert said in str(error.value)


def test_a_model_of_other_tensors_is_told(instance):
    """Without a hash, blocks are compared: another count, then another tensor."""
    bare = instance.replace(origin={})
    with pytest.raises(InputError, match=r"light_resnet50\.onnx, block 1: tensor r3 of"):
        rehearse(bare, plan(3, 8, 7), LIGHT / "light_resnet50.onnx")
    with pytest.raises(InputError, match=r"light_vgg19\.onnx of 19 blocks', expected the 18"):
        rehearse(bare, plan(3, 8, 7), LIGHT / "light_vgg19.onnx")


def test_a_host_faster_than_this_machine_needs_another_time(instance):
    slow = instance.replace(origin={"net.measured_speed_flop_per_s": 2e9})
    with pytest.raises(InputError, match="--time-scale 2 or more runs everything"):
        rehearse(slow, plan(3, 8, 7), MODEL)
    seen = rehearse(slow, plan(18), MODEL, requests=1, warm_up=0, time_scale=2)
    assert seen.time_scale == 2
    assert seen.same_output
    assert [stage.where for stage in seen.stages] == ["board"]


def test_a_port_that_is_taken_is_told(instance):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"--port: {port}, expected 2 free ports on 127"):
            rehearse(instance, plan(3, 8, 7), MODEL, requests=1, port=port)


def test_the_command_answers_and_draws(instance, tmp_path):
    write_json(tmp_path / "row.json", instance.to_document())
    write_json(tmp_path / "plan.json", plan(3, 15).to_document())
    line = [
        "rehearse", str(tmp_path / "row.json"), "--plan", str(tmp_path / "plan.json"),
        "--model", str(MODEL), "--requests", "2", "--warm-up", "0",
    ]  # fmt: skip
    told = CliRunner().invoke(cli, [*line, "--json", "--out", str(tmp_path / "seen.svg")])
    assert told.exit_code == 0, told.output
    assert "<svg" in (tmp_path / "seen.svg").read_text()
    found = json.loads(told.stdout)
    assert found["same_output"] is True
    assert [stage["where"] for stage in found["stages"]] == ["board", "board -> box", "box"]
    assert len(found["total"]["measured_s"]) == 2


def test_the_table_has_a_line_a_stage(capsys):
    from splitopt.bench.commands.rehearse import _tell

    stages = (
        StageTimes("host", "board", 0.010, (0.012, 0.010, 0.011)),
        StageTimes("hop", "board -> box", 0.0, (0.001, 0.001, 0.001)),
    )
    total = StageTimes("request", "all", 0.010, (0.013, 0.011, 0.012), (0.002, 0.0, 0.001))
    _tell(Rehearsal(stages, total, 4e9, 0.8, 1.0, 2, 2, False))
    told = capsys.readouterr()
    lines = [line.split() for line in told.out.splitlines()]
    assert lines[2] == ["board", "10", "11", "10", "11", "10"]
    assert lines[3] == ["board", "->", "box", "0", "1", "1", "1", "-"]
    assert lines[4] == ["in", "all", "10", "12", "11", "12", "20"]
    assert "4 GFLOP/s when measured, 0.80 of it between the requests; 2 processes" in told.out
    # 10 ms on the board become 12.5 at four fifths of its speed; 12 ms are 11 undisturbed.
    assert "12.5 ms are predicted" in told.err
    assert "a request takes 11 ms: off by -12 %" in told.err
    assert "the parts together gave another output" in told.err
