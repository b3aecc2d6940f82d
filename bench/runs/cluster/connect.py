"""Start a cluster or connect to one, and leave nothing of ours behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitopt.bench.isolation.scratch import scratch
from splitopt.bench.runs.cluster.credentials import temporary_credentials
from splitopt.bench.runs.cluster.errors import ClusterError
from splitopt.bench.runs.cluster.jobs import JobPool, in_folder
from splitopt.bench.runs.cluster.network import LOOPBACK, listening_place
from splitopt.bench.runs.cluster.options import job_queue_module
from splitopt.bench.runs.cluster.pool import LocalPool, Pool, worker_arguments
from splitopt.bench.runs.cluster.spec import QUEUES, TLS, ClusterSpec
from splitopt.bench.runs.cluster.walltime import JOB_BEGAN, JOB_WALLTIME, walltime_s
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from distributed import Client, Security

_CONNECT_S = 15.0


def _quiet() -> int:
    """Keep Dask's own log, which names every lost connection, for those who debug."""
    level = logging.DEBUG if os.environ.get("SPLITOPT_DEBUG") else logging.CRITICAL
    for name in ("distributed", "dask_jobqueue", "tornado", "asyncio"):
        logging.getLogger(name).setLevel(level)
    return level


@contextlib.contextmanager
def connected(
    spec: ClusterSpec, out: Path, needed_s: float, left: int
) -> Iterator[tuple[Client, Pool]]:
    """Yield a client of the cluster and what provides its workers; both end with it.

    Parameters
    ----------
    out
        Folder of the results; what a job queue reads and writes lies in ``cluster`` below it.
    needed_s
        What a worker must have left of its walltime to be given a run.
    left
        Runs to do.

    Raises
    ------
    InputError
        When credentials, an interface or options are wrong.
    ClusterError
        When no scheduler answers at the address, or the job queue takes no job.
    """
    level = _quiet()
    with contextlib.ExitStack() as stack:
        if spec.kind == "local":
            target, security, pool = stack.enter_context(_local(spec, level))
        elif spec.kind in QUEUES:
            folder = out / "cluster"
            target, security, pool = stack.enter_context(
                _queue(spec, level, folder, needed_s, left)
            )
        else:
            target, security, pool = spec.text, _credentials(spec), Pool()
        client = _client(spec, target, security)
        stack.callback(_close, client)
        yield client, pool


def _client(spec: ClusterSpec, target: Any, security: Security | None) -> Client:
    import distributed

    try:
        if isinstance(target, str):
            with ThreadPoolExecutor(1) as other:  # a notebook has a loop in this thread
                other.submit(asyncio.run, _greet(target, security)).result()
        return distributed.Client(
            target,
            timeout=_CONNECT_S,
            set_as_default=False,
            security=security,
            name="splitopt",
        )
    except Exception as error:
        # Whatever answers there, Dask has a name for it, or falls over it.
        reason = " ".join(str(error).split())[:300] or "who is there does not speak as one"
        raise ClusterError(
            f"no Dask scheduler answers at {spec.text} within {_CONNECT_S:g} s: {reason}"
        ) from None


async def _greet(address: str, security: Security | None) -> None:
    """Exchange Dask's greetings with who is at an address.

    Its client waits for them without end, however short its time limit.
    """
    from distributed.comm import connect

    more = {} if security is None else security.get_connection_args("client")
    comm = await asyncio.wait_for(connect(address, timeout=_CONNECT_S, **more), _CONNECT_S)
    comm.abort()


def _credentials(spec: ClusterSpec) -> Security | None:
    """Return the user's own credentials for ``tls://``, from options or from Dask's config."""
    import distributed

    if not spec.text.startswith("tls://"):
        return None
    security = distributed.Security(require_encryption=True, **spec.options)
    if not (security.tls_ca_file and security.tls_client_cert):
        raise InputError(
            "--cluster",
            spec.text,
            "a tls:// address with credentials of yours",
            f"give a file with {', '.join(TLS)} as --cluster-options, or set "
            "distributed.comm.tls in Dask's own configuration",
        )
    try:
        security.get_connection_args("client")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise InputError(
            "--cluster-options",
            ", ".join(filter(None, (security.tls_ca_file, security.tls_client_cert))),
            "readable files of a certificate and its key, in PEM",
            " ".join(str(error).split())[:300],
        ) from None
    return security


def _close(client: Client) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        client.close(timeout=5)


@contextlib.contextmanager
def _ending(cluster: Any) -> Iterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(OSError, TimeoutError):
            cluster.close(timeout=10)


