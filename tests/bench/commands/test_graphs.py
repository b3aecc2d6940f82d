"""Commands on networks that are graphs: cuts in words and pictures, throughputs, imports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from splitopt.bench.cli import cli
from splitopt.instances.core.documents import write_json
from splitopt.instances.judge import read_instance
from splitopt.instances.networks.profiles import Block, Profile
from splitopt.instances.networks.tensors import Tensor
from tests.instances.cift.test_graphs import CASE, CUT, DIAMOND


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "case.json", CASE.to_document())
    write_json(tmp_path / "plan.json", CUT.to_document())
    write_json(tmp_path / "diamond.json", DIAMOND.to_document())
    return tmp_path


def invoked(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, list(arguments), prog_name="splitopt")
    assert result.exit_code == code, result.output
    return result


def said(*arguments: str, code: int = 0) -> str:
    return invoked(*arguments, code=code).output


def test_show_names_blocks_and_the_tensors_of_a_cut(folder):
    text = said("show", "case.json", "--plan", "plan.json", "--out", "cut.svg")
    assert "a graph of 6 downsets" in text
    assert "cut end -> edge: 2 tensors, 6e-06 Mbit (ta 4e-06, tb 2e-06)" in text
    assert b"those cut dashed" in (folder / "cut.svg").read_bytes()
    assert said("check", "case.json", "plan.json").startswith("feasible")


def test_sweeping_the_throughput_finds_each_step_and_the_highest(folder):
    """a and b take the end 30 s at speed 1 and 15 s at 2: 47 and 120 + 3 + 14 J."""
    # Standard error may say that kernels are compiled.
    found = json.loads(invoked("sweep", "case.json", "--over", "throughput", "--json").stdout)
    steps = [(p["throughput_per_s"], p["energy_j"], p["busiest"]) for p in found["points"]]
    assert steps == [(pytest.approx(1 / 30), 47.0, "end"), (pytest.approx(1 / 15), 137.0, "end")]
    assert found["complete"]
    assert found["highest_per_s"] == pytest.approx(1 / 15)
    assert "highest throughput: 0.0666667" in said("sweep", "case.json", "--over", "throughput")


def test_explain_speaks_of_tensors_and_of_the_stage_that_is_too_slow(folder):
    assert "Over end -> edge: 2 tensors" in said("explain", "case.json")
    write_json(folder / "fast.json", CASE.replace(throughput_per_s=0.1).to_document())
    text = said("explain", "fast.json")
    assert "A throughput of 0.0666667 requests a second instead of 0.1 suffices" in text
    assert "end is busy 15 s a request, and 10 s were left" in text


def test_export_refuses_scenarios_with_a_remedy_that_an_export_has(folder):
    text = said("export", "cift-uncertain-009", "-f", "gdp-hull", "--out", "x.mps", code=2)
    assert "an instance without it for the formulation gdp-hull" in text
    assert "use flow, which takes it" in text


def test_export_refuses_graphs_where_a_formulation_knows_chains(folder):
    text = said("export", "case.json", "-f", "gdp-bigm", "--out", "x.mps", code=2)
    assert "an instance without networks that are graphs for the formulation gdp-bigm" in text
    assert "use flow or assignment" in text


def test_a_graph_goes_out_as_a_file_and_comes_back_as_a_plan(folder):
    """The way round: exported, solved by another program, its solution read and judged."""
    import highspy

    for formulation in ("flow", "assignment"):
        said("export", "case.json", "-f", formulation, "--out", "x.mps")
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.readModel("x.mps")
        solver.run()
        solver.writeSolution("x.sol", 0)
        text = said("read-solution", "case.json", "-f", formulation, "x.sol", "--out", "p.json")
        assert "47" in text
        assert json.loads((folder / "p.json").read_text())["version"] == 2


def test_import_merges_graphs(folder):
    text = said("import", "graph", "diamond.json", "--merge", "blocks", "--out", "chain.json")
    assert "2 blocks of 4, a chain" in text
    made = Profile.from_document(json.loads((folder / "chain.json").read_text()))
    assert [block.flops for block in made.blocks] == [10, 90]


@pytest.fixture
def wide(folder) -> Path:
    """Eleven blocks beside each other, 2048 downsets, then two more."""
    blocks = [Block(f"b{k}", 1, 1, 0) for k in range(13)]
    raw = Tensor("x", 8, None, tuple(range(11)))
    into = [Tensor(f"t{k}", 8, k, (11,)) for k in range(11)]
    profile = Profile.graph("wide", blocks, [raw, *into, Tensor("joined", 5, 11, (12,))])
    write_json(folder / "wide.json", profile.to_document())
    return folder


@pytest.mark.parametrize("merge", ["none", "runs"])
def test_a_graph_that_is_too_wide_is_not_written(wide, merge):
    """The file was there beside the error; and a merge was advised to who had asked for it."""
    text = said("import", "graph", "wide.json", "--merge", merge, "--out", "o.json", code=2)
    assert "import it with --merge" in text
    assert ("--merge runs" in text) == (merge == "none")
    assert not (wide / "o.json").exists()


def test_a_graph_that_is_too_wide_has_a_remedy(wide):
    """Cuts through one tensor were looked for among all downsets, so that it had none."""
    text = said("import", "graph", "wide.json", "--merge", "blocks", "--out", "o.json")
    assert "2 blocks of 13, a chain" in text
    made = Profile.from_document(json.loads((wide / "o.json").read_text()))
    assert [(b.name, b.flops, b.activation_bits) for b in made.blocks] == [
        ("b0..b11", 12, 5),
        ("b12", 1, 0),
    ]


def test_import_takes_measured_seconds_as_factors(folder):
    (folder / "m.csv").write_text("node,model,block,time_s\nedge,diamond,b,4\nend,diamond,a,5\n")
    said("import", "factors", "case.json", "m.csv", "--out", "measured.json")
    made = read_instance(folder / "measured.json")
    # b: 20 FLOP at 10 a second are 2 s; a at the end's highest speed, 10 FLOP at 2, are 5.
    assert [node.factors for node in made.nodes] == [(), (("diamond", (("b", 2.0),)),)]
    (folder / "m.csv").write_text("node,model,block,time_s\nedge,diamond,z,4\n")
    text = said("import", "factors", "case.json", "m.csv", code=2)
    assert "m.csv line 2, column block: 'z', expected a block of diamond" in text
    (folder / "m.csv").write_text("node,model,block,time_s\n" + "edge,diamond,b,4\n" * 2)
    text = said("import", "factors", "case.json", "m.csv", code=2)
    assert "m.csv line 3, column block: 'b', expected each block of edge once" in text
