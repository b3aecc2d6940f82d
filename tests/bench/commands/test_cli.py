"""The command line in one process: output, exit codes, and errors that leave nothing behind."""

import json
import re
import sqlite3
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from splitopt.bench.cli import COMMANDS, cli
from splitopt.bench.commands import output
from splitopt.bench.methods.registry import METHODS
from splitopt.bench.store.records import CHECKSUMS
from splitopt.bench.store.schema import COLUMNS
from splitopt.bench.store.store import Store
from splitopt.instances.core.documents import content_hash
from splitopt.instances.judge import read_instance
from splitopt.instances.library import names, sets

CSV = Path(__file__).parents[2] / "data" / "csv"


@pytest.fixture
def splitopt(tmp_path, monkeypatch):
    """Return a function that runs the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        result = CliRunner().invoke(cli, [str(a) for a in arguments], prog_name="splitopt")
        assert result.exit_code == code, result.output
        return result

    return call


@pytest.fixture
def instance(splitopt):
    """A generated CIFT instance in a file."""
    splitopt("generate", "cift-tiers", "--seed", "1", "--out", "a.json")
    return "a.json"


def error_line(result):
    """Return what stderr says; it must be one line, and stdout empty."""
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("splitopt: error: ")
    return result.stderr


# -- help, lists ---------------------------------------------------------------------------


def commands():
    return [(name,) for name in COMMANDS if name != "import"] + [
        ("import", part) for part in ("profile", "instance", "devices")
    ]


def test_help_lists_every_command(splitopt):
    text = splitopt("--help").stdout
    for name in COMMANDS:
        assert f"  {name} " in text
    assert "Exit codes" in text
    assert "\n    splitopt list  " in text  # examples keep their lines


def test_a_misspelt_command_is_told_which_is_meant(splitopt):
    assert "Did you mean solve or solvers?" in splitopt("solv", "x.json", code=2).stderr
    assert "Did you mean" not in splitopt("frobnicate", code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["solve", "tiny", "-m", "random"], "splitopt run takes a whole set"),
        (["run", "tinny", "-m", "random", "--out", "r"], "did you mean the set tiny?"),
        (
            ["solve", "mepra-image-10mbps", "-m", "highs-flow"],
            "it solves cift; see splitopt methods",
        ),
        (["solve", "mepra-image-10mbps", "-m", "jquodi"], "did you mean jqodi"),
        (["run", "tiny", "-m", "splitopt.heuristics", "--out", "r"], "did you mean heuristic"),
        (["methods", "jqody"], "did you mean jqodi"),
        (["check", "mepra-image-10mbps", "none.json"], "No such file or directory"),
        (["check", "mepra-image-10mbps", "none.json"], "check the path"),
        (["grade", "1-optimal"], "ANSWER: 'nothing'"),
        (["grade"], "EXERCISE: 'nothing'"),
        (
            ["grade", "anwsers", "--out", "g.csv"],
            "FOLDER: 'anwsers', expected a folder that is there",
        ),
        (["epochs", "--pair", "digits"], "'digits'"),
    ],
)
def test_the_remedy_of_a_typical_mistake(splitopt, arguments, says):
    assert says in error_line(splitopt(*arguments, code=2))
    assert list(Path.cwd().iterdir()) == []


def test_a_plan_for_the_other_problem_is_refused_before_anything_is_shown(splitopt, instance):
    splitopt("solve", instance, "-m", "single-cut", "--out", "p.json")
    for command in (
        ["check", "mepra-image-10mbps", "p.json"],
        ["show", "mepra-image-10mbps", "--plan", "p.json"],
    ):
        result = splitopt(*command, code=2)
        assert "'a plan for CIFT', expected a plan for MEPRA" in error_line(result)
        assert result.stdout == ""


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_help_has_an_example(splitopt, command):
    text = splitopt(*command, "--help").stdout
    assert "Example" in text
    assert f"splitopt {' '.join(command)}" in text
    assert "\\b" not in text  # an escape for click that reached the reader


def test_list(splitopt):
    rows = json.loads(splitopt("list", "--json").stdout)
    assert [row["set"] for row in rows] == list(sets())
    for row in rows:
        assert row["instances"] == row["cift"] + row["mepra"] == len(names(row["set"]))
    tiny = json.loads(splitopt("list", "tiny", "--problem", "cift", "--json").stdout)
    assert {row["problem"] for row in tiny} == {"cift"}
    assert [row["name"] for row in tiny] == [n for n in names("tiny") if n.startswith("cift")]
    assert tiny[0]["name"] in splitopt("list", "tiny").stdout
    assert "one of" in error_line(splitopt("list", "nothing", code=2))


def test_methods(splitopt):
    rows = json.loads(splitopt("methods", "--json").stdout)
    assert [(row["name"], row["problem"]) for row in rows] == [
        (entry.name, entry.problem) for entry in METHODS
    ]
    exact = json.loads(splitopt("methods", "--problem", "cift", "--kind", "exact", "--json").stdout)
    assert {(row["problem"], row["kind"]) for row in exact} == {("cift", "exact")}
    (one, _) = json.loads(splitopt("methods", "random", "--json").stdout)
    assert one["options"][0]["name"] == "samples"
    assert "samples" in splitopt("methods", "random").stdout
    assert "no options" in splitopt("methods", "single-cut").stdout
    error_line(splitopt("methods", "nothing", code=2))


# -- generate ------------------------------------------------------------------------------


def test_generate_to_a_file_and_to_stdout(splitopt, instance):
    text = splitopt("generate", "cift-tiers", "--seed", "1").stdout
    assert json.loads(text) == json.loads(Path(instance).read_text())
    document = json.loads(
        splitopt("generate", "cift-tiers", "--seed", "1", "--out", "b.json.gz", "--json").stdout
    )
    assert document["content_hash"] == read_instance(Path("b.json.gz")).content_hash


def test_knobs_of_every_type(splitopt):
    turned = ["stages=4", "tightness=0.25", "deadlines=none", "samples=20,30", "blocks=none"]
    arguments = [part for knob in turned for part in ("--knob", knob)]
    splitopt("generate", "cift-chain", *arguments, "--out", "k.json")
    made = read_instance(Path("k.json"))
    assert made.deadlines == 0
    assert all(20 <= node.samples <= 30 for node in made.nodes if node.tier == "end")
    shown = json.loads(splitopt("generate", "cift-chain", "--knobs", "--json").stdout)
    assert shown["knobs"]["deadlines"] == "both"
    assert "cift-chain" in splitopt("generate").stdout


@pytest.mark.parametrize(
    ("knob", "says"),
    [
        ("stages=x", "--knob stages: 'x', expected a whole number"),
        ("stages", "--knob: 'stages', expected name=value"),
        ("nothing=1", "--knob nothing: '1', expected a knob of cift-tiers"),
        ("stages=999", "--knob stages: 999"),
        ("samples=__import__('os')", "knob samples"),
    ],
)
def test_bad_knobs_write_nothing(splitopt, knob, says):
    result = splitopt("generate", "cift-tiers", "--knob", knob, "--out", "x.json", code=2)
    assert says in error_line(result)
    assert list(Path.cwd().iterdir()) == []


# -- show, check ---------------------------------------------------------------------------


def test_show(splitopt, instance):
    text = splitopt("show", instance).stdout
    assert "\\n" not in text
    for word in ("cift-tiers-s1", "end-1", "cloud-1", "deadlines", "epochs"):
        assert word in text
    document = json.loads(splitopt("show", instance, "--json").stdout)
    assert document["instance"] == json.loads(Path(instance).read_text())
    splitopt("solve", instance, "-m", "single-cut", "--out", "p.json")
    assert "total" in splitopt("show", instance, "--plan", "p.json").stdout
    judged = json.loads(splitopt("show", instance, "--plan", "p.json", "--json").stdout)
    assert judged["violations"] == []
    assert judged["evaluation"]["stages"]


def test_show_mepra(splitopt):
    splitopt("solve", "mepra-image-10mbps", "-m", "even-shares", "--out", "p.json")
    text = splitopt("show", "mepra-image-10mbps", "--plan", "p.json").stdout
    assert "5 devices" in text
    assert "cost" in text
    judged = json.loads(splitopt("show", "mepra-image-10mbps", "--plan", "p.json", "--json").stdout)
    assert len(judged["evaluation"]["device_cost"]) == 5


def test_check(splitopt, instance):
    found = json.loads(splitopt("solve", instance, "-m", "single-cut", "--json").stdout)
    Path("result.json").write_text(json.dumps(found))
    good = json.loads(splitopt("check", instance, "result.json", "--json").stdout)
    assert (good["feasible"], good["violations"]) == (True, [])
    assert good["objective"] == found["objective"]
    assert "feasible" in splitopt("check", instance, "result.json").stdout

    # At half the speeds there are no such levels, and times double.
    plan = found["plan"]
    for stop in plan["stops"]:
        if stop["blocks"]:
            stop["inference_speed_flop_per_s"] /= 2
    Path("slow.json").write_text(json.dumps(plan))
    bad = json.loads(splitopt("check", instance, "slow.json", "--json", code=1).stdout)
    assert not bad["feasible"]
    assert "speed" in {violation["constraint"] for violation in bad["violations"]}
    assert "infeasible" in splitopt("check", instance, "slow.json", code=1).stdout

    plan["stops"] = plan["stops"][:1]
    Path("short.json").write_text(json.dumps(plan))
    cut = json.loads(splitopt("check", instance, "short.json", "--json", code=1).stdout)
    assert cut["objective"] is None
    assert "a plan for CIFT" in error_line(_check_other_problem(splitopt, instance))


def _check_other_problem(splitopt, instance):
    splitopt("solve", "mepra-image-10mbps", "-m", "edge-only", "--out", "other.json")
    return splitopt("check", instance, "other.json", code=2)


# -- solve ---------------------------------------------------------------------------------

KEYS = [
    "instance",
    "method",
    "termination",
    "solution_status",
    "objective",
    "bound",
    "guarantee",
    "violations",
    "runtime_s",
    "plan",
]


def test_solve_json_is_one_object(splitopt):
    result = splitopt("solve", "mepra-image-10mbps", "--method", "highs-tangent", "--json")
    found = json.loads(result.stdout)
    assert list(found) == KEYS
    assert found["instance"] == "mepra-image-10mbps"
    assert (found["termination"], found["solution_status"]) == ("solved", "optimal")
    assert found["bound"] <= found["objective"] * (1 + 1e-6)
    assert found["guarantee"]["kind"] == "exact"
    assert found["violations"] == []
    assert result.stderr == ""


def test_solve_infeasible_is_no_error(splitopt):
    splitopt("generate", "cift-infeasible", "--knob", "blocks=4", "--out", "i.json")
    result = splitopt("solve", "i.json", "-m", "highs-flow", "--json", "--out", "p.json")
    found = json.loads(result.stdout)
    assert found["solution_status"] == "infeasible"
    assert (found["plan"], found["objective"]) == (None, None)
    assert not Path("p.json").exists()
    assert "no plan found" in result.stderr


def test_solve_seed_options_and_warm_start(splitopt, instance):
    first, again, other = (
        json.loads(
            splitopt(
                "solve", instance, "-m", "random", "--seed", s, "-o", "samples=50", "--json"
            ).stdout
        )
        for s in (3, 3, 4)
    )
    assert first["plan"] == again["plan"] != other["plan"]
    splitopt("solve", instance, "-m", "single-cut", "--out", "p.json")
    splitopt("solve", instance, "-m", "highs-flow", "--warm-start", "p.json", "--json")
    text = splitopt("solve", instance, "-m", "single-cut").stdout
    for word in ("status", "feasible", "objective", " J"):
        assert word in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing.json", "-m", "random"], "nothing.json"),
        (["mepra-imag-10mbps", "-m", "random"], "mepra-image-10mbps"),
        (["a.json", "-m", "nothing"], "a method for cift"),
        (["a.json", "-m", "random", "--epsilon", "0.1"], "which random has not"),
        (["a.json", "-m", "random", "-o", "samples=0"], "option samples"),
        (["a.json", "-m", "random", "-o", "color=red"], "options of random: samples"),
        (["a.json", "-m", "random", "-o", "samples=1", "-o", "samples=2"], "each name once"),
        (["a.json", "-m", "random", "--time-limit", "-1"], "--time-limit"),
        (["a.json", "-m", "random", "--time-limit", "nan"], "--time-limit"),
        (["a.json", "-m", "random", "--seed", "-1"], "seed"),
        (["a.json", "-m", "random", "--threads", "0"], "--threads"),
        (["a.json", "-m", "random", "--gap", "2"], "--gap"),
        (["a.json", "-m", "random", "--memory-limit", "much"], "--memory-limit"),
        (["a.json", "-m", "random", "--warm-start", "a.json"], "format"),
    ],
)
def test_bad_input_is_one_line(splitopt, instance, arguments, says):
    before = sorted(Path.cwd().iterdir())
    result = splitopt("solve", *arguments, "--out", "plan.json", "--json", code=2)
    assert says in error_line(result)
    assert sorted(Path.cwd().iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["solve"], "Missing argument 'INSTANCE'; splitopt solve --help"),
        (["nothing"], "No such command 'nothing'; splitopt --help"),
        (["solve", "a.json", "--sped", "1"], "--sped"),
        (["solve", "a.json", "-m", "jqodi", "--time-limit", "x"], "'x' is not a valid float"),
        # click writes the choices below each other.
        (["claims", "--only", "everything"], "'sweeps', 'grid', 'exits', 'cift'"),
        (["--nothing"], "splitopt --help"),
    ],
)
def test_usage_errors_are_one_line_too(splitopt, arguments, says):
    assert says in error_line(splitopt(*arguments, code=2))


def test_without_a_command_there_is_help(splitopt):
    assert splitopt(code=2).stdout.startswith("Usage: splitopt")


def test_an_unsupported_instance_says_why(splitopt):
    splitopt("generate", "cift-continuous", "--out", "c.json")
    result = splitopt("solve", "c.json", "-m", "highs-flow", code=2)
    assert "speeds" in error_line(result)


def test_unexpected_errors_are_one_line_and_code_1(splitopt, instance, monkeypatch):
    def broken(path):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("splitopt.instances.judge.read_instance", broken)
    result = splitopt("show", instance, code=1)
    assert result.stderr.startswith("splitopt: unexpected error: RuntimeError: two lines")
    assert result.stderr.count("\n") == 1
    assert "Traceback" in splitopt("--debug", "show", instance, code=1).stderr


# -- run, status, report and what follows ------------------------------------------------------


def test_run_status_report(splitopt, instance):
    run = ["run", instance, "mepra-image-10mbps", "-m", "single-cut,even-shares,random"]
    run += ["-o", "random.samples=20", "--seeds", "0..1", "--time-limit", "5", "--out", "r"]
    plan = json.loads(splitopt(*run, "--dry-run", "--json").stdout)
    # Single-cut and even-shares serve one problem each, random both.
    assert (plan["runs"], plan["done"], plan["left"]) == (8, 0, 8)
    assert not Path("r").exists()
    assert "8 runs" in splitopt(*run, "--dry-run").stdout
    done = json.loads(splitopt(*run, "--json").stdout)
    assert (done["planned"], done["done_now"], done["contradictions"]) == (8, 8, [])
    assert done["verdicts"] == {"right": 8}
    again = splitopt(*run).stdout
    assert "0 runs" in again
    assert "8 done before" in again
    state = json.loads(splitopt("status", "r", "--json").stdout)
    assert (state["runs"], state["in_progress"], state["instances"]) == (8, 0, 2)
    assert "8 runs recorded" in splitopt("status", "r").stdout
    text = splitopt("report", "r").stdout
    assert "single-cut" in text
    assert Path(text.splitlines()[-1].removeprefix("report: ")).is_file()
    assert json.loads(splitopt("merge", "r", "--out", "m", "--json").stdout)["added"] == 8
    assert json.loads(splitopt("export-runs", "m", "m.csv", "--json").stdout)["rows"] == 8
    assert "no difference" in splitopt("compare", "r", "m").stdout
    json.loads(splitopt("compare", "r", "m", "--json").stdout)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["quik", "-m", "random"], "quik"),
        (["tiny", "-m", "randum"], "did you mean random"),
        (["tiny", "-m", ","], "at least one method"),
        (["tiny", "-m", "random", "--seeds", "a"], "--seeds"),
        (["tiny", "-m", "random", "--seeds", "4..1"], "--seeds"),
        (["tiny", "-m", "random", "-o", "samples=4"], "METHOD.NAME=VALUE"),
        (["tiny", "-m", "random", "-o", "random.samples=0"], "samples"),
        (["tiny", "-m", "random", "--retry", "never"], "--retry"),
        (["tiny", "-m", "random", "--jobs", "0"], "jobs"),
        (["tiny", "-m", "random", "--cluster", "local"], "local:N, tcp://HOST:PORT"),
        (["tiny", "-m", "random", "--cluster", "local:2", "--jobs", "2"], "--jobs"),
        (["tiny", "-m", "random", "--cluster-options", "x.json"], "--cluster beside it"),
        (
            ["tiny", "-m", "random", "--allow-unencrypted"],
            "--allow-unencrypted: 'no cluster', expected --cluster beside it; give --cluster too",
        ),
        (["tiny", "-m", "random", "--worker-wait", "0"], "--cluster beside it"),
        (["tiny", "-m", "random", "--cluster", "slurm:2"], "cores and memory"),
        (["tiny", "-m", "random", "--cluster", "slurm", "--cluster-options", "x.json"], "x.json"),
    ],
)
def test_run_refuses_bad_input(splitopt, arguments, says):
    assert says in error_line(splitopt("run", *arguments, "--out", "r", code=2))


@pytest.mark.parametrize(
    "command", [["status"], ["report"], ["export-runs"], ["merge"], ["compare"]]
)
def test_a_folder_without_results(splitopt, command):
    more = {"export-runs": ["x.csv"], "merge": ["--out", "y"], "compare": ["z"]}.get(command[0], [])
    assert "a folder with results; splitopt run" in error_line(
        splitopt(*command, "nothing", *more, code=2)
    )
    assert list(Path.cwd().iterdir()) == []


# -- import --------------------------------------------------------------------------------


def test_import_profile_instance_and_devices(splitopt):
    splitopt(
        *("import", "profile", CSV / "blocks.csv", "--name", "my-net", "--input-bits", "1e6"),
        *("--head-blocks", "1", "--out", "net.json"),
    )
    splitopt(
        *("import", "instance", "--name", "lab", "--profile", "net.json", "--requests", "9"),
        *("--nodes", CSV / "nodes.csv", "--links", CSV / "links.csv", "--epochs", "1"),
        *("--inference-deadline", "0.5", "--out", "lab.json"),
    )
    found = json.loads(splitopt("solve", "lab.json", "-m", "single-cut", "--json").stdout)
    assert found["solution_status"] == "feasible"
    splitopt(
        *("import", "devices", CSV / "devices.csv", "--name", "ward", "--profile", "net.json"),
        *("--edge-capacity", "1e12", "--bandwidth", "1e7", "--total", "100"),
        *("--exits", "column", "--out", "ward.json"),
    )
    assert read_instance(Path("ward.json")).devices == 3
    # Without --out the document is on stdout and nothing else is.
    result = splitopt(
        *("import", "profile", CSV / "blocks.csv", "--name", "my-net", "--input-bits", "1e6")
    )
    assert json.loads(result.stdout)["name"] == "my-net"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["profile", CSV / "bad" / "nan.csv", "--input-bits", "1"], "line 2, column flops"),
        (["profile", CSV / "blocks.csv", "--input-bits", "-1"], "--input-bits"),
        (["profile", CSV / "blocks_timed.csv", "--input-bits", "1"], "--measured-speed"),
        (
            [
                *("instance", "--profile", "alexnet-cifar10", "--nodes", CSV / "nodes.csv"),
                *("--links", CSV / "links.csv", "--requests", "-1"),
            ],
            "requests",
        ),
        (
            [
                *("devices", CSV / "devices.csv", "--profile", "alexnet-cifar10"),
                *("--edge-capacity", "1e9", "--bandwidth", "1e6", "--exits", "column"),
            ],
            "fraction_3",
        ),
    ],
)
def test_import_errors_write_nothing(splitopt, arguments, says):
    kind, *rest = arguments
    result = splitopt("import", kind, *rest, "--name", "x", "--out", "x.json", code=2)
    assert says in error_line(result)
    assert list(Path.cwd().iterdir()) == []


# -- methods of the user's own -----------------------------------------------------------------

OWN = '''
from splitopt.heuristics.baselines.cift.single_cut import METHOD as single_cut

class Method:
    """Cut once, under another name."""

    name = "{name}"
    problem = "cift"
    options = ()

    def supports(self, instance):
        return single_cut.supports(instance)

    def solve(self, *arguments, **more):
        return single_cut.solve(*arguments, **more)

METHOD = Method()
'''


@pytest.fixture
def own_path(monkeypatch):
    """Let what a command adds to the path of modules go with the test."""
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_a_plugin_in_the_current_folder_is_a_method_like_any_other(splitopt, instance, own_path):
    Path("own_cut.py").write_text(OWN.format(name="own-cut"))
    plugin = ["--plugin", "own_cut:METHOD"]
    rows = json.loads(splitopt("methods", *plugin, "--json").stdout)
    assert len(rows) == len(METHODS) + 1
    assert rows[-1]["summary"] == "Cut once, under another name."
    assert "no options" in splitopt("methods", "own-cut", *plugin).stdout
    found = json.loads(splitopt("solve", instance, "-m", "own-cut", *plugin, "--json").stdout)
    known = json.loads(splitopt("solve", instance, "-m", "single-cut", "--json").stdout)
    assert found["objective"] == known["objective"]
    # A kind and `all` have it too.
    plan = ["run", instance, "--out", "r", "--dry-run", "--json"]
    with_it = json.loads(splitopt(*plan, "-m", "heuristic", *plugin).stdout)["runs"]
    assert with_it == json.loads(splitopt(*plan, "-m", "heuristic").stdout)["runs"] + 1
    assert "did you mean own-cut" in error_line(splitopt(*plan, "-m", "own-cat", *plugin, code=2))


def test_a_plugin_that_changed_is_told_and_run(splitopt, instance, own_path):
    run = ["run", instance, "-m", "own-cut,single-cut", "--time-limit", "20", "--out", "r"]
    run += ["--plugin", "own_cut:METHOD"]
    text = OWN.format(name="own-cut")
    Path("own_cut.py").write_text(text)
    splitopt(*run)
    assert re.search("^0 runs in .*, 2 done before; of 2$", splitopt(*run).stdout, re.M)
    Path("own_cut.py").write_text(text + "# another way\n")
    for asked in ([*run, "--dry-run"], run):
        done = splitopt(*asked)
        assert "own-cut has changed: 1 of these runs were done by other code" in done.stderr
    assert re.search("^1 runs in .*, 1 done before; of 2$", done.stdout, re.M)
    again = json.loads(splitopt(*run, "--json").stdout)
    assert (again["done_before"], again["done_now"], again["changed"]) == (2, 0, {"own-cut": 1})


def install(folder, monkeypatch, points):
    """Put a package that offers methods on the path, as pip would."""
    information = folder / "own_methods-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: own-methods\nVersion: 1.0\n"
    )
    lines = [f"{name} = {target}" for name, target in points.items()]
    (information / "entry_points.txt").write_text("\n".join(["[splitopt.methods]", *lines, ""]))
    (folder / "own_methods.py").write_text(OWN.format(name="own-cut"))
    monkeypatch.syspath_prepend(str(folder))


def test_an_installed_method_needs_no_option(splitopt, instance, tmp_path, monkeypatch):
    install(tmp_path / "site", monkeypatch, {"own-cut": "own_methods:METHOD"})
    assert "own-cut" in splitopt("methods").stdout
    assert json.loads(splitopt("solve", instance, "-m", "own-cut", "--json").stdout)["plan"]
    run = ["run", instance, "-m", "own-cut,single-cut", "--time-limit", "20", "--out", "r"]
    done = json.loads(splitopt(*run, "--json").stdout)
    assert (done["done_now"], done["verdicts"]) == (2, {"right": 2})


def test_a_broken_installed_method_stops_nobody_else(splitopt, instance, tmp_path, monkeypatch):
    points = {"own-cut": "own_methods:METHOD", "gone": "own_methods_gone:METHOD"}
    install(tmp_path / "site", monkeypatch, points)
    run = ["run", instance, "--time-limit", "20", "--out", "r"]
    result = splitopt(*run, "-m", "own-cut")
    assert result.stderr.startswith("splitopt: entry point own_methods_gone:METHOD is left out: ")
    assert result.stderr.count("\n") == 1
    assert "1 right" in result.stdout
    # Who asks for it hears why it is not there.
    asked = splitopt("solve", instance, "-m", "gone", code=2)
    assert "a method for cift" in error_line(asked)


def test_a_dry_run_reckons_with_a_cluster_and_starts_none(splitopt, instance):
    pytest.importorskip("distributed")
    pytest.importorskip("cryptography")
    run = ["run", instance, "-m", "single-cut", "--seeds", "0..7", "--time-limit", "10"]
    run += ["--grace", "2", "--cluster", "local:4", "--out", "r", "--dry-run"]
    assert json.loads(splitopt(*run, "--json").stdout)["worst_case_s"] == 8 * 12 / 4
    assert "at worst 24 s with 4 at a time" in splitopt(*run).stdout
    assert not Path("r").exists()


def test_limits_and_overhead_of_a_run(splitopt, instance):
    run = ["run", instance, "-m", "single-cut", "--time-limit", "20", "--grace", "3"]
    run += ["--cpu-limit", "7", "--out", "r"]
    text = splitopt(*run).stdout
    assert re.search(r"^overhead: median \d+\.\d{3} s a run", text, re.MULTILINE)
    with Store(Path("r")) as store:
        (row,) = store.rows()
        assert store.progress() == (1, 1)
    assert (row.time_limit_s, row.grace_s, row.cpu_limit_s) == (20.0, 3.0, 7.0)
    assert "RLIMIT_CPU 7 s" in row.enforced["cpu"]
    assert "of its 1 runs 1 are done, 0 are left" in splitopt("status", "r").stdout
    state = json.loads(splitopt("status", "r", "--json").stdout)
    assert (state["planned"], state["left"]) == (1, 0)
    assert "--grace" in error_line(splitopt(*run, "--grace", "-1", code=2))


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["solve", "cift-tiny-both", "-m", "nope"], "--method: 'nope', expected a method for cift"),
        (["solve", "cift-tiny-both", "-m", "random", "--time-limit", "-1"], "--time-limit: '-1', "),
        (["solve", "cift-tiny-both", "-m", "jqodi", "--epsilon=-1"], "--epsilon: '-1', expected"),
        (["solve", "cift-tiny-both", "-m", "jqodi", "-o", "eps=1"], "--option eps: '1', expected"),
        (["run", "tiny", "-m", "random", "--out", "r", "--jobs", "0"], "--jobs: '0', expected"),
        (["run", "tiny", "-m", "random", "--out", "r", "--memory-limit", "0"], "--memory-limit: "),
        (
            ["run", "tiny", "-m", "random", "--out", "r", "--plugin", "no"],
            "--plugin: 'no', expected",
        ),
        (
            ["run", "cift-tiny-both", "-m", "jqodi", "--epsilon", "0", "--out", "r"],
            "--epsilon: 0.0",
        ),
        (["run", "cift-tiny-both", "-m", "random", "--epsilon", "1", "--out", "r"], "--epsilon: 1"),
        (["generate", "cift-tiers", "--seed", "-1"], "--seed: '-1', expected"),
        (["generate", "cift-tiers", "-k", "stages=999"], "--knob stages: 999, expected"),
        (
            [
                "run",
                "tiny",
                "-m",
                "jqodi,random",
                "--out",
                "r",
                "-o",
                "jqodi.no=1",
                "-o",
                "random.samples=1",
            ],
            "--option jqodi.no: '1', expected",
        ),
        (
            ["run", "tiny", "-m", "flow@glpk", "-o", "flow@glpk.solver.no=1", "--out", "r"],
            "--option flow@glpk.solver.no: '1', expected",
        ),
        (
            ["solve", "cift-tiny-both", "-m", "flow@glpk", "-o", "solver.mip_gap=0"],
            "--option solver.mip_gap: '0', expected",
        ),
        (["verify", "--set", "tinny", "--out", "r"], "--set: 'tinny', "),
        (["epochs", "--regret", "tinny"], "--regret: 'tinny', "),
        (["run", "tiny", "-m", "flow@highs==0.1", "--out", "r"], "--methods: 'highs==0.1', "),
        (["solve", "cift-tiny-both", "-m", "flow@highs==0.1"], "--method: 'highs==0.1', "),
        (
            [
                "run",
                "tiny",
                "-m",
                "jqodi",
                "--out",
                "r",
                "--cluster",
                "slurm:1",
                "--cluster-options",
                "no.yaml",
            ],
            "--cluster-options: 'no.yaml', ",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors_name_the_option_as_it_was_typed(splitopt, arguments, start):
    line = error_line(splitopt(*arguments, code=2))
    assert line.removeprefix("splitopt: error: ").startswith(start)
    assert not any(label in line for label in ("got ", "allowed:", "remedy:"))
    assert not Path("r").exists()


def test_a_field_of_a_file_is_no_option(splitopt):
    # The file's name is wrong, not the option --name that no one typed.
    Path("bad.json").write_text(json.dumps({"format": "splitopt-cift", "version": 1, "name": "/"}))
    assert "--name" not in error_line(splitopt("solve", "bad.json", "-m", "random", code=2))


def test_epsilon_goes_to_every_method_that_has_one(splitopt):
    run = ["run", "cift-tiny-both", "-m", "jqodi,compression-blind,single-cut", "--out", "r"]
    splitopt(*run, "--epsilon", "0.5", "-o", "compression-blind.epsilon=0.25")
    with Store(Path("r")) as store:
        given = {row.method: row.options.get("epsilon") for row in store.rows()}
    assert given == {"jqodi": 0.5, "compression-blind": 0.25, "single-cut": None}


# -- what others wrote ---------------------------------------------------------------------------

# Clears the screen, forges a line of ours, turns what follows, colours, sets the title.
EVIL = "\x1b[2J\nsplitopt: forged\r\u202e\x9b31m\x1b]0;t\x07\u2028"
HOSTILE = """
from splitopt.instances.contract.method import Support
from splitopt.heuristics.baselines.mepra.even import EVEN_SHARES as BASE
import dataclasses
EVIL = {evil!r}
class Own:
    problem, options, kind, summary = "mepra", BASE.options, "heuristic", "says " + EVIL
    def __init__(self, name):
        self.name = name
    def supports(self, instance):
        return Support("reason " + EVIL) if self.name == "picky" else Support()
    def solve(self, *given, **more):
        print(EVIL)
        if self.name == "raiser":
            raise type("Oh" + EVIL, (Exception,), {{}})("error " + EVIL)
        result = BASE.solve(*given, **more)
        more = {{"key " + EVIL: "value " + EVIL}}
        return dataclasses.replace(
            result,
            statistics=more,
            objective=0.0 if self.name == "cheat" else result.objective,
        )
