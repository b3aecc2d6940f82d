"""What holds a run to its limits, part by part."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from running import run_set

from splitopt.bench.isolation import wire
from splitopt.bench.isolation.client import Zygote
from splitopt.bench.isolation.cores import assigned_cores
from splitopt.bench.isolation.endings import classify, solve_time_s
from splitopt.bench.isolation.following import Following
from splitopt.bench.isolation.preload import needed_modules, preload
from splitopt.bench.isolation.process_tree import tree_memory_bytes
from splitopt.bench.isolation.streams import Capture, Outcome, Watch, believed_s, hold_times
from splitopt.bench.methods.plugins import Catalogue
from splitopt.bench.methods.registry import METHODS
from splitopt.bench.runs.requests import builtin_targets, request_of
from splitopt.bench.runs.slot import solver_families
from splitopt.bench.store.rows import Limits, PlannedRun
from splitopt.bench.store.store import Store
from splitopt.instances.contract.method import Termination
from splitopt.instances.core.errors import InputError
from splitopt.instances.judge import read_instance

LINUX = sys.platform.startswith("linux")


def planned(path, method, limits):
    instance = read_instance(path)
    return PlannedRun(
        str(path),
        instance.content_hash,
        instance.name,
        instance.problem,
        method,
        "rogues:METHODS",
        {},
        0,
        0,
        limits,
    )


@pytest.fixture
def run(rogues, instance_file):
    """Return a function that does a run and returns its outcome."""
    zygote = Zygote()

    def do(method, *, cores=None, stop=None, **limits):
        asked = Limits(**({"time_limit_s": 20.0, "grace_s": 5.0} | limits))
        watch = Watch(asked.kill_after_s, asked.memory_limit_bytes)
        if stop is not None:
            watch = Watch(asked.kill_after_s, asked.memory_limit_bytes, stop=stop)
        path = Path(instance_file())
        return zygote.run(request_of(planned(path, method, asked), cores=cores), watch)

    yield do
    zygote.close()


def test_the_cpu_limit_ends_a_run_that_ignores_its_signal(run):
    outcome = run("stubborn", cpu_limit_s=1.0)
    termination, detail = classify(outcome, limited=False)
    assert termination is Termination.KILLED
    # SIGXCPU is ignored by this one; SIGKILL follows a second later.
    assert outcome.exit_status == signal.SIGKILL
    assert "SIGKILL" in detail
    assert outcome.cpu_time_s < 10
    assert "RLIMIT_CPU 1 s" in outcome.enforced["cpu"]


@pytest.mark.skipif(not LINUX, reason="only Linux assigns cores")
def test_a_run_stays_on_its_cores(run):
    core = min(os.sched_getaffinity(0))
    outcome = run("honest", cores=(core,))
    assert outcome.enforced["cores"] == f"affinity {core}"
    outcome = run("honest", cores=None)
    assert "cores" in outcome.not_enforced


def test_a_clock_that_stands_still_counts_for_nothing(run):
    outcome = run("standstill")
    # It waits for a second; the runner may hear a little late that it started.
    assert outcome.message["solve_time_s"] < 0.5
    assert solve_time_s(outcome) >= 0.5
    assert "clock" in outcome.not_enforced
    # The improvement, too, has the time at which it came.
    ((time_s, objective, _),) = outcome.points
    assert (time_s >= 0.5, objective) == (True, 8.0)


def test_the_row_of_a_stopped_clock_has_times_by_the_other_one(tmp_path, rogues, instance_file):
    run_set([instance_file()], ["standstill"], tmp_path, time_limit_s=20.0, plugins=rogues)
    with Store(tmp_path) as store:
        (row,) = store.rows()
    assert row.solve_time_s >= 0.5
    assert [point[0] >= 0.5 for point in row.trajectory] == [True]
    assert "clock" in row.not_enforced
    assert row.verdict == "right"


def test_an_honest_clock_is_believed(run):
    outcome = run("honest")
    assert solve_time_s(outcome) == outcome.message["solve_time_s"]
    assert set(outcome.not_enforced) <= {"cores"}


def test_work_in_supports_is_on_the_clock(run):
    outcome = run("early")
    assert solve_time_s(outcome) >= 0.5
    assert "clock" not in outcome.not_enforced
    outcome = run("asked", time_limit_s=0.2, grace_s=0.2)
    assert outcome.killed_because.endswith("killed at 0.4 s")


def test_preparing_is_limited_and_told(run, monkeypatch):
    assert "before the clock, killed at 120 s" in run("honest").enforced["setup"]
    monkeypatch.setattr("splitopt.bench.isolation.following.SETUP_LIMIT_S", 1.0)
    outcome = run("preparer")
    assert outcome.killed_for == "setup"
    assert "had not started to solve" in outcome.killed_because


@pytest.mark.skipif(not LINUX, reason="only Linux assigns cores")
def test_cores_that_were_not_given_are_seen(run):
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("one core alone")
    outcome = run("widener", cores=(min(cores),))
    assert outcome.not_enforced["cores"] == "the run took cores it was not given"
    assert "cores" not in outcome.enforced


@pytest.mark.parametrize(
    ("inside", "outside", "reading", "counts"),
    [
        (1.0, 1.001, 0.0, 1.0),  # the way of the message
        (1.0, 1.039, 0.0, 1.0),
        (1.0, 1.05, 0.0, 1.05),  # 20 ms and 2 % are close
        (0.0, 0.02, 0.0, 0.0),
        (0.0, 0.5, 0.0, 0.5),
        (2.0, 3.0, 0.2, 2.0),  # a plan that took 0.2 s to read took long to write
        (1.0, 0.95, 0.0, 1.0),  # the runner heard late of the start
        (5.0, 1.0, 0.0, 1.0),
        (-1.0, 0.01, 0.0, 0.01),
        (None, 0.01, 0.0, 0.01),
        (True, 1.0, 0.0, 1.0),
        (10**400, 1.0, 0.0, 1.0),
    ],
)
def test_which_clock_counts(inside, outside, reading, counts):
    assert believed_s(inside, outside, reading) == counts


def test_processor_time_is_held_against_threads_and_wall_time():
    def held(cpu_s, wall_s, threads):
        outcome = Outcome(
            cpu_time_s=cpu_s, wall_time_s=wall_s, enforced={"threads": "environment variables"}
        )
        hold_times(outcome, threads)
        return "threads" in outcome.enforced, "threads" in outcome.not_enforced

    assert held(10.0, 10.0, 1) == (True, False)
    # A tenth and half a second: 11.5.
    assert held(11.4, 10.0, 1) == (True, False)
    assert held(11.6, 10.0, 1) == (False, True)
    assert held(19.0, 10.0, 2) == (True, False)


def test_stopping_kills_a_run_at_once(run):
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    begin = time.monotonic()
    outcome = run("sleeper", stop=stop)
    assert outcome.killed_for == "stop"
    assert time.monotonic() - begin < 15


def test_a_run_works_in_a_folder_of_its_own_that_goes_away(run):
    outcome = run("litterer")
    folder = Path(outcome.message["document"]["statistics"]["folder"])
    assert folder != Path.cwd()
    assert not folder.exists()


@pytest.mark.skipif(not LINUX, reason="only Linux assigns cores")
def test_cores_are_assigned_to_one_run_at_a_time():
    count = len(os.sched_getaffinity(0))
    with assigned_cores(1) as first:
        if first is None:
            pytest.skip("another runner on this machine has all cores")
        with assigned_cores(1) as second:
            assert second is None or not set(first) & set(second)
    with assigned_cores(count + 1) as many:
        assert many is None


@pytest.mark.skipif(not LINUX, reason="only Linux assigns cores")
@pytest.mark.parametrize("planted", ["link", "open", "another's", "lock"])
def test_locks_are_not_put_where_another_user_planted_something(tmp_path, monkeypatch, planted):
    """The temporary folder is everybody's: its names can be taken before we come."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    aside = tmp_path / "aside"
    aside.mkdir(mode=0o700)
    ours = tmp_path / f"splitopt-cores-{os.getuid()}"
    if planted == "link":
        ours.symlink_to(aside)
    elif planted == "open":
        ours.mkdir()
        ours.chmod(0o777)
    elif planted == "lock":
        ours.mkdir(mode=0o700)
        for core in os.sched_getaffinity(0):
            (ours / str(core)).symlink_to(aside / "made")
    else:
        uid = os.getuid() + 1
        monkeypatch.setattr("os.getuid", lambda: uid)
        (tmp_path / f"splitopt-cores-{uid}").mkdir(mode=0o700)
    with assigned_cores(1) as cores:
        assert cores is None
    assert list(aside.iterdir()) == []


