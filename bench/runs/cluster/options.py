"""The options of a cluster as a file gives them: JSON or YAML, each value of its kind."""

from __future__ import annotations

import importlib
import re
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from splitopt.instances.core.documents import read_bytes, read_json
from splitopt.instances.core.errors import InputError

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


def job_queue_module() -> Any:
    """Import dask-jobqueue, and leave signals as they are.

    Its import alone (0.9) makes Ctrl-C end the process at once, with exit code 0.
    """
    if threading.current_thread() is not threading.main_thread():
        return importlib.import_module("dask_jobqueue")
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return importlib.import_module("dask_jobqueue")
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def check_kind(name: str, value: object) -> None:
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
            check_kind(inner, found)
    elif name not in _WHOLE | _FLAGS | _LISTS and not isinstance(value, str):
        remedy = f"write {str(value)!r}" if isinstance(value, int | float) else "write a text"
        raise InputError(name, value, "a text", remedy)


def read_options(path: Path | None) -> Mapping[str, Any]:
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
