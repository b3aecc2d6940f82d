"""Runs spread over workers: real schedulers and worker processes, some of which die."""

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from running import gone, plan, run_set

from splitopt.bench.report import text_tables
from splitopt.bench.runs.cluster.errors import ClusterError
from splitopt.bench.runs.cluster.payload import Answer, write_answer
from splitopt.bench.runs.cluster.spec import read_cluster
from splitopt.bench.runs.cluster.work import ClusterWork
from splitopt.bench.runs.cluster.workers import Worker, Workers
from splitopt.bench.runs.queue import RunQueue
from splitopt.bench.store.store import Store
from splitopt.instances.core.errors import InputError

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
pytest.importorskip("cryptography", reason="the extra `cluster` is not installed")

PLUGINS = Path(__file__).parents[1] / "plugins"
SCRIPT = PLUGINS / "runner_script.py"
PATIENCE_S = 90.0


def wait_until(condition):
    until = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
    return found


def rows_of(out):
    with Store(out) as store:
        assert store._query("PRAGMA integrity_check")[0][0] == "ok"
        assert store._query("SELECT * FROM claims") == []
        return store.rows()


@contextlib.contextmanager
def started(folder, keys=None):
    """A scheduler and two workers as processes, as on machines of their own."""
    file = folder / "scheduler.json"
    common = ["--host", "127.0.0.1", "--scheduler-file", str(file)]
    options = None
    if keys is not None:
        common += ["--protocol", "tls", "--tls-ca-file", keys.tls_ca_file]
        common += ["--tls-cert", keys.tls_worker_cert, "--tls-key", keys.tls_worker_key]
        options = folder / "keys.json"
        names = ("tls_ca_file", "tls_client_cert", "tls_client_key")
        options.write_text(json.dumps({name: getattr(keys, name) for name in names}))
    log = (folder / "dask.log").open("wb")

    def dask(kind, *arguments):
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{kind}", *common, *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(PLUGINS), *sys.path])},
        )

    processes = [dask("scheduler", "--port", "0", "--dashboard-address", "127.0.0.1:0")]
    try:
        wait_until(lambda: file.is_file() and file.read_text().endswith("}"))
        more = ["--no-nanny", "--nthreads", "1", "--dashboard-address", "127.0.0.1:0"]
        more += ["--local-directory", str(folder / "scratch")]
        processes += [dask("worker", *more) for _ in range(2)]
        address = json.loads(file.read_text())["address"]
        yield read_cluster(address, options), processes
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster that no test harms, with keys of its owner's."""
    pytest.importorskip("cryptography")
    from splitopt.bench.runs.cluster.credentials import temporary_credentials

    folder = tmp_path_factory.mktemp("cluster")
    with temporary_credentials(folder) as keys, started(folder, keys) as found:
        assert found[0].text.startswith("tls://127.0.0.1:")
        yield found


def at_work(process):
    """Return the process of the run that a worker is at: below its zygote."""
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(process.pid).children():
            for run in child.children():
                return run
    return None


def test_rogues_are_named_on_a_worker_as_they_are_here(tmp_path, rogues, instance_file, cluster):
    spec, _ = cluster
    methods = ["honest", "sleeper", "segfault", "glutton", "cheat", "raiser", "picky"]
    run_set(
        [instance_file()],
        methods,
        tmp_path / "out",
        time_limit_s=3.0,
        grace_s=1.0,
        memory_limit_bytes=300 << 20,
        plugins=rogues,
        cluster=spec,
    )
    found = {row.method: (row.termination, row.verdict) for row in rows_of(tmp_path / "out")}
    assert found == {
        "honest": ("solved", "right"),
        "sleeper": ("killed", "not claimed"),
        "segfault": ("crashed", "not claimed"),
        "glutton": ("memory", "not claimed"),
        "cheat": ("solved", "wrong"),
        "raiser": ("crashed", "not claimed"),
        "picky": ("unsupported", "not claimed"),
    }


def test_logs_of_solvers_come_back_from_workers(tmp_path, cluster):
    spec, _ = cluster
    out = tmp_path / "out"
    run_set(
        ["cift-tiny-both"],
        ["highs-assignment"],
        out,
        time_limit_s=20.0,
        cluster=spec,
        keep_logs=True,
    )
    (row,) = rows_of(out)
    (log,) = (out / "logs").iterdir()
    assert row.stdout == f"kept in logs/{log.name}\n"
    assert "HiGHS" in log.read_text()


