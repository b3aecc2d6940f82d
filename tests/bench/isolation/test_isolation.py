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

from splitopt.bench.isolation import wire
from splitopt.bench.isolation.client import Zygote
from splitopt.bench.isolation.cores import assigned_cores
from splitopt.bench.isolation.endings import classify
from splitopt.bench.isolation.preload import needed_modules, preload
from splitopt.bench.isolation.process_tree import tree_memory_bytes
from splitopt.bench.isolation.streams import Capture, Watch
from splitopt.bench.methods.plugins import Catalogue
from splitopt.bench.methods.registry import METHODS
from splitopt.bench.runs.requests import builtin_targets, request_of
from splitopt.bench.runs.slot import solver_families
from splitopt.bench.store.rows import Limits, PlannedRun
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
    native = {"highspy", "ortools", "pyscipopt"}
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
