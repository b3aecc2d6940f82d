"""Who gets into a cluster: nobody without the credentials of the call, by no open door."""

import http.server
import json
import os
import socket
import stat
import threading

import pytest

from splitopt.bench.runs.cluster import code, network
from splitopt.bench.runs.cluster.errors import ClusterError
from splitopt.bench.runs.cluster.spec import ClusterSpec, read_cluster
from splitopt.instances.core.errors import InputError

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

from splitopt.bench.runs.cluster import connect


def test_credentials_are_the_owners_alone_and_go_with_the_call(tmp_path):
    pytest.importorskip("cryptography")
    from splitopt.bench.runs.cluster import credentials

    # What a runner that was killed has left, and what one that lives has.
    host = credentials._host()
    dead, living = tmp_path / f"tls-{host}-4194305-x", tmp_path / f"tls-{host}-{os.getpid()}-x"
    dead.mkdir()
    living.mkdir()
    with credentials.temporary_credentials(tmp_path) as security:
        (made,) = [path for path in tmp_path.iterdir() if path != living]
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
        files = sorted(made.iterdir())
        assert [path.name for path in files] == ["certificate.pem", "key.pem"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        assert security.require_encryption
        assert security.get_connection_args("client")["ssl_context"] is not None
    assert list(tmp_path.iterdir()) == [living]


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("tcp://127.0.0.1:8786", True),
        ("tcp://127.1.2.3:8786", True),
        ("tcp://localhost:8786", True),
        ("tcp://[::1]:8786", True),
        ("tcp://10.0.0.1:8786", False),
        ("tcp://head:8786", False),
        ("tcp://localhost.evil.org:8786", False),
        ("tcp://0.0.0.0:8786", False),
        ("tls://head:8786", True),
    ],
)
def test_plain_tcp_stays_on_this_machine_unless_it_is_allowed(text, allowed):
    if allowed:
        assert read_cluster(text).text == text
        return
    with pytest.raises(InputError, match=r"runs code as you.*--allow-unencrypted"):
        read_cluster(text)
    assert read_cluster(text, unencrypted=True).text == text


def test_tls_needs_credentials_that_can_be_read(tmp_path):
    def fail(options):
        with pytest.raises(InputError) as caught:
            connect._credentials(ClusterSpec("tls://head:1", "address", None, options))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "credentials of yours" in fail({})
    assert "credentials of yours" in fail({"tls_ca_file": "x"})
    none = str(tmp_path / "none.pem")
    assert "readable files" in fail({"tls_ca_file": none, "tls_client_cert": none})
    (tmp_path / "bad.pem").write_text("no certificate")
    bad = str(tmp_path / "bad.pem")
    assert "readable files" in fail({"tls_ca_file": bad, "tls_client_cert": bad})


def test_whether_it_is_encrypted_is_no_option_of_a_queue(tmp_path):
    path = tmp_path / "slurm.json"
    for options in (
        {"security": "none"},
        {"protocol": "tcp://"},
        {"scheduler_options": {"protocol": "tcp://"}},
        {"scheduler_options": {"dashboard": True}},
        {"scheduler_options": {"dashboard_address": ":8787"}},
    ):
        path.write_text(json.dumps({"cores": 1, "memory": "1GiB"} | options))
        with pytest.raises(InputError, match="every connection is encrypted"):
            read_cluster("slurm:1", path)


def test_a_scheduler_listens_on_one_interface_that_is_named_or_plain(monkeypatch):
    here = {"lo": "127.0.0.1", "eth0": "10.0.0.1"}
    monkeypatch.setattr(network, "_addresses", lambda: here)
    place = network.listening_place
    assert place(None, {}, None) == {"interface": "eth0"}
    assert place(None, {"interface": "lo"}, None) == {"interface": "lo"}
    assert place("eth0", {"interface": "lo"}, None) == {"interface": "eth0"}
    assert place(None, {"interface": "lo", "scheduler_options": {"interface": "eth0"}}, "lo") == {
        "interface": "eth0"
    }
    assert place(None, {"scheduler_options": {"host": "10.0.0.1"}}, None) == {"host": "10.0.0.1"}
    for host in ("0.0.0.0", "::", "[::]", "", "tls://0.0.0.0", "*"):
        with pytest.raises(InputError, match="one address of this machine"):
            place(None, {"scheduler_options": {"host": host}}, None)
    with pytest.raises(InputError, match="up and has an IPv4 address: lo, eth0"):
        place("eth1", {}, None)
    here["ib0"] = "10.1.0.1"
    with pytest.raises(InputError, match=r"eth0 \(10.0.0.1\), ib0 \(10.1.0.1\).*--interface"):
        place(None, {}, None)


def test_other_code_of_the_same_version_is_told_by_its_files():
    own = code.own_code()
    assert {"bench/runs/work.py", "instances/judge.py", "face/__init__.py"} <= own.keys()
    assert code.difference(own, dict(own)) is None
    other = dict(own) | {"bench/runs/work.py": "0" * 16, "bench/new.py": "1" * 16}
    del other["instances/judge.py"]
    assert code.difference(own, other) == (
        "different: bench/runs/work.py; here alone: instances/judge.py; there alone: bench/new.py"
    )


def test_many_other_files_are_a_number():
    here, there = {"a": "1", "b": "1", "c": "1"}, {"a": "2", "b": "2", "c": "2"}
    assert code.difference(here, there) == "different: a and 2 more"


def test_a_worker_with_other_code_of_the_same_version_is_refused(monkeypatch):
    """It says that it has this version, and it has, 60 commits ago."""
    from splitopt.bench.runs.cluster import task, workers

    answer = json.loads(task.introduce(json.dumps({"plugins": [], "folders": []})))
    answer["code"]["instances/judge.py"] = "0" * 16

    class Introduction:
        status = "finished"

        def result(self, timeout):
            return json.dumps(answer)

    class Client:
        pass

    known = workers.Workers(Client(), (), {})
    worker = workers.Worker("w", "host", 1, Introduction())
    with pytest.raises(InputError, match=r"worker tls://w .*other code.*judge\.py.*same commit"):
        known._fits("tls://w", worker)
    del answer["code"]  # from before workers said so
    with pytest.raises(InputError, match=r"other code.*that of the worker is older.*same commit"):
        known._fits("tls://w", worker)
    answer["code"] = code.own_code()
    assert known._fits("tls://w", worker)


@pytest.fixture
def silent():
    """The port of somebody who takes calls and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def pages():
    """The port of a server of pages."""
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("who", ["silent", "pages"])
def test_who_is_no_scheduler_is_one_line_within_a_stated_time(who, request, tmp_path, monkeypatch):
    monkeypatch.setattr(connect, "_CONNECT_S", 1.0)
    spec = read_cluster(f"tcp://127.0.0.1:{request.getfixturevalue(who)}")
    with (
        pytest.raises(
            ClusterError, match=r"no Dask scheduler answers at tcp:.* within 1 s"
        ) as caught,
        connect.connected(spec, tmp_path, 1.0, 1),
    ):
        pass
    assert "\n" not in str(caught.value)