def test_a_run_is_given_to_another_worker_where_the_machine_of_one_lacks_room(
    tmp_path, rogues, instance_file
):
    """Where the others lack it too, the set of runs ends in the words of the last."""
    spec = read_cluster("tcp://127.0.0.1:1")
    chosen = plan([instance_file()], ["honest"], time_limit_s=10.0, plugins=rogues)
    full = write_answer(Answer(lacking="No space left on device"))
    told = []
    with Store(tmp_path / "out", create=True) as store:
        queue = RunQueue(store, chosen, told.append)
        work = ClusterWork(queue, chosen, spec, rogues)
        client = SimpleNamespace(
            status="running",
            submit=lambda *_, **__: SimpleNamespace(
                result=lambda timeout: full, add_done_callback=lambda call: call(None)
            ),
        )
        workers = Workers(client, (), {})
        for name in ("one", "two"):
            workers._known[name] = Worker(name, name, 1, None, introduced=True)
        work._give(client, workers, "one", queue.claim())
        work._collect(workers)
        assert [event.why for event in told if event.kind == "again"] == [
            "the machine of worker one cannot do runs now: No space left on device"
        ]
        assert (len(queue), workers.free(0.0)) == (1, "two")
        work._give(client, workers, "two", queue.claim())
        with pytest.raises(ClusterError, match=r"^worker two: this machine .* No space left"):
            work._collect(workers)
        assert store.count() == 0


