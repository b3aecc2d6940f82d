"""Methods as `splitopt solve` runs them, and the data model that judges them."""

from __future__ import annotations

from typing import Any

from benchmark_models import cift, mepra
from benchmark_spec import Phase, Spec

from splitopt.instances.core.documents import parse_json
from splitopt.instances.judge import certify, check, evaluate, instance_from_document

CIFT = ("jqodi", "jqodi-exact", "highs-flow", "highs-assignment", "highs-oa", "cpsat", "fin")
MEPRA = ("jqodi", "jqodi-exact", "highs-tangent", "lagrangian", "cpsat", "even-shares", "aco-ear")

INEXACT = ("jqodi", "fin", "even-shares", "aco-ear")


def solve(name: str, instance: Any) -> Any:
    from splitopt.bench.methods.registry import load
    from splitopt.instances.contract.method import Budget

    problem = "mepra" if hasattr(instance, "devices") else "cift"
    method = load(name, problem)
    return method.solve(instance, Budget(time_limit_s=60.0), 0, {})


def ready(name: str, instance: Any) -> tuple[Any, ...]:
    # Imports and compilation belong to the start, not to the solve.
    solve(name, instance)
    return name, instance


def method_spec(problem: str, name: str, size: str, make: Any) -> Spec:
    return Spec(
        f"{problem}-{name}-{size}",
        "methods",
        f"{problem}-methods-{size}",
        size == "small",
        (
            Phase(
                "solve",
                lambda: ready(name, make()),
                solve,
                lambda result: float(result.objective),
                rounds=3,
                optimal=name not in INEXACT,
            ),
        ),
        lambda: make().content_hash,
    )


# -- the data model ----------------------------------------------------------------------------


def read(data: bytes) -> Any:
    return instance_from_document(parse_json(data, "benchmark"))


def written(instance: Any) -> bytes:
    from splitopt.instances.core.documents import canonical

    return canonical(instance.to_document())


_PLANS: dict[tuple[str, str], Any] = {}


def planned(name: str, instance: Any) -> tuple[Any, Any]:
    key = name, instance.content_hash
    if key not in _PLANS:
        _PLANS[key] = solve(name, instance).plan
    return instance, _PLANS[key]


def data_spec(name: str, method: str, small: bool, make: Any) -> Spec:
    # Microseconds need many rounds to say anything.
    rounds = 100 if small else 10
    return Spec(
        f"data-{name}",
        "data",
        f"data-{name}",
        small,
        (
            Phase("read", lambda: (written(make()),), read, rounds=rounds),
            Phase(
                "write",
                lambda: (make(),),
                written,
                lambda found: float(len(found)),
                rounds=rounds,
            ),
            Phase(
                "evaluate",
                lambda: planned(method, make()),
                evaluate,
                lambda found: float(found.objective),
            ),
            Phase("check", lambda: planned(method, make()), check, lambda found: float(len(found))),
            Phase("certify", lambda: planned(method, make()), certify, rounds=3),
        ),
        lambda: make().content_hash,
    )


SPECS = (
    *(method_spec("cift", name, "small", lambda: cift("small")) for name in CIFT),
    *(method_spec("mepra", name, "small", lambda: mepra(12)) for name in MEPRA),
    *(method_spec("cift", name, "large", lambda: cift("large")) for name in CIFT),
    *(method_spec("mepra", name, "large", lambda: mepra(600)) for name in MEPRA),
    data_spec("cift-small", "single-cut", True, lambda: cift("small")),
    data_spec("cift-large", "single-cut", False, lambda: cift("large")),
    data_spec("mepra-small", "even-shares", True, lambda: mepra(12)),
    data_spec("mepra-large", "even-shares", False, lambda: mepra(5_000)),
)