@pytest.mark.skipif(not LINUX, reason="only Linux assigns cores")
def test_locks_are_in_a_folder_of_the_user_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    with assigned_cores(1) as cores:
        (folder,) = tmp_path.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert [path.name for path in folder.iterdir()] == [str(core) for core in cores]


def test_the_memory_of_children_counts():
    code = "import sys; x = bytearray(80 << 20); print('ready', flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child.stdout.readline()
    try:
        held = tree_memory_bytes(os.getpid(), child.pid, None)
        # With a limit below, shared pages are divided: what the child filled is its own.
        proportional = tree_memory_bytes(os.getpid(), child.pid, 1)
    finally:
        child.communicate()
    assert held > 80 << 20
    assert 80 << 20 < proportional <= held


def test_output_keeps_head_and_tail():
    capture = Capture(10)
    for part in (b"abcd", b"efgh", b"ijklmnop", b"qr"):
        capture.add(part)
    assert capture.total == 18
    assert capture.kept() == b"abcde\n[... 8 bytes left out ...]\nnopqr"
    short = Capture(10)
    short.add(b"abcdefgh")
    assert short.kept() == b"abcdefgh"


def test_messages_and_descriptors_arrive_together():
    one, other = socket.socketpair()
    reader, writer = os.pipe()
    sender = threading.Thread(
        target=wire.send, args=(one, {"text": "x" * (1 << 20)}, (writer,)), daemon=True
    )
    sender.start()
    message, descriptors = wire.receive(other)
    sender.join()
    assert len(message["text"]) == 1 << 20
    os.write(descriptors[0], b"hello")
    assert os.read(reader, 5) == b"hello"
    one.close()
    assert wire.receive(other) is None
    for descriptor in (reader, writer, *descriptors):
        os.close(descriptor)
    other.close()


