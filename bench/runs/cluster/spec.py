"""What ``--cluster`` may say, read without importing Dask."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splitopt.instances.core.documents import read_bytes, read_json
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
# What the classes of dask-jobqueue 0.9 make of their options; all others are texts.
_WHOLE = frozenset({"cores", "processes", "jobs", "job_cpu", "ncpus", "mem", "port"})
_FLAGS = frozenset({"nanny", "use_stdin", "dashboard"})
_LISTS = frozenset(
    {
        "extra",
        "worker_extra_args",
        "job_extra",
        "job_extra_directives",
        "env_extra",
        "job_script_prologue",
        "header_skip",
        "job_directives_skip",
        "submit_command_extra",
        "cancel_command_extra",
    }
)
_TABLES = frozenset({"scheduler_options"})
_LARGEST_YAML = 1 << 20
_DEEPEST = 5
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
        for name, value in spec.options.items():
            _check_kind(name, value)
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


def _check_kind(name: str, value: object) -> None:
    """Hold an option of a job queue to the kind of value that dask-jobqueue makes of it."""
    least = 0 if name == "port" else 1
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= least
    if name in _WHOLE and not whole:
        remedy = "write its digits, no 0 in front"
        raise InputError(name, value, f"an integer >= {least}", remedy)
    if name in _FLAGS and not isinstance(value, bool):
        raise InputError(name, value, "true or false", "write one of the two")
    if name in _LISTS and not (isinstance(value, list) and all(isinstance(x, str) for x in value)):
        raise InputError(name, value, "a list of texts", f"write [{value!r}]")
    if name in _TABLES:
        if not isinstance(value, dict):
            raise InputError(name, value, "names and values", "see docs/running.md")
        for inner, found in value.items():
            _check_kind(inner, found)
    elif name not in _WHOLE | _FLAGS | _LISTS and not isinstance(value, str):
        remedy = f"write {str(value)!r}" if isinstance(value, int | float) else "write a text"
        raise InputError(name, value, "a text", remedy)


def _read_options(path: Path | None) -> Mapping[str, Any]:
    """Return the object in a JSON or YAML file."""
    if path is None:
        return {}
    found = _read_yaml(path) if path.suffix in (".yaml", ".yml") else read_json(path)
    if not isinstance(found, dict):
        raise InputError(
            "--cluster-options", str(path), "a file with names and values", "see docs/running.md"
        )
    return found


def _read_yaml(path: Path) -> Any:
    """Return what a YAML file holds, its scalars as they are written.

    YAML 1.1, which PyYAML reads, makes 43200 of 12:00:00, 83 of 0123 and False of no. So a scalar
    is a text, and one that stands where a number or a switch belongs is read as one.
    """
    try:
        import yaml  # comes with distributed
    except ImportError:
        raise InputError(
            "--cluster-options", str(path), "a .json file while PyYAML is missing", "write JSON"
        ) from None

    def refuse(node: yaml.Node, found: object, remedy: str) -> InputError:
        where = f"{path.name} line {node.start_mark.line + 1}"
        return InputError(where, found, "names, texts, numbers and lists of them", remedy)

    def value_of(node: yaml.Node, name: str, depth: int = 0) -> object:
        if depth > _DEEPEST:
            raise refuse(node, "levels in levels", "write it flatter")
        if isinstance(node, yaml.ScalarNode):
            return _meant(name, node.value)
        if isinstance(node, yaml.SequenceNode):
            return [value_of(each, "", depth + 1) for each in node.value]
        found: dict[str, object] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in found:
                raise refuse(key, str(key.value), "give each name once, as a word")
            found[key.value] = value_of(value, key.value, depth + 1)
        return found

    try:
        text = read_bytes(path, _LARGEST_YAML).decode("utf-8")
        for event in yaml.parse(text, yaml.BaseLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None):
                raise InputError(
                    f"{path.name} line {event.start_mark.line + 1}",
                    "an alias or a tag",
                    "plain values",
                    "write the value out",
                )
        node = yaml.compose(text, yaml.BaseLoader)
    except InputError:
        raise
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(
            "--cluster-options", str(path), "a YAML file", " ".join(str(error).split())[:300]
        ) from None
    return {} if node is None else value_of(node, "")


def _meant(name: str, text: str) -> object:
    """Return a scalar as what its name calls for: a whole number, a switch, or the text."""
    if name in _WHOLE and re.fullmatch("0|[1-9][0-9]{0,17}", text):
        return int(text)
    if name in _FLAGS and text in ("true", "false"):
        return text == "true"
    return text