def test_a_worker_with_other_code_of_a_plugin_is_refused(
    tmp_path, instance_file, cluster, monkeypatch
):
    """It finds a module of that name, but not the one that is here."""
    (tmp_path / "rogues.py").write_text((PLUGINS / "rogues.py").read_text() + "# changed\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match=r"rogues:METHODS.*the same source on worker"):
        run_set(
            [instance_file()],
            ["honest"],
            tmp_path / "out",
            time_limit_s=20.0,
            plugins=("rogues:METHODS",),
            cluster=cluster[0],
        )


def test_a_run_that_nobody_waits_for_is_killed_on_its_worker(
    tmp_path, rogues, instance_file, cluster
):
    """Kill -9 of a runner whose workers live on."""
    spec, (_, *workers) = cluster
    document = {
        "out": str(tmp_path / "out"),
        "instances": [instance_file()],
        "methods": ["honest"],
        "time_limit_s": 600.0,
        "plugins": list(rogues),
        "options": {"honest": {"pause": 500.0}},
        "seeds": [0, 1],
        "cluster": spec.text,
    }
    # It has the keys from Dask's own configuration.
    tls = "DASK_DISTRIBUTED__COMM__TLS__"
    names = {"CA_FILE": "ca_file", "CLIENT__CERT": "client_cert", "CLIENT__KEY": "client_key"}
    keys = {tls + name: spec.options[f"tls_{option}"] for name, option in names.items()}
    runner = subprocess.Popen(
        [sys.executable, str(SCRIPT), json.dumps(document)], env=os.environ | keys
    )
    runs = wait_until(lambda: all(map(at_work, workers)) and list(map(at_work, workers)))
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    wait_until(lambda: gone(runs))
    # The workers are as good as new, and the claims of the dead runner are free at once.
    document["options"] = {"honest": {"pause": 0.0}}
    summary = run_set(
        document["instances"],
        ["honest"],
        tmp_path / "out",
        time_limit_s=30.0,
        plugins=rogues,
        cluster=spec,
    )
    assert summary.verdicts == {"right": 1}


def test_what_dies_in_mid_run_loses_nothing_and_counts_nothing_twice(
    tmp_path, rogues, instance_file
):
    """First a worker, by kill -9, and then, with other runs, the scheduler."""
    with started(tmp_path) as (spec, (scheduler, *workers)):
        kill_a_worker(tmp_path / "one", rogues, [instance_file(), instance_file()], spec, workers)
        kill_the_scheduler(tmp_path / "two", rogues, instance_file(), spec, scheduler)


def kill_a_worker(out, rogues, paths, spec, workers):
    killed, events = [], []

    def kill():
        worker = wait_until(lambda: next(filter(at_work, workers), None))
        killed.append(at_work(worker))
        worker.send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    settings = {"time_limit_s": 60.0, "plugins": rogues, "seeds": range(4)}
    settings |= {"options": {"honest": {"pause": 0.5}}}
    summary = run_set(paths, ["honest"], out, cluster=spec, on_event=events.append, **settings)
    killer.join()
    # The run in progress died with its worker.
    assert gone(killed)
    assert (summary.planned, summary.done_now, summary.done_by_others) == (8, 8, 0)
    assert summary.verdicts == {"right": 8}
    rows = rows_of(out)
    assert len({row.key for row in rows}) == len(rows) == 8
    assert {row.cluster for row in rows} == {"address"}
    # One or two workers were there, both on this machine, and each row says how many.
    assert {row.jobs for row in rows} <= {1, 2}
    assert [row.jobs_on_machine for row in rows] == [row.jobs for row in rows]
    finished = [event.run.key for event in events if event.kind == "finished"]
    assert sorted(finished) == sorted(row.key for row in rows)
    # The run that was lost was given out again.
    assert sum(event.kind == "started" for event in events) == 9
    again = [event for event in events if event.kind == "again"]
    assert [(event.run.method, event.why) for event in again] == [("honest", "its worker was lost")]
    again = run_set(paths, ["honest"], out, jobs=2, **settings)
    assert (again.done_before, again.done_now) == (8, 0)


def kill_the_scheduler(out, rogues, path, spec, scheduler):
    def on_event(event):
        if event.kind == "finished" and event.done == 2:
            scheduler.send_signal(signal.SIGKILL)

    settings = {"time_limit_s": 30.0, "plugins": rogues, "seeds": range(8)}
    settings |= {"options": {"honest": {"pause": 0.3}}}
    with pytest.raises(OSError, match="every run stored so far is kept") as caught:
        run_set([path], ["honest"], out, cluster=spec, on_event=on_event, **settings)
    assert "\n" not in str(caught.value)
    kept = len(rows_of(out))
    assert 2 <= kept < 8
    rest = run_set([path], ["honest"], out, jobs=2, **settings)
    assert (rest.done_before, rest.done_now) == (kept, 8 - kept)


# -- a cluster of one's own ----------------------------------------------------------------------


def test_a_local_cluster_listens_here_alone_and_ends_with_its_processes(
    tmp_path, rogues, instance_file, monkeypatch
):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    document = {
        "out": str(tmp_path / "out"),
        "instances": [instance_file()],
        "methods": ["honest"],
        "time_limit_s": 60.0,
        "plugins": list(rogues),
        "options": {"honest": {"pause": 1.0}},
        # More than are done while its ports are tried, however busy the machine is.
        "seeds": list(range(90)),
        "cluster": "local:2",
    }
    runner = subprocess.Popen(
        [sys.executable, str(SCRIPT), json.dumps(document)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in runner.stdout:
        if json.loads(line)["kind"] == "finished":
            break
    family = psutil.Process(runner.pid).children(recursive=True)
    listening = {
        connection.laddr
        for process in [psutil.Process(runner.pid), *family]
        for connection in net_connections(process)
        if connection.status == psutil.CONN_LISTEN
    }
    assert len(listening) == 3  # the scheduler and two workers, and no pages
    assert {address.ip for address in listening} == {"127.0.0.1"}
    for address in listening:
        turned_away(address.port)
    # Were all of them killed, the next runner would sweep the folder with the key.
    (key,) = scratch.rglob("key.pem")
    assert key.relative_to(scratch).parts[0].startswith("splitopt-scratch-")
    # Ctrl-C in a terminal reaches all of them; the runner alone acts on it.
    os.killpg(runner.pid, signal.SIGINT)
    output, errors = runner.communicate(timeout=PATIENCE_S)
    assert runner.returncode == 0, errors
    assert json.loads(output.splitlines()[-1])["interrupted"]
    assert "Traceback" not in errors
    wait_until(lambda: gone(family))
    assert list(scratch.glob("splitopt-*")) == [] or all(
        path.name.startswith("splitopt-cores") for path in scratch.glob("splitopt-*")
    )
    rows = rows_of(tmp_path / "out")
    assert 1 <= len(rows) < 90
    assert {(r.jobs, r.jobs_on_machine, r.cluster) for r in rows} == {(2, 2, "local")}
    # More of it can be done without a cluster; rows say which is which.
    done = [row.seed for row in rows]
    rest = run_set(
        document["instances"],
        ["honest"],
        tmp_path / "out",
        time_limit_s=60.0,
        plugins=rogues,
        options=document["options"],
        seeds=[*done, next(seed for seed in range(90) if seed not in done)],
    )
    assert (rest.done_before, rest.done_now) == (len(rows), 1)
    assert rest.verdicts == {"right": len(rows) + 1}
    both = {(r.jobs, r.cluster) for r in rows_of(tmp_path / "out")}
    assert both == {(2, "local"), (1, None)}
    assert "runs at a time" in text_tables(tmp_path / "out")


def answer(port, context=None):
    """Return what a port answers to Dask's own greeting."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as raw,
        raw if context is None else context.wrap_socket(raw) as stranger,
    ):
        stranger.sendall(b"\x08" + bytes(23))
        return stranger.recv(64)


def turned_away(port):
    """Hold a port to let nobody in who comes in the open, without a key or with another."""
    from distributed import Security

    with contextlib.suppress(ConnectionError):
        assert answer(port)[:1] in (b"", b"\x15")  # the end, or an alert of TLS
    without = ssl.create_default_context()
    another = Security.temporary().get_connection_args("client")["ssl_context"]
    for context in (without, another):
        # A stranger would not mind whom it speaks to.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with pytest.raises((ssl.SSLError, ConnectionError)):
            answer(port, context)


def net_connections(process):
    with contextlib.suppress(psutil.Error):
        listed = getattr(process, "net_connections", None) or process.connections
        return listed("inet")
    return []


def test_a_run_that_costs_its_worker_every_time_is_given_up(
    tmp_path, rogues, instance_file, monkeypatch
):
    """A method that kills its worker's process: the others are done, it is named."""
    for module in ("losses", "work"):
        monkeypatch.setattr(f"splitopt.bench.runs.cluster.{module}.MOST_LOSSES", 2)
    summary = run_set(
        [instance_file()],
        ["assassin", "honest"],
        tmp_path / "out",
        time_limit_s=60.0,
        plugins=rogues,
        cluster=read_cluster("local:1"),
    )
    assert summary.verdicts == {"not claimed": 1, "right": 1}
    by = {row.method: row for row in rows_of(tmp_path / "out")}
    assert by["assassin"].termination == "crashed"
    assert by["assassin"].detail == "its worker was lost, 2 times in a row"


# -- job queues ----------------------------------------------------------------------------------


def test_slurm_through_dask_jobqueue(tmp_path, rogues, instance_file, monkeypatch):
    """Slurm's commands are stood in for; dask-jobqueue, its script and the workers are real."""
    pytest.importorskip("dask_jobqueue")
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in ("sbatch", "scancel"):
        text = (PLUGINS / "fake_sbatch.py").read_text()
        (commands / name).write_text(f"#!{sys.executable}\n{text}")
        (commands / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PLUGINS), *sys.path]))
    options = tmp_path / "slurm.yaml"
    options.write_text(
        "queue: short\naccount: lab\ncores: 1\nmemory: 1GiB\nwalltime: '00:10:00'\n"
        f"interface: lo\nlocal_directory: {tmp_path}\n"
    )
    spec = read_cluster("slurm:1", options)
    assert (spec.kind, spec.workers, spec.expected_jobs) == ("slurm", 1, 1)
    monkeypatch.setattr("splitopt.bench.runs.cluster.jobs._GONE_S", 0.2)
    monkeypatch.chdir(tmp_path)
    files = tmp_path / "out" / "cluster"
    private, listening = [], []

    def on_event(event):
        if event.kind == "finished" and event.done == 1:
            private.extend(files.glob("tls-*/*.pem"))
            job = psutil.Process(int((commands / "jobs").read_text()))
            listening.extend(
                connection.laddr.ip
                for process in [psutil.Process(), job, *job.children(recursive=True)]
                for connection in net_connections(process)
                if connection.status == psutil.CONN_LISTEN
            )
            # As at a walltime: the job is gone, and a run with it or not.
            os.killpg(int((commands / "jobs").read_text()), signal.SIGKILL)

    summary = run_set(
        [instance_file()],
        ["honest"],
        tmp_path / "out",
        time_limit_s=60.0,
        seeds=range(3),
        plugins=rogues,
        options={"honest": {"pause": 0.3}},
        cluster=spec,
        on_event=on_event,
    )
    assert summary.verdicts == {"right": 3}
    # Its files are with the results, and the credentials are no more.
    assert len(list(files.glob("splitopt-*.sh"))) == 2
    assert len(private) == 2
    # The scheduler, a worker and its nanny, and no pages.
    assert listening == ["127.0.0.1"] * 3
    assert not any(path.exists() for path in private)
    assert not list(tmp_path.glob("*.out"))
    script = (commands / "script").read_text()
    assert f"#SBATCH -o {files}/splitopt-%J.out" in script
    assert f"--tls-key {private[0].parent}/key.pem" in script
    assert "tls://127.0.0.1:" in script
    assert "tcp://" not in script
    assert "#SBATCH -p short" in script
    assert "#SBATCH -A lab" in script
    # A job starts in the folder it was submitted from, and imports no module from there.
    assert f"{sys.executable} -P -m distributed.cli.dask_worker" in script
    calls = (commands / "calls").read_text().split()
    assert calls.count("sbatch") == 2  # one was lost
    assert calls.count("scancel") == 2
    assert {row.cluster for row in rows_of(tmp_path / "out")} == {"slurm"}


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("local", None, "local:N, tcp://HOST:PORT"),
        ("local:0", None, "local:N"),
        ("local:9999", None, "local:N"),
        ("somewhere:4", None, "local:N"),
        ("localhost:8786", None, "local:N"),
        ("tcp://host", None, "local:N"),
        ("tcp://host:99999", None, "local:N"),
        ("tcp://a b:1", None, "local:N"),
        ("slurm", None, "slurm:4"),
        ("slurm:4", None, "cores and memory"),
        ("slurm:4", {"cores": 0, "memory": "1GB"}, "cores: 0"),
        ("local:2", {"queue": "x"}, "queue"),
        ("tcp://127.0.0.1:1", {"tls_ca_file": "x"}, "tls_ca_file"),
        ("tls://h:1", {"tls_ca_file": 7}, "tls_ca_file"),
        ("slurm:4", [1], "names and values"),
    ],
)
def test_a_cluster_that_cannot_be_is_one_line(tmp_path, text, options, says):
    path = None
    if options is not None:
        path = tmp_path / "options.json"
        path.write_text(json.dumps(options))
    with pytest.raises(InputError) as caught:
        read_cluster(text, path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_of_a_queue_from_json_and_yaml(tmp_path):
    (tmp_path / "a.json").write_text('{"cores": 4, "memory": "8GB", "jobs": 3}')
    (tmp_path / "a.yaml").write_text("cores: 4\nmemory: 8GB\njobs: 3\n")
    (tmp_path / "bad.yaml").write_text("a: [")
    (tmp_path / "evil.yaml").write_text("!!python/object/apply:os.system ['touch x']")
    one, other = (read_cluster("slurm", tmp_path / f"a.{kind}") for kind in ("json", "yaml"))
    assert one == other
    assert (one.workers, one.options, one.expected_jobs) == (3, {"cores": 4, "memory": "8GB"}, 12)
    for name in ("bad.yaml", "evil.yaml", "missing.yaml"):
        with pytest.raises(InputError) as caught:
            read_cluster("slurm:1", tmp_path / name)
        assert "\n" not in str(caught.value)


def options_of(tmp_path, text):
    path = tmp_path / "slurm.yaml"
    path.write_text(f"cores: 2\nmemory: 1GiB\n{text}\n")
    return {
        name: value
        for name, value in read_cluster("slurm:1", path).options.items()
        if name not in ("cores", "memory")
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # YAML 1.1 makes 43200 of it, which Slurm takes as minutes: a month.
        ("walltime: 12:00:00", "12:00:00"),
        ("account: 0123", "0123"),  # 83 in octal
        ("queue: no", "no"),  # False
        ("account: 1_000", "1_000"),
        ("job_mem: 1e3", "1e3"),
        ("log_directory: ~", "~"),  # null
        ("account: 2026-01-02", "2026-01-02"),  # a date
        ("processes: 8", 8),
        ("nanny: false", False),
        ("job_extra_directives: [--gres=gpu:1, 12:30]", ["--gres=gpu:1", "12:30"]),
        ("scheduler_options: {port: 0, interface: ib0}", {"port": 0, "interface": "ib0"}),
    ],
)
def test_yaml_scalars_are_what_is_written(tmp_path, text, value):
    assert options_of(tmp_path, text) == {text.split(":")[0]: value}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("job_extra_directives: --gres=gpu:1", "a list of texts"),
        ("processes: 010", "an integer >= 1"),
        ("processes: 1.5", "an integer >= 1"),
        ("nanny: no", "true or false"),
        ("queue: [a, b]", "a text"),
        ("queue: a\nqueue: b", "give each name once"),
        ("a: &x [1]\nb: *x", "an alias or a tag"),
        ("queue: !!int 3", "an alias or a tag"),
        ("a: {a: {a: {a: {a: {a: {a: 1}}}}}}", "flatter"),
        ("? [a]\n: b", "as a word"),
    ],
)
def test_yaml_that_says_something_else_is_refused_in_one_line(tmp_path, text, says):
    with pytest.raises(InputError, match=says) as caught:
        options_of(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_json_options_are_held_to_the_same_kinds(tmp_path):
    path = tmp_path / "slurm.json"
    for name, value, says in (
        ("walltime", 43200, "a text"),
        ("job_extra_directives", "--gres=gpu:1", "a list of texts"),
        ("processes", True, "an integer >= 1"),
    ):
        path.write_text(json.dumps({"cores": 2, "memory": "1GiB", name: value}))
        with pytest.raises(InputError, match=says):
            read_cluster("slurm:1", path)


def test_a_device_is_no_file_of_options(tmp_path):
    path = tmp_path / "endless.yaml"
    path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match="a file or a pipe"):
        read_cluster("slurm:1", path)


