"""What ``--cluster`` may say, read without importing Dask."""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splitopt.bench.runs.cluster.network import is_loopback
from splitopt.bench.runs.cluster.options import check_kind, read_options
from splitopt.instances.core.errors import InputError

# What dask-jobqueue speaks to, with the name of its class.
QUEUES: Mapping[str, str] = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
    "htcondor": "HTCondorCluster",
}
ALLOWED = (
    "local:N, tcp://HOST:PORT, tls://HOST:PORT, or one of "
    + ", ".join(QUEUES)
    + " (slurm:N, or jobs in the options)"
)
TLS = ("tls_ca_file", "tls_client_cert", "tls_client_key")
_COUNTED = re.compile(r"([a-z]+):([0-9]{1,5})")
_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9a-fA-F:.%]+\]|[\w.-]+):([0-9]{1,5})")
# Whether connections are encrypted, and who may look on, is not an option.
_OURS = frozenset({"dashboard", "dashboard_address", "protocol", "security"})
WAIT_S = 120.0
# Jobs may have to queue for hours.
QUEUE_WAIT_S = 86400.0
_MOST_WORKERS = 10_000
_MOST_LOCAL_WORKERS = 256


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """A cluster as it was asked for.

    Attributes
    ----------
    text
        What ``--cluster`` said.
    kind
        ``local``, ``address``, or the name of a job queue; what rows record.
    workers
        Worker processes of a local cluster, jobs of a queue; None for an address.
    options
        From the file of ``--cluster-options``.
    interface
        On which the scheduler of a job queue listens; None leaves it to the options.
    wait_s
        So long the runner waits while there is no worker.
    """

    text: str
    kind: str
    workers: int | None
    options: Mapping[str, Any] = field(default_factory=dict)
    interface: str | None = None
    wait_s: float = WAIT_S

    @property
    def expected_jobs(self) -> int:
        """Runs at a time to reckon with before any worker is there."""
        if self.workers is None:
            return 1
        return self.workers * int(self.options.get("cores", 1))


def read_cluster(
    text: str,
    options: Path | None = None,
    *,
    interface: str | None = None,
    unencrypted: bool = False,
    wait_s: float | None = None,
) -> ClusterSpec:
    """Return the cluster that ``--cluster`` and its options name.

    Parameters
    ----------
    text
        What ``--cluster`` says.
    options
        The file of ``--cluster-options``.
    interface
        Network interface on which the scheduler of a job queue listens.
    unencrypted
        Whether the scheduler at a ``tcp://`` address may be on another machine.
    wait_s
        How long to wait while there is no worker; two minutes by default, a day for a job queue.

    Raises
    ------
    InputError
        For a text of another form, options that do not belong to it, or packages that are
        missing.
    """
    wrong = InputError("--cluster", text, ALLOWED, "write local:4, say")
    given = dict(read_options(options))
    if text in QUEUES:
        number = given.pop("jobs", None)
        if isinstance(number, bool) or not isinstance(number, int):
            raise InputError("--cluster", text, ALLOWED, f"say how many jobs: {text}:4")
        text = f"{text}:{number}"
    if counted := _COUNTED.fullmatch(text):
        kind, number = counted[1], int(counted[2])
        most = _MOST_LOCAL_WORKERS if kind == "local" else _MOST_WORKERS
        if kind not in ("local", *QUEUES) or not 1 <= number <= most:
            raise wrong
    elif (address := _ADDRESS.fullmatch(text)) and 0 < int(address[3]) < 65536:
        kind, number = "address", None
        if address[1] == "tcp" and not (unencrypted or is_loopback(address[2])):
            raise InputError(
                "--cluster",
                text,
                "tls:// with credentials of yours, or tcp:// on this machine: whoever reaches an "
                "unencrypted scheduler, or the network on the way, runs code as you",
                "write tls://, or --allow-unencrypted where nobody else is on that network",
            )
    else:
        raise wrong
    if interface is not None and kind not in QUEUES:
        beside = f"a job queue beside it, which {text} is not"
        raise InputError("--interface", interface, beside, "leave it out")
    wait_s = (QUEUE_WAIT_S if kind in QUEUES else WAIT_S) if wait_s is None else wait_s
    if not 0 < wait_s < math.inf:
        raise InputError("--worker-wait", wait_s, "seconds above 0", "write 600, say")
    spec = ClusterSpec(text, kind, number, given, interface, wait_s)
    _check_options(spec)
    needed = ["distributed"]
    if kind in QUEUES:
        needed.append("dask_jobqueue")
    if kind != "address":
        needed.append("cryptography")  # makes the credentials
    for package in needed:
        if importlib.util.find_spec(package) is None:
            raise InputError(
                "--cluster",
                text,
                f"an installation with {package.replace('_', '-')}",
                "pip install 'splitopt[cluster]'",
            )
    return spec


def _check_options(spec: ClusterSpec) -> None:
    if spec.kind in QUEUES:
        for name, value in spec.options.items():
            check_kind(name, value)
            if name in _OURS or (name == "scheduler_options" and _OURS & value.keys()):
                raise InputError(
                    "--cluster-options",
                    name if name in _OURS else ", ".join(sorted(_OURS & value.keys())),
                    "what is not ours to say: every connection is encrypted, with credentials "
                    "made for this call, and no page is served",
                    "leave it out",
                )
        for name in ("cores", "memory"):
            if name not in spec.options:
                raise InputError(
                    "--cluster-options",
                    f"no {name}",
                    f"options of dask-jobqueue's {QUEUES[spec.kind]}, cores and memory among them",
                    'give a file with {"cores": 1, "memory": "4GiB"}, say',
                )
        return
    allowed = TLS if spec.text.startswith("tls://") else ()
    for name, value in spec.options.items():
        if name not in allowed or not isinstance(value, str):
            raise InputError(
                "--cluster-options",
                name,
                "for tls:// the files " + ", ".join(TLS) + "; for tcp:// and local: none",
                "remove it",
            )
