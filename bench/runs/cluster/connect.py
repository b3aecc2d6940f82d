"""Start a cluster or connect to one, and leave nothing of ours behind."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.bench.runs.cluster.preload import SAFE_PATH
from splitopt.bench.runs.cluster.spec import QUEUES, ClusterSpec
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["connected"]

LOOPBACK = "127.0.0.1"
_CONNECT_S = 15.0


def _quiet() -> int:
    """Keep Dask's own log, which names every lost connection, for those who debug."""
    level = logging.DEBUG if os.environ.get("SPLITOPT_DEBUG") else logging.CRITICAL
    for name in ("distributed", "dask_jobqueue", "tornado", "asyncio"):
        logging.getLogger(name).setLevel(level)
    return level


@contextlib.contextmanager
def connected(spec: ClusterSpec) -> Iterator[Client]:
    """Yield a client of the cluster; what was started for it ends with it.

    Raises
    ------
    InputError
        When there is no scheduler at the address, or the job queue refuses the options.
    """
    import distributed

    level = _quiet()
    with contextlib.ExitStack() as stack:
        if spec.kind == "local":
            target: Any = stack.enter_context(_local(spec, level))
        elif spec.kind in QUEUES:
            target = stack.enter_context(_queue(spec))
        else:
            target = spec.text
        try:
            security = None
            if spec.text.startswith("tls://"):
                security = distributed.Security(require_encryption=True, **spec.options)
            client = distributed.Client(
                target,
                timeout=_CONNECT_S,
                set_as_default=False,
                security=security,
                name="splitopt",
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                "--cluster",
                spec.text,
                "the address of a Dask scheduler that answers",
                " ".join(str(error).split())[:300] or type(error).__name__,
            ) from None
        stack.callback(_close, client)
        yield client


def _close(client: Client) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        client.close(timeout=5)


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Keep the processes that Dask starts from importing modules of the current folder."""
    if os.environ.get("PYTHONSAFEPATH"):
        yield
        return
    os.environ["PYTHONSAFEPATH"] = SAFE_PATH
    try:
        yield
    finally:
        os.environ.pop("PYTHONSAFEPATH", None)


@contextlib.contextmanager
def _elsewhere() -> Iterator[None]:
    """Take the current folder off the path, which processes that are spawned inherit.

    Workers are told the folder of a plugin later, when ours is imported: an editable install is
    found last of all, after a splitopt.py in that folder.
    """
    kept = list(sys.path)
    sys.path[:] = [entry for entry in kept if Path(entry).resolve() != Path.cwd()]
    try:
        yield
    finally:
        sys.path[:] = kept


@contextlib.contextmanager
def _local(spec: ClusterSpec, level: int) -> Iterator[Any]:
    """Start a scheduler and worker processes here, which listen on the loopback device alone."""
    import dask
    import distributed

    with (
        _safe_path(),
        tempfile.TemporaryDirectory(
            prefix="splitopt-cluster-", ignore_cleanup_errors=True
        ) as folder,
        # A worker that dies is started again. Dask looks once more this long after each death
        # and, should it find the worker dead again just then, never starts another one.
        dask.config.set({"distributed.deploy.lost-worker-timeout": "8760h"}),
    ):
        with _elsewhere():
            cluster = distributed.LocalCluster(
                n_workers=spec.workers,
                threads_per_worker=1,
                processes=True,
                host=LOOPBACK,
                protocol="tcp",
                dashboard_address=f"{LOOPBACK}:0",
                worker_dashboard_address=f"{LOOPBACK}:0",
                # Runs have limits of their own; a worker holds next to nothing.
                memory_limit=0,
                local_directory=folder,
                silence_logs=level,
                preload=["splitopt.bench.runs.cluster.preload"],
            )
        try:
            yield cluster
        finally:
            with contextlib.suppress(OSError, TimeoutError):
                cluster.close(timeout=10)


@contextlib.contextmanager
def _queue(spec: ClusterSpec) -> Iterator[Any]:
    """Have a job queue start workers; the scheduler runs here."""
    import dask

    module = importlib.import_module("dask_jobqueue")
    options = dict(spec.options)
    # One run at a time in each worker process unless asked for otherwise.
    options.setdefault("processes", options["cores"])
    python = options.get("python") or dask.config.get(f"jobqueue.{spec.kind}.python", None)
    options["python"] = f"{python or sys.executable} -P"  # a job starts in the current folder
    options["scheduler_options"] = {
        "dashboard_address": f"{LOOPBACK}:0",
        **options.get("scheduler_options", {}),
    }
    try:
        cluster = getattr(module, QUEUES[spec.kind])(**options)
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise InputError(
            "--cluster-options",
            ", ".join(map(str, spec.options)),
            f"options of dask-jobqueue's {QUEUES[spec.kind]}",
            " ".join(str(error).split())[:300],
        ) from None
    try:
        cluster.scale(jobs=spec.workers)
        yield cluster
    finally:
        with contextlib.suppress(OSError, TimeoutError):
            cluster.close(timeout=20)