@contextlib.contextmanager
def _local(spec: ClusterSpec, level: int) -> Iterator[tuple[Any, Security, Pool]]:
    """Start a scheduler and worker processes here, which listen on the loopback device alone."""
    import distributed

    from splitopt.bench.runs.cluster.daemons import QuietScheduler

    assert spec.workers is not None
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(scratch()))
        security = stack.enter_context(temporary_credentials(place))
        options = {"host": LOOPBACK, "port": 0, "protocol": "tls://", "security": security}
        cluster = distributed.SpecCluster(
            scheduler={"cls": QuietScheduler, "options": options | {"dashboard": False}},
            security=security,
            silence_logs=level,
        )
        stack.enter_context(_ending(cluster))
        files = security.get_tls_config_for_role("worker")
        pool = LocalPool(
            spec.workers,
            cluster.scheduler.address,
            [
                part
                for name in ("ca_file", "cert", "key")
                for part in (f"--tls-{name.replace('_', '-')}", files[name])
            ],
            place,
        )
        # The scheduler ends first, and with it workers in order.
        stack.callback(pool.close)
        stack.enter_context(_ending(cluster))
        yield cluster, security, pool


@contextlib.contextmanager
def _queue(
    spec: ClusterSpec, level: int, folder: Path, needed_s: float, left: int
) -> Iterator[tuple[Any, Security, Pool]]:
    """Have a job queue start workers; the scheduler runs here."""
    import dask

    from splitopt.bench.runs.cluster.daemons import QuietScheduler

    module = job_queue_module()
    configured = dask.config.get(f"jobqueue.{spec.kind}.interface", None)
    place = listening_place(spec.interface, spec.options, configured)
    cls = getattr(module, QUEUES[spec.kind])
    folder = folder.resolve()
    made = [folder] if folder.parent.is_dir() else [folder, folder.parent]
    folder.mkdir(parents=True, exist_ok=True)
    shared = spec.options.get("shared_temp_directory")
    with contextlib.ExitStack() as stack:
        stack.callback(_remove_empty, made)
        where = folder if shared is None else Path(os.path.expandvars(shared)).expanduser()
        if not where.is_dir():
            raise InputError(
                "shared_temp_directory", shared, "a folder", "make it, or leave it out"
            )
        security = stack.enter_context(temporary_credentials(where))
        try:
            # Its warnings are of names that it has changed.
            with warnings.catch_warnings(action="ignore"):
                cluster = cls(
                    **_job_options(spec, folder),
                    scheduler_options=dict(spec.options.get("scheduler_options", {}))
                    | {"interface": None, "dashboard": False}
                    | place,
                    scheduler_cls=QuietScheduler,
                    job_cls=in_folder(cls.job_cls, folder),
                    security=security,
                    silence_logs=level,
                )
        except (TypeError, ValueError, OSError, RuntimeError) as error:
            raise InputError(
                "--cluster-options",
                ", ".join(map(str, spec.options)),
                f"options of dask-jobqueue's {QUEUES[spec.kind]}",
                " ".join(str(error).split())[:300],
            ) from None
        stack.enter_context(_ending(cluster))
        pool = JobPool(cluster, spec, folder, needed_s, left)
        stack.callback(pool.close)
        yield cluster, security, pool


def _job_options(spec: ClusterSpec, folder: Path) -> dict[str, Any]:
    """Return what dask-jobqueue is told of the jobs."""
    import dask

    def configured(name: str) -> Any:
        return dask.config.get(f"jobqueue.{spec.kind}.{name}", None)

    options = {k: v for k, v in spec.options.items() if k != "scheduler_options"}
    # One run at a time in each worker process unless asked for otherwise.
    options.setdefault("processes", options["cores"])
    python = options.get("python") or configured("python")
    options["python"] = f"{python or sys.executable} -P"  # a job starts in the current folder
    options.setdefault("log_directory", configured("log-directory") or str(folder))
    options.setdefault("job_name", "splitopt")
    extra = options.get("worker_extra_args") or configured("worker-extra-args") or []
    options["worker_extra_args"] = [*worker_arguments(), *extra]
    walltime = walltime_s(spec)
    if walltime is not None:
        prologue = options.get("job_script_prologue") or configured("job-script-prologue") or []
        options["job_script_prologue"] = [
            f"export {JOB_BEGAN}=$(date +%s) {JOB_WALLTIME}={walltime:g}",
            *prologue,
        ]
    return options


def _remove_empty(folders: Sequence[Path]) -> None:
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()