def test_a_missing_package_is_one_line(monkeypatch):
    find = __import__("importlib.util").util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "distributed" else find(name)
    )
    with pytest.raises(InputError, match=r"pip install 'splitopt\[cluster\]'"):
        read_cluster("local:2")


def test_no_scheduler_at_the_address_is_one_line(tmp_path, rogues, instance_file, monkeypatch):
    monkeypatch.setattr("splitopt.bench.runs.cluster.connect._CONNECT_S", 0.5)
    with pytest.raises(
        ClusterError, match=r"no Dask scheduler answers at .* within 0.5 s"
    ) as caught:
        run_set(
            [instance_file()],
            ["honest"],
            tmp_path / "out",
            time_limit_s=1.0,
            plugins=rogues,
            cluster=read_cluster("tcp://127.0.0.1:9"),
        )
    assert "\n" not in str(caught.value)


def test_the_plan_reckons_with_the_workers(rogues, instance_file):
    settings = {"time_limit_s": 10.0, "grace_s": 2.0, "plugins": rogues, "seeds": range(8)}
    chosen = plan([instance_file()], ["honest"], cluster=read_cluster("local:4"), **settings)
    assert (chosen.jobs, chosen.worst_case_s) == (4, 8 * 12.0 / 4)


def test_a_worker_without_the_users_module_is_one_line(
    tmp_path, rogues, instance_file, cluster, monkeypatch
):
    spec, _ = cluster
    (tmp_path / "only_here").mkdir()
    shutil.copy(PLUGINS / "rogues.py", tmp_path / "only_here" / "rogues_here.py")
    monkeypatch.syspath_prepend(str(tmp_path / "only_here"))
    with pytest.raises(InputError, match="a module that worker tls://") as caught:
        run_set(
            [instance_file()],
            ["honest"],
            tmp_path / "out",
            time_limit_s=1.0,
            plugins=("rogues_here:METHODS",),
            cluster=spec,
        )
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
