"""The label kernel, and cspy and HiGHS on the same graphs.

cspy (optional) runs with direction "forward" and its bounds pruning, which beat "both" by far on
graphs of this kind; its own first resource is the number of arcs, which never binds. Loading
counts for nobody but the label kernel, whose time includes reading and checking the arrays. All
have 30 s: an answer that is not there by then is no answer, and the benchmark says so.

Roads are grids of two-way streets with lengths, times and, as a second resource, climbs; limits lie
at a share between the least a path can use and what the shortest path uses. One search of SciPy
over the whole graph stands beside them: what no method can do without. cspy gets the smallest ones.
"""

from __future__ import annotations

import hashlib
import math
from functools import cache
from typing import Any

import numpy as np
from benchmark_spec import Phase, Spec

CAP_S = 30.0
SIZES = {
    "layered": {1_000: (10, 15, 7), 10_000: (20, 50, 10), 100_000: (50, 100, 20)},
    "random": {1_000: (200, 5), 10_000: (2_000, 5), 100_000: (20_000, 5)},
}
SIZES["layered"][1_000_000] = (100, 200, 50)
SIZES["random"][1_000_000] = (200_000, 5)
# Streets each way.
ROADS = {10_000: 51, 100_000: 159, 1_000_000: 501, 2_000_000: 700}
SHARES = (10, 30, 50, 70, 90)


def layered(rng, layers, width, degree):
    starts = 1 + width * np.arange(layers - 1)
    tail = (starts[:, None] + np.arange(width)).ravel().repeat(degree)
    head = tail - (tail - 1) % width + width + rng.integers(0, width, tail.size)
    last = 1 + (layers - 1) * width + np.arange(width)
    target = layers * width + 1
    tail = np.concatenate([np.zeros(width, int), tail, last])
    head = np.concatenate([1 + np.arange(width), head, np.full(width, target)])
    return tail, head, target


def scattered(rng, nodes, degree):
    tail, head = rng.integers(0, nodes, (2, nodes * degree))
    chain = np.concatenate([[0], 1 + rng.permutation(nodes - 2), [nodes - 1]])
    tail[: nodes - 1], head[: nodes - 1] = chain[:-1], chain[1:]
    return tail, head, nodes - 1


@cache
def graph(family: str, arcs: int, resources: int) -> tuple[Any, ...]:
    """Return a graph with costs and uses; resource 0 runs against cost."""
    rng = np.random.default_rng([0, arcs, resources, family == "layered"])
    make = layered if family == "layered" else scattered
    tail, head, target = make(rng, *SIZES[family][arcs])
    # cspy knows no parallel arcs.
    _, first = np.unique(tail.astype(np.int64) * (target + 1) + head, return_index=True)
    keep = np.zeros(tail.size, bool)
    keep[first] = True
    keep &= (tail != head) & (head != 0) & (tail != target)
    tail, head = tail[keep], head[keep]
    cost = rng.uniform(1, 10, tail.size)
    use = rng.uniform(1, 10, (tail.size, resources))
    use[:, 0] = 11 - cost + rng.uniform(0, 5, tail.size)
    return tail, head, cost, use, 0, target


@cache
def instance(family: str, arcs: int, resources: int) -> tuple[Any, ...]:
    """Return the arguments of a call: the graph, and limits that bind."""
    from splitopt.heuristics.labels import constrained_shortest_path

    tail, head, cost, use, source, target = graph(family, arcs, resources)
    cheapest = constrained_shortest_path(tail, head, cost, None, source, target, [])
    most = use[cheapest.arcs].sum(axis=0)
    limits = []
    for k in range(resources):
        least = constrained_shortest_path(tail, head, use[:, k], None, source, target, []).cost
        limits.append(least + 0.4 * max(most[k] - least, 0.5 * least))
    return *graph(family, arcs, resources), np.array(limits)


def fingerprint(family: str, arcs: int, resources: int) -> str:
    """Return a hash of the graph; its limits follow from it."""
    return hashed(graph(family, arcs, resources))


