"""The label kernel against cspy and HiGHS on the same graphs; run with pytest-benchmark.

    pytest tests/heuristics/benchmark_labels.py --benchmark-enable --benchmark-only

cspy (optional) runs with direction "forward" and its bounds pruning, which beat "both" by far on
graphs of this kind; its own first resource is the number of arcs, which never binds. Its time limit
and that of HiGHS are 30 s: a run that has no answer by then is censored, marked so in
``extra_info``, and its time is a lower bound. Loading counts for nobody but the label kernel, whose
time includes reading and checking the arrays.
"""

from __future__ import annotations

import numpy as np
import pytest

from heuristics.labels import constrained_shortest_path, warm_up

CAP_S = 30.0
SIZES = {
    "layered": {1_000: (10, 15, 7), 10_000: (20, 50, 10), 100_000: (50, 100, 20)},
    "random": {1_000: (200, 5), 10_000: (2_000, 5), 100_000: (20_000, 5)},
}
SIZES["layered"][1_000_000] = (100, 200, 50)
SIZES["random"][1_000_000] = (200_000, 5)


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


def instance(family, arcs, resources, seed=0):
    """Return the arguments of a call; resource 0 runs against cost, the limits bind."""
    rng = np.random.default_rng([seed, arcs, resources, family == "layered"])
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
    cheapest = constrained_shortest_path(tail, head, cost, None, 0, target, [])
    most = use[cheapest.arcs].sum(axis=0)
    limits = []
    for k in range(resources):
        least = constrained_shortest_path(tail, head, use[:, k], None, 0, target, []).cost
        limits.append(least + 0.4 * max(most[k] - least, 0.5 * least))
    return tail, head, cost, use, 0, target, np.array(limits)


CASES = [
    pytest.param(family, arcs, resources, id=f"{family}-{arcs}-K{resources}")
    for family in SIZES
    for arcs in SIZES[family]
    for resources in (1, 2)
]


@pytest.mark.parametrize(("family", "arcs", "resources"), CASES)
@pytest.mark.parametrize("epsilon", [0.0, 0.01])
def test_labels(benchmark, family, arcs, resources, epsilon):
    case = instance(family, arcs, resources)
    warm_up()
    result = benchmark(lambda: constrained_shortest_path(*case, epsilon, time_limit_s=CAP_S))
    benchmark.extra_info["cost"] = result.cost
    benchmark.extra_info["bound"] = result.bound
    benchmark.extra_info["censored"] = result.termination not in ("finished", "infeasible")


@pytest.mark.parametrize(("family", "arcs", "resources"), CASES)
def test_cspy(benchmark, family, arcs, resources):
    cspy = pytest.importorskip("cspy")
    networkx = pytest.importorskip("networkx")
    tail, head, cost, use, source, target, limits = instance(family, arcs, resources)
    graph = networkx.DiGraph(directed=True, n_res=resources + 1)
    names = {source: "Source", target: "Sink"}
    for e, (u, v) in enumerate(zip(tail.tolist(), head.tolist(), strict=True)):
        graph.add_edge(
            names.get(u, u), names.get(v, v), weight=cost[e], res_cost=np.append(1.0, use[e])
        )

    def load():
        solver = cspy.BiDirectional(
            graph,
            max_res=[float(graph.number_of_nodes()), *limits.tolist()],
            min_res=[0.0] * (resources + 1),
            direction="forward",
            bounds_pruning=True,
            time_limit=CAP_S,
        )
        return (solver,), {}

    answers = []

    def solve(solver):
        solver.run()
        answers.append(solver.total_cost)

    benchmark.pedantic(solve, setup=load, rounds=1)
    best = constrained_shortest_path(tail, head, cost, use, source, target, limits)
    found = answers[-1]
    benchmark.extra_info["cost"] = found
    # cspy does not say whether it proved its answer.
    right = found is not None and abs(found - (best.cost or 0.0)) <= 1e-6 * (1 + (best.cost or 0))
    benchmark.extra_info["censored"] = not right


@pytest.mark.parametrize(("family", "arcs", "resources"), CASES)
def test_highs(benchmark, family, arcs, resources):
    highspy = pytest.importorskip("highspy")
    sparse = pytest.importorskip("scipy.sparse")
    tail, head, cost, use, source, target, limits = instance(family, arcs, resources)
    m = tail.size
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
    solved = []

    def load():
        solver = highspy.Highs()
        solver.silent()
        for name, value in (("threads", 1), ("time_limit", CAP_S), ("mip_rel_gap", 0.0)):
            solver.setOptionValue(name, value)
        solver.passModel(lp)
        return (solver,), {}

    def solve(solver):
        solver.run()
        solved.append(solver)

    benchmark.pedantic(solve, setup=load, rounds=1)
    status = solved[-1].getModelStatus()
    done = status in (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kInfeasible)
    benchmark.extra_info["cost"] = solved[-1].getInfo().objective_function_value if done else None
    benchmark.extra_info["censored"] = not done
