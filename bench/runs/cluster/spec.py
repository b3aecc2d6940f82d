"""What ``--cluster`` may say, read without importing Dask."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splitopt.instances.core.documents import read_json
from splitopt.instances.core.errors import InputError

__all__ = ["QUEUES", "ClusterSpec", "read_cluster"]

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
    """

    text: str
    kind: str
    workers: int | None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def expected_jobs(self) -> int:
        """Runs at a time to reckon with before any worker is there."""
        if self.workers is None:
            return 1
        return self.workers * int(self.options.get("cores", 1))


def read_cluster(text: str, options: Path | None = None) -> ClusterSpec:
    """Return the cluster that ``--cluster`` and ``--cluster-options`` name.

    Raises
    ------
    InputError
        For a text of another form, options that do not belong to it, or packages that are
        missing.
    """
    wrong = InputError("--cluster", text, ALLOWED, "write local:4, say")
    given = dict(_read_options(options))
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
        spec = ClusterSpec(text, kind, number, given)
    elif (address := _ADDRESS.fullmatch(text)) and 0 < int(address[3]) < 65536:
        spec = ClusterSpec(text, "address", None, given)
    else:
        raise wrong
    _check_options(spec)
    needed = ["distributed"] + (["dask_jobqueue"] if spec.kind in QUEUES else [])
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
        for name in ("cores", "memory"):
            if name not in spec.options:
                raise InputError(
                    "--cluster-options",
                    f"no {name}",
                    f"options of dask-jobqueue's {QUEUES[spec.kind]}, cores and memory among them",
                    'give a file with {"cores": 1, "memory": "4GiB"}, say',
                )
        cores = spec.options["cores"]
        if isinstance(cores, bool) or not isinstance(cores, int) or cores < 1:
            raise InputError("cores", cores, "an integer >= 1", "give the cores of a job")
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


def _read_options(path: Path | None) -> Mapping[str, Any]:
    """Return the object in a JSON or YAML file."""
    if path is None:
        return {}
    found = _read_yaml(path) if path.suffix in (".yaml", ".yml") else read_json(path)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise InputError(
            "--cluster-options", str(path), "a file with names and values", "see docs/running.md"
        )
    return found


def _read_yaml(path: Path) -> Any:
    try:
        import yaml  # comes with distributed
    except ImportError:
        raise InputError(
            "--cluster-options", str(path), "a .json file while PyYAML is missing", "write JSON"
        ) from None
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(
            "--cluster-options", str(path), "a YAML file", " ".join(str(error).split())[:300]
        ) from None