def test_preloading_imports_what_a_method_imports_late():
    names = preload(["splitopt.formulations.mepra.tangent:METHOD"])
    assert "splitopt.formulations.mepra.tangent" in names
    assert "highspy" in names


def test_what_a_method_needs_is_found_without_importing_a_solver():
    code = (
        "import sys; from splitopt.bench.isolation.preload import needed_modules;"
        "print('ortools.sat.python' in needed_modules('splitopt.formulations.mepra.cpsat:METHOD'));"
        "print(sorted({'ortools', 'highspy', 'scipy'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert said == "True\n[]\n"


def test_native_solvers_of_different_methods_never_share_a_process():
    """What the table says of the library that a method calls is what its modules import."""
    native = {"highspy", "ortools", "pyscipopt", "didppy"}
    for entry in METHODS:
        needed = {name.partition(".")[0] for name in needed_modules(entry.target)}
        assert needed & native == ({entry.solver} if entry.solver else set()), entry.name
        assert entry.target.partition(":")[0] in needed_modules(entry.target)
    families = solver_families(entry.target for entry in METHODS)
    assert set(families.values()) == {*native, None}


def test_only_our_own_modules_are_preloaded(instance_file):
    run = planned(Path(instance_file()), "honest", Limits(1.0, 1.0))
    assert builtin_targets([run]) == []
    assert preload(["rogues:METHODS"]) == []


# -- plugins -----------------------------------------------------------------------------------


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    """Return a function that builds a catalogue with a plugin module of the given source."""
    monkeypatch.syspath_prepend(str(tmp_path))
    opened = []

    def build(source, target="plugged:METHOD"):
        (tmp_path / "plugged.py").write_text(source)
        opened.append(Zygote())
        return Catalogue.build([target], opened[-1])

    yield build
    for zygote in opened:
        zygote.close()


METHOD = """
class Method:
    '''Say what it does.

    And more.
    '''
    name = {name!r}
    options = ()
    {more}
    def supports(self, instance): ...
    def solve(self, *arguments): ...
METHOD = Method()
"""


def test_a_plugin_serves_both_problems_unless_it_says_which(catalogue):
    both = catalogue(METHOD.format(name="mine", more=""))
    assert both.find("mine", "cift").summary == "Say what it does."
    assert both.find("mine", "mepra").kind == "heuristic"
    one = catalogue(METHOD.format(name="mine", more="problem = 'cift'; kind = 'exact'"))
    assert one.find("mine", "mepra") is None
    assert one.find("mine", "cift").kind == "exact"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (METHOD.format(name="cpsat", more=""), "a name other than"),
        (METHOD.format(name="../x", more=""), "letters, digits"),
        (METHOD.format(name="mine", more="problem = 'tsp'"), "cift or mepra"),
        ("raise RuntimeError('on import')", "RuntimeError: on import"),
        ("import os; os.abort()", "SIGABRT"),
        ("import nothing_like_that", "No module named"),
        ("METHOD = 3", "AttributeError"),
    ],
)
def test_a_broken_plugin_is_one_line(catalogue, source, says):
    with pytest.raises(InputError) as caught:
        catalogue(source)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_log_that_is_kept_makes_rows_no_larger():
    """A solver's log is on standard output, which goes to a file; the other stays in the row."""
    followed = Following(None, Watch(output_limit_bytes=4 << 20))
    for which in (1, 2):
        followed._take(b"x" * (1 << 20), which)
    assert len(followed._output.kept()) == followed._output.total == 1 << 20
    assert 64 << 10 <= len(followed._errors.kept()) < 65 << 10