def hashed(parts: tuple[Any, ...]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        array = np.asarray(part)
        digest.update(array.astype("<f8" if array.dtype.kind == "f" else "<i8").tobytes())
    return digest.hexdigest()


def labels(case: tuple[Any, ...], epsilon: float) -> Any:
    from splitopt.heuristics.labels import constrained_shortest_path

    return constrained_shortest_path(*case, epsilon, time_limit_s=CAP_S)


def ready(*key: Any) -> tuple[Any, ...]:
    from splitopt.heuristics.labels import warm_up

    warm_up()
    return instance(*key[:3]), key[3]


def cost_of(result: Any) -> float:
    return math.nan if result.cost is None else float(result.cost)


@cache
def roads(arcs: int, resources: int) -> tuple[Any, ...]:
    """Return a grid of streets: tail, head, length, use, source, target."""
    side = ROADS[arcs]
    rng = np.random.default_rng([0, side, resources])
    node, line = np.arange(side * side).reshape(side, side), np.arange(side)
    # Of 25 parallel streets one is fast and five are faster than the rest.
    speed = np.where(line % 25 == 12, 100.0, np.where(line % 5 == 2, 60.0, 30.0))
    a = np.concatenate([node[:, :-1].ravel(), node[:-1, :].ravel()])
    b = np.concatenate([node[:, 1:].ravel(), node[1:, :].ravel()])
    along = np.concatenate([np.repeat(speed, side - 1), np.tile(speed, side - 1)])
    # Metres and tenths of seconds, whole as maps have them.
    length = np.rint(rng.uniform(100, 300, a.size))
    use = np.empty((a.size, resources))
    use[:, 0] = np.rint(36 * length / (along * rng.uniform(0.5, 1.0, a.size)))
    for k in range(1, resources):
        use[:, k] = np.rint(rng.uniform(0.5, 1.5, a.size) * length)
    # Ids of 32 bits are taken as they are.
    ends = (np.concatenate(pair).astype(np.int32) for pair in ((a, b), (b, a)))
    return *ends, np.tile(length, 2), np.tile(use, (2, 1)), 0, side * side - 1


@cache
def most_and_least(arcs: int, resources: int) -> tuple[Any, Any]:
    """Return what the shortest path uses, and the path that uses least of all, each against it."""
    from splitopt.heuristics.labels import constrained_shortest_path

    tail, head, cost, use, source, target = roads(arcs, resources)
    cheapest = constrained_shortest_path(tail, head, cost, None, source, target, [])
    most = use[cheapest.arcs].sum(axis=0)
    least = constrained_shortest_path(tail, head, use @ (1 / most), None, source, target, [])
    return most, use[least.arcs].sum(axis=0)


def road_instance(arcs: int, resources: int, share: int) -> tuple[Any, ...]:
    most, least = most_and_least(arcs, resources)
    return *roads(arcs, resources), np.floor(least + share / 100 * (most - least))


def road_hash(arcs: int, resources: int) -> str:
    return hashed(roads(arcs, resources))


# -- rivals ------------------------------------------------------------------------------------


def load_cspy(case: tuple[Any, ...]) -> Any:
    import cspy
    import networkx

    tail, head, cost, use, source, target, limits = case
    resources = len(limits)
    graph = networkx.DiGraph(directed=True, n_res=resources + 1)
    names = {source: "Source", target: "Sink"}
    for e, (u, v) in enumerate(zip(tail.tolist(), head.tolist(), strict=True)):
        graph.add_edge(
            names.get(u, u), names.get(v, v), weight=cost[e], res_cost=np.append(1.0, use[e])
        )
    return cspy.BiDirectional(
        graph,
        max_res=[float(graph.number_of_nodes()), *limits.tolist()],
        min_res=[0.0] * (resources + 1),
        direction="forward",
        bounds_pruning=True,
        time_limit=CAP_S,
    )


def run_cspy(solver: Any) -> float:
    solver.run()
    # Without a path it returns the source alone, at cost 0.
    path = solver.path
    return float(solver.total_cost) if path and path[-1] == "Sink" else math.nan


def load_highs(case: tuple[Any, ...]) -> Any:
    import highspy
    from scipy import sparse

    tail, head, cost, use, source, target, limits = case
    m, resources = tail.size, len(limits)
    ends = np.concatenate([tail, head])
    signs = np.concatenate([np.ones(m), -np.ones(m)])
    flow = sparse.csc_matrix((signs, (ends, np.tile(np.arange(m), 2))), shape=(target + 1, m))
    rows = sparse.vstack([flow, sparse.csc_matrix(use.T)]).tocsc()
    supply = np.zeros(target + 1)
    supply[source], supply[target] = 1.0, -1.0
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = m, rows.shape[0]
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, np.zeros(m), np.ones(m)
    lp.row_lower_ = np.concatenate([supply, np.full(resources, -np.inf)])
    lp.row_upper_ = np.concatenate([supply, limits])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = rows.indptr, rows.indices
    lp.a_matrix_.value_ = rows.data
    lp.integrality_ = [highspy.HighsVarType.kInteger] * m
    solver = highspy.Highs()
    solver.silent()
    for name, value in (("threads", 1), ("time_limit", CAP_S), ("mip_rel_gap", 0.0)):
        solver.setOptionValue(name, value)
    solver.passModel(lp)
    return solver


def run_highs(solver: Any) -> float:
    import highspy

    solver.run()
    proved = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return float(solver.getInfo().objective_function_value) if proved else math.nan


def load_dijkstra(arcs: int) -> Any:
    from scipy.sparse import csr_matrix

    tail, head, cost, _, _, target = roads(arcs, 1)
    return csr_matrix((cost, (tail, head)), shape=(target + 1, target + 1))


def run_dijkstra(matrix: Any) -> float:
    from scipy.sparse.csgraph import dijkstra

    return float(dijkstra(matrix, indices=0)[-1])


def specs(family: str, arcs: int, resources: int) -> tuple[Spec, ...]:
    key = (family, arcs, resources)
    group = f"labels-{family}-{arcs}-K{resources}"

    def spec(route: str, phase: Phase, *needs: str) -> Spec:
        # HiGHS and cspy take long: one graph is enough for a smoke.
        small = arcs == 1_000 and (
            route.startswith("labels") or (family == "random" and resources == 2)
        )
        name = f"{group}-{route}"
        return Spec(name, "kernels", group, small, (phase,), lambda: fingerprint(*key), needs)

    return (
        spec("labels", Phase("solve", lambda: ready(*key, 0.0), labels, cost_of)),
        spec(
            "labels-1pc",
            Phase("solve", lambda: ready(*key, 0.01), labels, cost_of, optimal=False),
        ),
        spec(
            "highs",
            Phase("solve", lambda: (load_highs(instance(*key)),), run_highs, float, rounds=1),
        ),
        spec(
            "cspy",
            Phase("solve", lambda: (load_cspy(instance(*key)),), run_cspy, float, rounds=1),
            "cspy",
            "networkx",
        ),
    )


def road_specs(arcs: int, resources: int, share: int) -> tuple[Spec, ...]:
    case = (arcs, resources, share)
    group = f"labels-roads-{arcs}-K{resources}-{share}pc"

    def spec(route: str, phase: Phase, *needs: str) -> Spec:
        small = arcs == 10_000 and share == 50 and route == "labels"
        name = f"{group}-{route}"
        return Spec(name, "kernels", group, small, (phase,), lambda: road_hash(*case[:2]), needs)

    def ready_roads() -> tuple[Any, ...]:
        from splitopt.heuristics.labels import warm_up

        warm_up()
        return road_instance(*case), 0.0

    made = [spec("labels", Phase("solve", ready_roads, labels, cost_of))]
    if share == 50:
        # Each search takes as long, whatever the limits.
        one = Phase("solve", lambda: (load_dijkstra(arcs),), run_dijkstra, None)
        made.append(spec("dijkstra", one))
    if arcs == 10_000:
        one = Phase("solve", lambda: (load_cspy(road_instance(*case)),), run_cspy, float, rounds=1)
        made.append(spec("cspy", one, "cspy", "networkx"))
    return tuple(made)


SPECS = tuple(
    spec
    for family in SIZES
    for arcs in SIZES[family]
    for resources in (1, 2)
    for spec in specs(family, arcs, resources)
) + tuple(
    spec
    for arcs in ROADS
    for resources in (1, 2)
    for share in SHARES
    for spec in road_specs(arcs, resources, share)
)
