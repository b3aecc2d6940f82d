"""What the process of one run does: load the method, solve, send what happened.

Messages go to the runner as lines of JSON. Nothing here is trusted by the runner: it reads
with limits, and judges plan and figures itself.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from splitopt.bench.isolation.machine import OurShortageError, lacking
from splitopt.bench.isolation.source import source_hash
from splitopt.bench.isolation.targets import load_target, pick
from splitopt.instances.contract.method import (
    Budget,
    Guarantee,
    Progress,
    Result,
    UnsupportedError,
    read_options,
)
from splitopt.instances.contract.supports import supported
from splitopt.instances.core import kernels
from splitopt.instances.core.errors import InputError
from splitopt.instances.core.printable import printable
from splitopt.instances.judge import plan_from_document
from splitopt.instances.mepra.plan import MepraPlan

if TYPE_CHECKING:
    from splitopt.instances.contract.method import Instance

Send = Callable[[dict[str, Any]], None]
_TEXT = 2000
_VERSION = 100
# Devices; larger plans go to the runner now and then, not with each improvement.
_SMALL_PLAN = 1000
_BETWEEN_LARGE_S = 2.0


def _plain(value: object) -> object:
    """Return `value` as JSON can hold it: methods put all kinds of numbers into statistics."""
    if value is None or isinstance(value, bool | int | str):
        return value
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return str(value)[:_TEXT]
    if not math.isfinite(number):
        return str(number)
    return int(number) if number.is_integer() and not isinstance(value, float) else number


def _figure(value: object, what: str = "", left_out: list[str] | None = None) -> float | None:
    """Return a figure, None where it is no finite number; `left_out` is told of `what` then."""
    if value is None:
        return None
    number = float(value)  # type: ignore[arg-type]
    if math.isfinite(number):
        return number
    if left_out is not None:
        left_out.append(f"{what} {number}")
    return None


def _guarantee(promised: Guarantee, odd: list[str]) -> dict[str, object]:
    def figures(name: str, values: Mapping[str, float]) -> dict[str, object]:
        return {k: _figure(v, f"guarantee.{name}.{k}", odd) for k, v in values.items()}

    return promised.to_document() | {
        "factor": _figure(promised.factor, "guarantee.factor", odd),
        "relaxed_deadlines": figures("relaxed_deadlines", promised.relaxed_deadlines),
        "reference_deadlines": figures("reference_deadlines", promised.reference_deadlines),
    }


def describe_result(result: Result) -> dict[str, Any]:
    """Return what a method gave back as a JSON object."""
    if not isinstance(result, Result):
        raise TypeError(f"the method returned {type(result).__name__}, not a Result")
    odd: list[str] = []
    statistics = {str(k): _plain(v) for k, v in result.statistics.items()}
    document: dict[str, Any] = {
        "termination": str(result.termination),
        "status": str(result.status),
        "plan": None if result.plan is None else result.plan.to_document(),
        "objective": _figure(result.objective, "objective", odd),
        "bound": _figure(result.bound, "bound", odd),
        "guarantee": None if result.guarantee is None else _guarantee(result.guarantee, odd),
        "trajectory": [
            [
                _figure(p.time_s, f"trajectory[{k}].time_s", odd) or 0.0,
                _figure(p.objective, f"trajectory[{k}].objective", odd),
                _figure(p.bound, f"trajectory[{k}].bound", odd),
            ]
            for k, p in enumerate(result.trajectory)
        ],
        "statistics": statistics,
        "runtime_s": _figure(result.runtime_s, "runtime_s", odd),
    }
    if odd:
        # What is unknown is None; a figure that is not finite costs the run no more than itself.
        statistics["left_out"] = ", ".join(odd)[:_TEXT]
    return document


def _guarded(work: Callable[[], None], send: Send) -> None:
    try:
        work()
    except MemoryError:
        send({"kind": "memory"})
    except kernels.KernelsWantedError:
        send({"kind": "kernels"})
    except UnsupportedError as error:
        send({"kind": "unsupported", "reason": " ".join(str(error).split())[:_TEXT]})
    except InputError as error:
        send(
            {
                "kind": "input",
                "field": error.field,
                "value": _plain(error.value),
                "allowed": error.allowed,
                "remedy": error.remedy,
            }
        )
    except BaseException as error:  # whatever a method raises must come back by name
        traceback.print_exc()
        line = " ".join(str(error).split())[:_TEXT]
        lacks = {"lacking": lacking(error), "ours": isinstance(error, OurShortageError)}
        send({"kind": "error", "type": type(error).__name__, "message": line, **lacks})


def _version(method: Any, target: str) -> str | None:
    """Return the version that a method, or else its module or package, gives itself."""
    module = target.partition(":")[0]
    for holder in (sys.modules.get(name) for name in (module, module.partition(".")[0])):
        found = getattr(method, "version", None) or getattr(holder, "__version__", None)
        if isinstance(found, str | int | float):
            return printable(str(found))[:_VERSION]
    return None


def probe(request: Mapping[str, Any], send: Send) -> None:
    """Describe the methods at a target, with the options as they would be read."""

    def work() -> None:
        source = source_hash(request["target"])
        found = load_target(request["target"])
        methods = found if isinstance(found, list | tuple) else [found]
        described = []
        for method in methods:
            entry: dict[str, Any] = {
                "name": str(method.name),
                "problem": getattr(method, "problem", None),
                "kind": str(getattr(method, "kind", "heuristic")),
                "summary": str(getattr(method, "summary", "") or (type(method).__doc__ or ""))
                .strip()
                .split("\n")[0],
                "source": source,
                "version": _version(method, request["target"]),
            }
            if not callable(getattr(method, "solve", None)):
                raise InputError("method", request["target"], "an object with solve()", "check it")
            if request.get("name") in (None, entry["name"]):
                given = request.get("options") or {}
                parameters = getattr(method, "parameters", None)
                entry["options"] = read_options(
                    entry["name"], tuple(method.options), given, parameters
                )
            described.append(entry)
        send({"kind": "description", "methods": described})

    _guarded(work, send)


def solve(request: Mapping[str, Any], instance: Instance, send: Send) -> None:
    """Run the method of `request` on `instance`."""
    heavy_s = 0.0  # no large plan is sent before that

    def on_progress(point: Progress) -> None:
        nonlocal heavy_s
        plan = point.plan
        if isinstance(plan, MepraPlan) and len(plan.splits) > _SMALL_PLAN:
            if point.time_s < heavy_s:
                plan = None
            else:
                heavy_s = point.time_s + _BETWEEN_LARGE_S
        send(
            {
                "kind": "point",
                "time_s": _figure(point.time_s) or 0.0,
                "objective": _figure(point.objective),
                "bound": _figure(point.bound),
                **({} if plan is None else {"plan": plan.to_document()}),
            }
        )

    def work() -> None:
        method = pick(request["target"], request["method"])
        warm_start = request.get("warm_start")
        plan = None if warm_start is None else plan_from_document(warm_start)
        budget = Budget(
            time_limit_s=request["time_limit_s"],
            threads=request["threads"],
            memory_limit_bytes=request["memory_limit_bytes"],
            relative_gap=request["relative_gap"],
            log=request["log"],
        )
        if request.get("prepare") and callable(getattr(method, "prepare", None)):
            method.prepare()
        send({"kind": "started"})
        start = time.perf_counter()
        with kernels.trial() if request.get("trial") else contextlib.nullcontext():
            # On the clock: it sees the instance, and could work on it.
            support = supported(method, instance)
            if not support:
                send({"kind": "unsupported", "reason": str(support.reason)[:_TEXT]})
                return
            result = method.solve(
                instance, budget, request["seed"], request["options"], plan, on_progress
            )
        solve_time_s = time.perf_counter() - start
        document = describe_result(result)
        send({"kind": "result", "solve_time_s": solve_time_s, "document": document})

    _guarded(work, send)


def line_sender(descriptor: int) -> Send:
    """Return a function that writes messages to a descriptor, a line each."""
    stream = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115

    def send(message: dict[str, Any]) -> None:
        data = memoryview(json.dumps(message, allow_nan=False).encode() + b"\n")
        while data:
            data = data[stream.write(data) or 0 :]

    return send


def flush() -> None:
    """Flush what the method printed; a broken pipe is no error here."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