METHODS = [Own(name) for name in ("raiser", "picky", "honest", "cheat")]
"""


def harmless(result):
    """Assert that a terminal shows what was printed as it is, in lines of ours alone."""
    for line in [*result.stdout.split("\n"), *result.stderr.split("\n")]:
        assert line.isprintable(), repr(line)
        assert not line.startswith("splitopt: forged")
    return result


@pytest.mark.parametrize("debug", [(), ("--debug",)], ids=["", "debug"])
def test_nothing_of_a_method_acts_on_the_terminal(splitopt, own_path, debug):
    Path("evil.py").write_text(HOSTILE.format(evil=EVIL))
    plugin = ["--plugin", "evil:METHODS"]
    asked = [*debug, "solve", "mepra-image-10mbps", *plugin, "--time-limit", "60", "-m"]
    shown = harmless(splitopt(*asked, "raiser", code=1)).stderr
    assert "error \\x1b[2J splitopt: forged" in shown
    shown = harmless(splitopt(*asked, "picky", code=1)).stderr
    assert "reason \\x1b[2J\\nsplitopt: forged\\r\\u202e\\x9b31m" in shown
    shown = harmless(splitopt(*asked, "honest")).stdout
    assert "value \\x1b[2J\\nsplitopt: forged" in shown
    harmless(splitopt(*asked, "cheat", code=1))
    harmless(splitopt(*debug, "methods", *plugin))
    harmless(splitopt(*debug, "solve", "mepra-image-10mbps", "-m", "random" + EVIL, code=2))


def seal(connection):
    """Make hashes and checksums of what was forged fit, as who forges would."""
    for key, document in connection.execute("SELECT hash, document FROM environments").fetchall():
        found = content_hash(json.loads(document))
        connection.execute("UPDATE environments SET hash = ? WHERE hash = ?", (found, key))
        connection.execute("UPDATE runs SET environment_hash = ?", (found,))
    for number, *values in connection.execute(
        f"SELECT id, {', '.join(COLUMNS)} FROM runs"
    ).fetchall():
        found = CHECKSUMS.of(values)
        connection.execute("UPDATE runs SET checksum = ? WHERE id = ?", (found, number))
    for table in ("instances", "calls"):
        connection.execute(f"UPDATE {table} SET checksum = NULL")


@pytest.fixture
def stranger(splitopt, own_path, monkeypatch):
    """A folder of results in which every text that can hold anything does."""
    Path("evil.py").write_text(HOSTILE.format(evil=EVIL))
    run = ["run", "mepra-image-10mbps", "-m", "raiser,picky,honest,cheat,even-shares"]
    harmless(splitopt(*run, "--plugin", "evil:METHODS", "--time-limit", "60", "--out", "r", code=1))
    with sqlite3.connect("r/runs.sqlite") as connection:
        for name in ("detail", "verdict_reason", "status", "termination", "verdict", "started_at"):
            connection.execute(
                f"UPDATE runs SET {name} = {name} || ? WHERE method <> 'cheat'", [EVIL]
            )
        options = [json.dumps({f"{k} {EVIL}": EVIL}) for k in range(2)]
        connection.execute("UPDATE runs SET options = ? WHERE method = 'honest'", [options[0]])
        connection.execute("UPDATE runs SET not_enforced = ?", [json.dumps({EVIL: EVIL})])
        connection.execute("UPDATE runs SET cluster = ?, bound = objective + 1", [EVIL])
        for table in ("environments", "calls"):
            ((key, found),) = connection.execute(f"SELECT rowid, document FROM {table}")
            document = {
                k: v + EVIL if isinstance(v, str) else v for k, v in json.loads(found).items()
            }
            document |= {"command": [EVIL]} if table == "calls" else {"processor": EVIL}
            connection.execute(
                f"UPDATE {table} SET document = ? WHERE rowid = ?", [json.dumps(document), key]
            )
        connection.execute("UPDATE calls SET started_at = ?", [EVIL])
        connection.execute("UPDATE instances SET source = ?", [EVIL])
        seal(connection)
    return "r"


def test_nothing_of_a_store_acts_on_the_terminal(splitopt, stranger):
    run = ["run", "mepra-image-10mbps", "-m", "even-shares", "--time-limit", "60", "--out", "other"]
    splitopt(*run)
    check, merge = (
        ["check", "--library", "--set", "sources", "--results", stranger],
        ["merge", stranger, "--out", "all"],
    )
    compare, export = ["compare", stranger, "other"], ["export-runs", stranger, "rows.csv"]
    for words in (["status", stranger], ["report", stranger], compare, export, check, merge):
        assert "\\x1b[2J" in harmless(splitopt(*words, code=2)).stderr
    # With words that are some, its texts get as far as a judge.
    with sqlite3.connect(f"{stranger}/runs.sqlite") as connection:
        for name in ("status", "termination", "verdict"):
            connection.execute(f"UPDATE runs SET {name} = replace({name}, ?, '')", [EVIL])
        seal(connection)
    assert "\\x1b[2J\\nsplitopt: forged" in harmless(splitopt("status", stranger)).stdout
    shown = harmless(splitopt("report", stranger)).stdout
    assert "CONTRADICTIONS" in shown
    assert "\\x1b[2J\\nsplitopt: forged" in shown
    assert "\\x1b[2J\\nsplitopt: forged" in harmless(splitopt(*compare)).stdout
    harmless(splitopt(*export))
    harmless(splitopt(*check, code=1))
    harmless(splitopt(*merge, code=1))


def test_commands_print_in_one_way():
    """By `say`, `note` and the tables, which escape: nothing else writes to the terminal."""
    folder = Path(output.__file__).parent
    allowed = {"output.py": 3, "completion.py": 1}
    found = {path.name: path.read_text().count("click.echo(") for path in folder.glob("*.py")}
    assert {name: count for name, count in found.items() if count} == allowed
    assert not any("sys.stdout.write" in path.read_text() for path in folder.glob("*.py"))
