"""The command line as a process of its own: start-up, pipes, signals, completion."""

import contextlib
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from splitopt.instances.judge import evaluate, read_plan
from splitopt.instances.library import load

SPLITOPT = Path(sys.executable).with_name("splitopt")
HEAVY = (
    "numpy",
    "scipy",
    "pandas",
    "matplotlib",
    "numba",
    "highspy",
    "ortools",
    "pyomo",
    "pyscipopt",
    "torch",
    "jax",
    "rich",
    "psutil",
)


def run(*arguments, **more):
    return subprocess.run(
        [SPLITOPT, *map(str, arguments)], capture_output=True, text=True, timeout=120, **more
    )


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["list"], ["list", "--all", "--json"], ["methods", "--json"], ["solve", "--help"]],
    ids=" ".join,
)
def test_quick_answers_import_nothing_heavy(arguments):
    """What makes start-up slow is imports; a clock in a test would say more of the machine."""
    code = (
        "import sys\n"
        "from splitopt.bench.cli import cli\n"
        "try:\n    cli(sys.argv[1:], prog_name='splitopt')\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"


def test_solve_through_pipes(tmp_path):
    done = run("solve", "mepra-image-10mbps", "-m", "highs-tangent", "--json", cwd=tmp_path)
    assert done.returncode == 0
    # One object and nothing else, whatever the solver prints.
    assert json.loads(done.stdout)["solution_status"] == "optimal"
    (tmp_path / "result.json").write_text(done.stdout)
    assert run("check", "mepra-image-10mbps", "result.json", cwd=tmp_path).returncode == 0


def test_bad_input_in_a_process(tmp_path):
    (tmp_path / "broken.json").write_text('{"format": "splitopt-cift", ')
    done = run("solve", "broken.json", "-m", "random", "--out", "p.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("splitopt: error: broken.json: 'line 1 column")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["broken.json"]


def test_a_reader_that_stops_reading():
    """As in ``splitopt list --all | head -1``: no traceback."""
    with subprocess.Popen(
        [SPLITOPT, "list", "--all"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


def test_a_plan_that_cannot_be_written_is_told_before_solving(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("solve", "mepra-image-10mbps", "-m", "random", "--out", "file/p", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("splitopt: error: --out: ")


SLEEPER = """
import time
from splitopt.instances.contract.method import Support

class Sleeper:
    name = "sleeper"
    problem = "mepra"
    options = ()

    def supports(self, instance):
        return Support()

    def solve(self, instance, budget, seed, options, warm_start=None, on_progress=None):
        open({started!r}, "w").close()
        time.sleep(60)

METHOD = Sleeper()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["solve", "run"])
def test_ctrl_c_and_what_batch_systems_send_end_at_once(tmp_path, command, number):
    started = tmp_path / "started"
    (tmp_path / "sleeper.py").write_text(SLEEPER.format(started=str(started)))
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    more = ["--out", "results"] if command == "run" else []
    with subprocess.Popen(
        [
            *(SPLITOPT, command, "mepra-image-10mbps"),
            *("-m", "sleeper", "--plugin", "sleeper:METHOD", *more),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
    ) as process:
        for _ in range(600):
            if started.exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number, err
    by = "" if number == signal.SIGINT else " by SIGTERM"
    assert err.splitlines()[-1].startswith(f"splitopt: interrupted{by}")
    assert "Traceback" not in err
    if command == "run":
        with contextlib.closing(sqlite3.connect(tmp_path / "results" / "runs.sqlite")) as store:
            assert store.execute("SELECT * FROM claims").fetchall() == []


def test_a_progress_bar_with_an_estimate_on_a_terminal(tmp_path):
    """The bar is drawn on a terminal alone, on stderr; stdout stays data."""
    ours, theirs = pty.openpty()
    command = ["run", "mepra-image-10mbps", "-m", "even-shares,random", "--seeds", "0..2"]
    process = subprocess.Popen(
        [SPLITOPT, *command, "--time-limit", "1", "--out", "r", "--json"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=tmp_path,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal is gone with the process
        while data := os.read(ours, 1 << 16):
            shown += data
    os.close(ours)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(output)["done_now"] == 6
    text = shown.decode()
    assert "0/6" in text
    assert re.search(r"[1-6]/6", text)
    assert re.search(r"\d:\d\d:\d\d left", text)
    assert "mepra-image-10mbps" in text


def complete(words):
    """Return what bash would offer, given the words so far."""
    done = subprocess.run(
        [SPLITOPT],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ
        | {
            "_SPLITOPT_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        },
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_completion_of_commands_instances_and_methods():
    assert "solve" in complete(["splitopt", "so"])
    assert "mepra-image-10mbps" in complete(["splitopt", "solve", "mepra-image-1"])
    assert complete(["splitopt", "solve", "x", "--method", "even"]) == ["even-shares"]
    assert "random,even-shares" in complete(["splitopt", "run", "x", "-m", "random,even"])
    assert "quick" in complete(["splitopt", "run", "qui"])
    assert "cift-chain" in complete(["splitopt", "generate", "cift-ch"])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell):
    done = run("completion", shell)
    assert done.returncode == 0
    assert "_SPLITOPT_COMPLETE" in done.stdout


WAITING = """
import time
import numpy as np
from pathlib import Path
from splitopt.instances.contract.method import Recorder, Support
from splitopt.instances.judge import evaluate
from splitopt.instances.mepra.plan import MepraPlan
class Waiting:
    name, options = 'waiting', ()
    def supports(self, instance):
        return Support()
    def solve(self, instance, budget, seed, options, warm_start=None, on_progress=None):
        recorder = Recorder(on_progress)
        plan = MepraPlan(instance.layers[instance.profile], np.zeros(instance.devices))
        cost = evaluate(instance, plan).objective
        TELL
        Path(__file__).with_name('heard').touch()
        time.sleep(600)
METHOD = Waiting()
"""


def waiting_solve(folder: Path, tell: str) -> tuple[str, int]:
    """Run a method that tells and then hangs; interrupt it and return what was printed."""
    (folder / "waiting.py").write_text(WAITING.replace("TELL", tell))
    asked = ["solve", "mepra-image-10mbps", "-m", "waiting", "--plugin", "waiting:METHOD"]
    asked += ["--time-limit", "300", "--out", str(folder / "plan.json")]
    with subprocess.Popen(
        [SPLITOPT, *asked],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
    ) as process:
        while not (folder / "heard").exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert err.strip().endswith("interrupted")
    return out, process.returncode


def test_an_interrupted_solve_prints_what_it_had_heard(tmp_path):
    out, code = waiting_solve(tmp_path, "recorder.note(1000.0, 0.25)")
    assert code == 130
    assert re.search(r"^bound +0.25$", out, re.M)
    assert re.search(r"^incumbent +1000, as the method told", out, re.M)
    assert not (tmp_path / "plan.json").exists()


def test_an_interrupted_solve_keeps_its_incumbent(tmp_path):
    out, code = waiting_solve(tmp_path, "recorder.note(cost, 0.25, plan)")
    assert code == 130
    assert re.search(r"^status +feasible \(termination: killed\)$", out, re.M)
    assert re.search(r"^verdict +not refuted by the judge", out, re.M)
    kept = read_plan(tmp_path / "plan.json")
    instance = load("mepra-image-10mbps")
    assert f"objective    {evaluate(instance, kept).objective:.10g}\n" in out


def test_an_incumbent_that_lies_is_told(tmp_path):
    out, code = waiting_solve(tmp_path, "recorder.note(cost / 2, 0.25, plan)")
    assert code == 130
    assert re.search(r"^verdict +wrong: reports ", out, re.M)


def test_solve_tells_a_relaxed_plan_apart_and_claims_no_more_than_one_run_can_know():
    asked = ["cift-tiny-not-together", "-m", "jqodi", "--epsilon", "1"]
    done = run("solve", *asked, "--option", "deadlines=relaxed")
    assert done.returncode == 0
    lines = {line.split()[0]: line.split(None, 1)[1] for line in done.stdout.splitlines()}
    assert lines["status"].startswith("relaxed ")
    assert lines["bound"].endswith(", with every deadline kept")
    assert lines["gap"] == "-"
    # 0.0341708572 s of 0.02823 s.
    assert re.match(r"inference-deadline: .*, 1\.21044 times$", lines["exceeded"])
    assert lines["verdict"].startswith("not refuted by the judge's arithmetic and the best-known")
    assert "right" not in done.stdout


# Modules that everybody imports, and some that only the start of a worker process does.
COMMON = ("json", "typing", "splitopt", "numpy", "re", "socket", "struct", "threading", "ast")
COMMON += ("pickle", "multiprocessing", "tempfile", "signal", "distributed", "highspy", "ctypes")


def plant(folder: Path) -> Path:
    """Put a module of each common name into a folder; return the file in which it says so."""
    told = folder / "told"
    for name in COMMON:
        (folder / f"{name}.py").write_text(f"open({str(told)!r}, 'a').write('{name} ')\n")
    return told


@pytest.mark.parametrize("where", [(), ("--cluster", "local:1")], ids=["here", "workers"])
@pytest.mark.parametrize("plugin", [False, True], ids=["ours", "plugin"])
def test_modules_of_the_current_folder_are_not_imported(tmp_path, plugin, where):
    """The console script does not look there, nor does anything it starts; a plugin is found."""
    if where:
        pytest.importorskip("distributed")
        pytest.importorskip("cryptography")
    told = plant(tmp_path)
    method, more = "even-shares", []
    if plugin:
        (tmp_path / "sibling.py").write_text("NAME = 'own'\n")
        (tmp_path / "own.py").write_text(
            "from sibling import NAME\n"
            "from splitopt.heuristics.baselines.mepra.even import EVEN_SHARES as BASE\n"
            "class Own:\n"
            "    name, problem, options = NAME, 'mepra', BASE.options\n"
            "    supports, solve = BASE.supports, BASE.solve\n"
            "METHOD = Own()\n"
        )
        method, more = "own", ["--plugin", "own:METHOD"]
    asked = ["mepra-image-10mbps", "-m", method, *more, "--time-limit", "60", "--json"]
    if not where:
        done = run("solve", *asked, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["solution_status"] == "feasible"
    done = run("run", *asked, "--out", "r", *where, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdicts"] == {"right": 1}
    assert not told.exists(), told.read_text()


@pytest.mark.parametrize("place", ["first", "named"])
def test_the_current_folder_comes_last_unless_it_is_named(tmp_path, place):
    """As under ``python -c``, which puts it first; PYTHONPATH is the user's to order."""
    code = "from splitopt.bench.isolation.boot import module_path as p; print(p().index(HERE))"
    here = str(tmp_path.resolve())
    path = os.pathsep.join([*([here] if place == "named" else []), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", code.replace("HERE", repr(here))],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        check=True,
    )
    assert (int(done.stdout) > 0) == (place == "first")


def test_a_terminal_gets_no_sequence_of_a_stranger(tmp_path):
    """Tables are drawn for a terminal in another way than for a pipe."""
    evil = "\x1b[2J\nforged"
    (tmp_path / "own.py").write_text(
        "from splitopt.heuristics.baselines.mepra.even import EVEN_SHARES as BASE\n"
        "class Own:\n"
        f"    name, summary, options = 'own', {evil!r}, ()\n"
        "    supports, solve = BASE.supports, BASE.solve\n"
        "METHOD = Own()\n"
    )
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [SPLITOPT, "methods", "--plugin", "own:METHOD"],
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "200"},
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):
        while data := os.read(ours, 1 << 16):
            shown += data
    os.close(ours)
    assert process.wait(60) == 0
    assert b"own" in shown
    assert b"\x1b[2J" not in shown
    assert b"\\x1b[2J" in shown
