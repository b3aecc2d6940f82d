"""Every command that offers ``--json`` prints one JSON value and nothing else."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from splitopt.bench.cli import cli
from splitopt.instances import library
from splitopt.instances.core.documents import write_json

SOLUTIONS = Path(__file__).parents[2] / "data" / "solutions"
LIBRARY = (
    "cift-crafted-zero-energy",  # an optimum of 0: a constant objective, gaps without a base
    "cift-crafted-zero-times",
    "cift-crafted-no-configuration",
    "cift-crafted-no-way",
    "cift-crafted-no-time",
    "cift-crafted-no-requests",
    "cift-crafted-interval-ends",
    "mepra-crafted-zero-cost",
    "mepra-crafted-no-time-weight",
    "mepra-crafted-free-rows",
)


def commands(group=cli, path=()):
    """Yield path and parameters of every command."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


OFFERS = {
    path[0] for path, command in commands() if any("--json" in p.opts for p in command.params)
}


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A folder with awkward instances, plans of some, and a store."""
    folder = tmp_path_factory.mktemp("awkward")
    for name in LIBRARY:
        write_json(folder / f"{name}.json", library.load(name).to_document())
    # Deadlines and memories of 0, and energies of a millionth of a joule.
    skip = library.load("cift-crafted-skip").to_document()
    write_json(folder / "dl0.json", skip | {"name": "dl0", "inference_deadline_s": 0.0})
    nodes = [node | {"memory_bytes": 0.0} for node in skip["nodes"]]
    write_json(folder / "mem0.json", skip | {"name": "mem0", "nodes": nodes})
    links = [
        link | {"energy_j_per_bit": link["energy_j_per_bit"] * 1e-12} for link in skip["links"]
    ]
    nodes = [
        node
        | {
            "kappa_j_s2_per_flop3": node["kappa_j_s2_per_flop3"] * 1e-12,
            "busy_power_w": node["busy_power_w"] * 1e-12,
        }
        for node in skip["nodes"]
    ]
    tiny = skip | {"name": "tiny-energy", "nodes": nodes, "links": links}
    write_json(folder / "tiny-energy.json", tiny)
    for problem, name in (
        ("cift", "cift-crafted-zero-energy"),
        ("mepra", "mepra-crafted-zero-cost"),
    ):
        parsed(folder, ["best-known", name, "--plan", f"{problem}.json", "--json"])
    # The first store has all, the second what another machine did of it.
    files = [f"{name}.json" for name in LIBRARY] + ["dl0.json", "mem0.json"]
    for store, chosen, methods in (("one", files, "brute-force,jqodi"),
                                   ("two", files[::3], "brute-force")):  # fmt: skip
        parsed(
            folder,
            ["run", *chosen, "--methods", methods, "--time-limit", "5", "--out", store, "--json"],
        )
    return folder


def parsed(folder, arguments):
    """Run a command and return what its standard output says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = CliRunner().invoke(cli, arguments, prog_name="splitopt")
    assert done.exit_code in (0, 1), done.output

    def no_constant(text):
        raise AssertionError(f"{text} is no JSON")

    return json.loads(done.stdout, parse_constant=no_constant)


FILES = [f"{name}.json" for name in LIBRARY] + ["dl0.json", "mem0.json", "tiny-energy.json"]
CIFT = [name for name in FILES if not name.startswith("mepra")]
CALLS = {
    "list": [[], ["tiny"], ["--all"]],
    "show": [[name] for name in FILES],
    "generate": [[]],
    "best-known": [["tiny"], ["cift-crafted-zero-energy", "cift-crafted-no-time"]],
    "methods": [[], ["jqodi"]],
    "solve": [[name, "--method", "jqodi", "--time-limit", "5"] for name in FILES[::3]]
    + [["cift-crafted-zero-energy", "--method", m] for m in ("gdp-hull", "scip-minlp", "cpsat")]
    + [["mepra-crafted-zero-cost", "--method", m] for m in ("scip-minlp", "cpsat")],
    "check": [
        ["cift-crafted-zero-energy", "cift.json"],
        ["mepra-crafted-zero-cost", "mepra.json"],
    ],
    "explain": [[name] for name in FILES],
    "export": [
        [name, "--formulation", formulation, "--out", f"model.{kind}",
         "--check" if (name, formulation) == ("dl0.json", "flow") else "--no-check"]
        for name in ("cift-crafted-zero-energy.json", "cift-crafted-zero-times.json", "dl0.json",
                     "tiny-energy.json")
        for formulation in ("flow", "gdp-hull")
        for kind in ("mps", "lp")
    ]
    + [["mepra-crafted-zero-cost", "-f", f, "--out", "m.lp"] for f in ("natural", "tangent")],
    "read-solution": [["cift-tiny-both", "-f", "flow", str(SOLUTIONS / "flow.scip.sol")]],
    "solvers": [["list"]],
    "sweep": [[name] for name in
              ("cift-crafted-zero-energy.json", "dl0.json", "cift-crafted-no-time.json")],
    "run": [["dl0.json", "mem0.json", "tiny-energy.json", "--methods", "brute-force",
             "--time-limit", "5", "--out", "three"]],
    "new": [["method", "half-way"], ["family", "my-cells", "--problem", "mepra"]],
    "conform": [["jqodi", "--problem", "mepra"]],
    "status": [["one"]],
    "report": [["one"], ["one", "--paper", "paper"]],
    "verify": [["--set", "cift-crafted-zero-energy", "--set", "cift-crafted-no-time",
                "--epsilon", "1"]],
    "epochs": [["--pair", "digits-small/none", "--protocol", "seeds", "--regret", "none",
                "--resamples", "0"]],
    "claims": [["--problem", "cift", "--set", "cift-crafted-zero-energy", "--time-limit", "2"]],
    "compare": [["one", "two"], ["one", "one"]],
    "merge": [["one", "two", "--out", "both"]],
    "backup": [["one", "saved/runs.sqlite"]],
    "export-runs": [["one", "rows.csv"]],
    "export-solu": [["tiny.solu", "--set", "tiny"]],
    "grade": [["--list"]],
}  # fmt: skip


def test_every_command_that_offers_json_is_tried():
    # Training compiles for a minute: tests/heuristics/learner/test_mepra_learner.py parses that.
    # A rehearsal needs a model file: tests/bench/rehearse parses that.
    assert set(CALLS) | {"train", "rehearse"} == OFFERS


@pytest.mark.parametrize(
    "arguments",
    [[command, *call] for command, calls in CALLS.items() for call in calls],
    ids=lambda arguments: "-".join(arguments[:4]),
)
def test_standard_output_is_one_json_value(room, arguments, capfd):
    parsed(room, [*arguments, "--json"])
    # Nor does a library print past the command.
    assert capfd.readouterr().out == ""
