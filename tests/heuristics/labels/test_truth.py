"""What the label kernel says against every simple path: each claim of each mode, on odd figures.

`complaints` knows nothing of the kernel. It adds up every simple path in path order and compares
doubles with doubles, without tolerance: cost factors are compared as exact rationals.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.heuristics.labels import Termination, constrained_shortest_path
from splitopt.instances.core.errors import InputError

INTERRUPTED = (Termination.LABELS, Termination.MEMORY, Termination.TIME)


def simple_paths(tail, head, source, target):
    """Yield every simple path as a tuple of arcs."""
    stack = [(source, (), frozenset([source]))]
    while stack:
        u, arcs, seen = stack.pop()
        if u == target:
            yield arcs
            continue
        for e, v in enumerate(head):
            if tail[e] == u and v not in seen:
                stack.append((v, (*arcs, e), seen | {v}))


def summed(values, arcs):
    """Sum one figure in path order."""
    out = 0.0
    for e in arcs:
        out += values[e]
    return out


def keeps(use, limits):
    return all(x <= y for x, y in zip(use, limits, strict=True))


class Truth:
    """Every simple path of a case with its sums."""

    def __init__(self, case):
        self.tail, self.head, self.table, self.source, self.target, self.limits = case
        self.cost = [row[0] for row in self.table]
        self.columns = [[row[k + 1] for row in self.table] for k in range(len(self.limits))]
        self.points = [
            (summed(self.cost, p), tuple(summed(c, p) for c in self.columns))
            for p in simple_paths(self.tail, self.head, self.source, self.target)
        ]

    def optimum(self, limits):
        return min((c for c, use in self.points if keeps(use, limits)), default=math.inf)

    def front(self):
        """Return the points that no other point beats, sorted."""
        inside = {(c, *use) for c, use in self.points if keeps(use, self.limits)}
        return sorted(p for p in inside if not any(q != p and keeps(q, p) for q in inside))


def run(case, options):
    tail, head, table, source, target, limits = case
    figures = np.array(table, float).reshape(len(tail), len(limits) + 1)
    return constrained_shortest_path(
        tail,
        head,
        figures[:, 0].copy(),
        figures[:, 1:].copy(),
        source,
        target,
        limits,
        nodes=max([*tail, *head, source, target]) + 1,
        **options,
    )


def within(cost, factor, reference):
    """Tell whether cost <= factor * reference, without rounding."""
    return reference == math.inf or Fraction(cost) <= Fraction(factor) * Fraction(reference)


def _path_complaints(truth, arcs, cost, use):
    at = truth.source
    for e in arcs:
        if truth.tail[e] != at:
            return ["the arcs are no path"]
        at = truth.head[e]
    if at != truth.target:
        return ["the path ends elsewhere"]
    said = (cost, *use)
    if said != tuple(summed(column, arcs) for column in (truth.cost, *truth.columns)):
        return [f"the path's sums are not {said}"]
    return []


def complaints(case, options, result, truth=None):
    """Return every claim of the result that enumeration refutes."""
    truth, out = truth or Truth(case), []
    limits, K = truth.limits, len(truth.limits)
    epsilon, others = options.get("epsilon", 0.0), options.get("others", "relaxed")
    strict = options.get("strict", 0)
    best = truth.optimum(limits)
    finite = [k for k in range(K) if limits[k] < math.inf]
    shared = epsilon > 0.0 and len(finite if not options.get("front") else limits) > 1
    relaxed = shared and others == "relaxed"
    # Outside, nothing but the guarantee's own words counts.
    tight = list(limits)
    ended = result.termination

    if (ended == Termination.INFEASIBLE) != (result.bound is None):
        out.append("a bound goes with everything but a proof of infeasibility")
    if result.bound is not None and not (0.0 <= result.bound <= best and result.bound < math.inf):
        out.append(f"bound {result.bound!r} above the optimum {best!r}")
    if ended == Termination.INFEASIBLE and best < math.inf:
        out.append(f"infeasible ({result.reason}), but {best!r} is possible")
    if (result.cost is None) != bool(result.reason):
        out.append("a reason goes with no path")
    if "no path leads" in result.reason and truth.points:
        out.append("a path does lead to the target")
    for k in result.forbidding:
        if any(use[k] <= limits[k] for _, use in truth.points):
            out.append(f"limit {k} can be kept")
    if ended == Termination.TIGHTENED_INFEASIBLE:
        free = [k for k in finite if k != strict] if strict in finite else finite[1:]
        for k in free:
            tight[k] = limits[k] / (1.0 + epsilon)
        if not (shared and others == "kept"):
            out.append("nothing was tightened")
        if truth.optimum(tight) < math.inf:
            out.append("a path keeps the tightened limits")
    if ended in INTERRUPTED and "label_limit" not in options:
        out.append(f"{ended} without a budget")
    if ended == Termination.FINISHED and result.cost is None:
        out.append("finished with nothing")

    allowed = list(limits)
    if result.cost is not None:
        out += _path_complaints(truth, result.arcs, result.cost, result.resources)
        promise = result.guarantee
        loose = dict(promise.relaxed)
        if sorted([*loose, *promise.strict]) != list(range(K)):
            out.append("the guarantee leaves a limit out")
        if loose and not relaxed:
            out.append("this mode relaxes no limit")
        if strict in loose and strict in finite:
            out.append("the strict limit is relaxed")
        for k, factor in loose.items():
            allowed[k] = limits[k] * factor
        if not keeps(result.resources, allowed):
            out.append(f"limits {allowed} exceeded: {result.resources}")
        if (promise.kind == "none") != (ended in INTERRUPTED):
            out.append(f"{promise.kind} after {ended}")
        if promise.kind != "none":
            for k, factor in promise.tightened:
                tight[k] = limits[k] / factor
            if promise.factor != (1.0 if promise.kind == "exact" else 1.0 + epsilon):
                out.append(f"factor {promise.factor}")
            if not within(result.cost, promise.factor, truth.optimum(tight)):
                out.append(f"{result.cost!r} is not within the factor of {truth.optimum(tight)!r}")
            if promise.kind == "exact" and not result.cost == result.bound == best:
                out.append(f"exact: cost {result.cost}, bound {result.bound}, optimum {best}")
            if not promise.tightened and not within(result.cost, promise.factor, result.bound):
                out.append(f"{result.cost} / {result.bound} is beyond the promised factor")
    if result.front is not None:
        out += _front_complaints(truth, options, result, allowed)
    s = result.statistics
    ends = s.labels_kept + s.labels_dominated + s.labels_trimmed + s.labels_over_limit
    if s.labels_made != ends + s.labels_over_bound + s.labels_open:
        out.append("labels do not add up")
    bound = math.inf if s.label_bound is None else s.label_bound
    if ended == Termination.FINISHED and not s.labels_kept <= bound:
        out.append("more labels than the bound on them")
    return out


def _front_complaints(truth, options, result, allowed):
    out, front = [], result.front
    epsilon, strict = options.get("epsilon", 0.0), options.get("strict", 0)
    K = len(truth.limits)
    points = [
        (float(c), *use) for c, use in zip(front.costs, front.resources.tolist(), strict=True)
    ]
    for point, arcs in zip(points, front.paths, strict=True):
        out += _path_complaints(truth, arcs, point[0], point[1:])
        if not keeps(point[1:], allowed):
            out.append(f"the front holds {point}, beyond {allowed}")
    if any(keeps(q, p) for p in points for q in points if p is not q):
        out.append("a point of the front beats another")
    if front.complete != (result.termination not in INTERRUPTED):
        out.append("an interrupted front is not complete, and no other is not")
    if not front.complete:
        return out
    if epsilon == 0.0:
        if sorted(points) != truth.front():
            out.append(f"front {sorted(points)}, not {truth.front()}")
        return out
    inside = list(truth.limits)
    room = [0.0] * K
    for k in range(K):
        if k != strict:
            room[k] = epsilon * truth.limits[k]
            if options["others"] == "kept":
                inside[k] = truth.limits[k] / (1.0 + epsilon)
                room[k] = truth.limits[k] - inside[k]
    for cost, use in truth.points:
        near = [x + y for x, y in zip(use, room, strict=True)]
        if keeps(use, inside) and not any(
            within(c, 1.0 + epsilon, cost) and keeps(r, near) for c, *r in points
        ):
            out.append(f"no point of the front is near {(cost, *use)}")
    return out


def _figures():
    """Return kinds of figures: plain ones, and those at which sums, products or units go wrong."""
    tenth = st.integers(0, 9).map(lambda x: x * 0.1)
    power = st.integers(-300, 300).map(lambda x: float(f"1e{x}"))
    tiny = st.integers(0, 40).map(lambda x: x * 5e-324)
    return st.sampled_from(
        [
            st.integers(0, 6).map(float),
            tenth,
            st.sampled_from([0.0, 0.0, 1.0, 3.0]),
            st.floats(0.0, 1e3),
            st.sampled_from([0.1, math.nextafter(0.1, 1), math.nextafter(0.1, 0), 0.3]),
            st.builds(lambda x, y: x * y, tenth, power),
            tiny,
            tiny | tenth | power,
            st.sampled_from([1e300, 3e299, 1e-300, 1.0, 2.0**-53, 0.0]),
            st.sampled_from([1.0, 2.0**-52, 2.0**-53, 1.0 - 2.0**-53]),
        ]
    )


@st.composite
def cases(draw):
    """Draw a graph, a source, a target, figures, and limits that often are a path's own sums."""
    K = draw(st.integers(0, 3))
    if draw(st.booleans()):
        n = draw(st.integers(1, 6))
        m = draw(st.integers(0, 13))
        node = st.integers(0, n - 1)
        ends = draw(st.lists(st.tuples(node, node), min_size=m, max_size=m))
        if draw(st.booleans()):
            ends = [(min(e), max(e)) for e in ends]
    else:
        # Many paths: a chain of parallel arcs, some arcs elsewhere and some back.
        n = draw(st.integers(3, 6))
        node = st.integers(0, n - 1)
        ends = [(v, v + 1) for v in range(n - 1) for _ in range(draw(st.integers(1, 3)))]
        ends += draw(st.lists(st.tuples(node, node), max_size=3))
        ends += [(v + 1, v) for v in range(1, n - 2) if draw(st.booleans())]
    tail, head = [u for u, _ in ends], [v for _, v in ends]
    kinds = [draw(_figures()) for _ in range(K + 1)]
    table = [tuple(draw(kind) for kind in kinds) for _ in ends]
    source, target = 0, n - 1
    if draw(st.integers(0, 3)) == 0:
        source, target = draw(node), draw(node)
    paths = list(simple_paths(tail, head, source, target))[:50]
    limits = []
    for k in range(K):
        limit = draw(st.sampled_from([0.0, math.inf, math.inf, 1.0]) | kinds[k + 1])
        if paths and draw(st.integers(0, 3)):
            arcs = draw(st.sampled_from(paths))
            column = [row[k + 1] for row in table]
            turned = arcs[:: draw(st.sampled_from([1, 1, -1]))]
            limit = summed(column, turned)
            toward = draw(st.sampled_from([limit, limit, 0.0, math.inf]))
            limit = math.nextafter(limit, toward) if limit < math.inf else limit
            limit *= draw(st.sampled_from([1.0, 1.0, 1.0, 1.5]))
        limits.append(limit)
    return tail, head, table, source, target, limits


@st.composite
def ways(draw, case):
    """Draw a mode: what is asked for, and what ends the run."""
    limits = case[-1]
    options = {
        "epsilon": draw(st.sampled_from([0.0, 0.0, 1e-12, 1e-6, 0.01, 0.1, 0.5, 1.0, 10.0])),
        "strict": draw(st.integers(0, max(len(limits) - 1, 0))),
        "others": draw(st.sampled_from(["relaxed", "kept"])),
        "stop_early": draw(st.booleans()),
        "easy": draw(st.integers(0, 3)) == 0,
        "front": draw(st.integers(0, 2)) == 0,
    }
    if draw(st.integers(0, 2)) == 0:
        options["label_limit"] = draw(st.integers(1, 20))
    free = any(x == math.inf for k, x in enumerate(limits) if k != options["strict"])
    if free and options["epsilon"] > 0.0:
        # A front is refused then: there is nothing to divide.
        options["front"] = False
    return options


@pytest.mark.parametrize("rounds", [(5, 5, 5, 10), ()], ids=["dual", "labels alone"])
@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data())
def test_nothing_said_is_refuted_by_enumeration(rounds, data):
    case = data.draw(cases())
    options = data.draw(ways(case))
    # Without the dual, which settles most small cases, labels have to.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("splitopt.heuristics.labels.solve._ROUNDS", rounds)
        assert complaints(case, options, run(case, options)) == []


# What this test and its longer runs refuted once. A diamond of two arcs after two has four paths.
TWICE = [0, 0, 1, 1], [1, 1, 2, 2]
BELOW = math.nextafter(0.3, 0.0)
FOUND = {
    # Each arc breaks one of two limits by one bit.
    "no path by one bit": (
        ([0, 0], [1, 1], [(0.5, 0.3, 0.1), (0.5, 0.1, 0.3)], 0, 1, [BELOW, BELOW]),
        {"epsilon": 0.0, "easy": False},
        Termination.INFEASIBLE,
    ),
    "no path by one bit, cyclic": (
        (
            [0, 0, 1, 2, 2],
            [1, 1, 2, 1, 3],
            [(0.5, 0.3, 0.1), (0.5, 0.1, 0.3), (0.5, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.0, 0.0)],
            0,
            3,
            [BELOW, BELOW],
        ),
        {"epsilon": 0.0, "easy": False},
        Termination.INFEASIBLE,
    ),
    "nothing tightened where limits are relaxed": (
        ([0, 0], [1, 1], [(0.5, 0.3, 0.1), (0.5, 0.1, 0.45)], 0, 1, [BELOW, 0.3]),
        {"epsilon": 0.1, "easy": False, "others": "relaxed"},
        Termination.INFEASIBLE,
    ),
    "a front beyond its limit by one bit": (
        (
            *TWICE,
            [(0.8, 0.2), (0.8, 0.2), (0.8, 0.30000000000000004), (0.9, 0.2)],
            0,
            2,
            [0.49999999999999994],
        ),
        {"epsilon": 0.0, "front": True},
        Termination.FINISHED,
    ),
    "a bound from a path beyond its limit by one bit": (
        (*TWICE, [(0.3, 0.9), (0.6, 0.2), (0.8, 0.1), (0.9, 0.0)], 0, 2, [0.8999999999999999]),
        {"epsilon": 0.1, "others": "relaxed", "front": True},
        Termination.FINISHED,
    ),
    "more labels than bounded, epsilon lost in rounding": (
        (*TWICE, [(3.0, 17.0), (26.0, 2.0), (3.0, 15.0), (13.0, 11.0)], 0, 2, [18.7]),
        {"epsilon": 1e-12, "easy": False},
        Termination.FINISHED,
    ),
    "the least double": (
        ([0], [1], [(5e-324, 0.0)], 0, 1, [0.0]),
        {"epsilon": 0.5, "front": True, "others": "relaxed"},
        Termination.FINISHED,
    ),
    "a cyclic graph of least doubles": (
        (
            [0, 0, 0, 1, 2, 1],
            [1, 1, 1, 2, 1, 3],
            [
                (5e-324, 1.2e-322),
                (1e-323, 1.1e-322),
                (2.5e-323, 9e-323),
                (0.0, 0.0),
                (0.0, 0.0),
                (0.0, 9e-323),
            ],
            0,
            3,
            [1.83e-322],
        ),
        {"epsilon": 0.01, "easy": False},
        Termination.FINISHED,
    ),
    "costs over 600 decades": (
        (
            [0, 0, 1, 1, 2, 2],
            [1, 1, 2, 2, 1, 3],
            [(1e300, 3.0), (1e-300, 4.0), (1e300, 3.0), (1e-300, 4.0), (1.0, 0.0), (1.0, 0.0)],
            0,
            3,
            [7.0],
        ),
        {"epsilon": 0.1, "easy": False, "front": True, "others": "relaxed"},
        Termination.FINISHED,
    ),
    "resources over 600 decades": (
        (
            [0, 0, 0],
            [1, 1, 1],
            [(1.0, 1e254, 0.7), (2.0, 5e-191, 0.8), (3.0, 1e-276, 1e252)],
            0,
            1,
            [1e-190, 0.7],
        ),
        {"epsilon": 0.1, "easy": False, "stop_early": False},
        Termination.INFEASIBLE,
    ),
}


@pytest.mark.parametrize("rounds", [(5, 5, 5, 10), ()], ids=["dual", "labels alone"])
@pytest.mark.parametrize("name", FOUND)
def test_what_was_refuted_once_is_right(name, rounds, monkeypatch):
    monkeypatch.setattr("splitopt.heuristics.labels.solve._ROUNDS", rounds)
    case, options, ended = FOUND[name]
    result = run(case, options)
    assert complaints(case, options, result) == []
    assert result.termination == ended


@pytest.mark.parametrize("costs", [[1e-300, 1e15], [1e-280, 1e28], [5e-324, 1.0], [1e-308, 1.0]])
@pytest.mark.parametrize("back", [False, True])
def test_fronts_of_costs_at_both_ends_of_the_doubles(costs, back):
    # The dear path uses less, so both points are on the front, unless the dear one is near.
    tail, head = [0, 0, 1, 1, 2], [1, 1, 2, 3, 1] if back else [1, 1, 2, 3, 3]
    table = [(costs[0], 2.0), (costs[1], 1.0), (0.0, 1.0), (0.0, 0.0), (0.0, 1.0)]
    case = tail, head, table, 0, 3, [3.0]
    options = {"epsilon": 0.1, "front": True, "others": "relaxed"}
    result = run(case, options)
    assert complaints(case, options, result) == []
    assert result.front.costs.tolist() == costs


def layers(seed):
    """Return five layers of four parallel arcs whose costs run against two resources."""
    rng = np.random.default_rng(seed)
    tail = [v for v in range(5) for _ in range(4)]
    figures = rng.uniform(1.0, 9.0, (20, 3))
    figures[:, 1] = 10.0 - figures[:, 0]
    return tail, [v + 1 for v in tail], [tuple(row) for row in figures.tolist()], 0, 5, [25.0, 20.0]


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("others", ["relaxed", "kept"])
@pytest.mark.parametrize("front", [False, True])
def test_a_run_may_end_at_any_label(epsilon, others, front, monkeypatch):
    monkeypatch.setattr("splitopt.heuristics.labels.solve._ROUNDS", ())
    endings = set()
    tail, head, table, source, target, limits = case = layers(3)
    cyclic = ([*tail, 3], [*head, 2], [*table, (0.5, 0.5, 0.5)], source, target, limits)
    for one in (case, cyclic):
        truth = Truth(one)
        for labels in range(1, 90):
            options = {"epsilon": epsilon, "others": others, "front": front}
            options |= {"label_limit": labels, "easy": False}
            result = run(one, options)
            assert complaints(one, options, result, truth) == [], labels
            endings.add(result.termination)
            if result.termination != Termination.LABELS:
                break  # with more labels the run is the same
    assert Termination.LABELS in endings


def test_an_interrupted_relaxed_run_does_not_call_an_exceeded_limit_kept(monkeypatch):
    monkeypatch.setattr("splitopt.heuristics.labels.solve._ROUNDS", ())
    exceeded = 0
    for labels in range(1, 40):
        result = run(layers(5), {"epsilon": 0.5, "label_limit": labels, "front": True})
        if result.termination == Termination.LABELS and result.cost is not None:
            assert result.guarantee.strict == (0,)
            assert result.guarantee.relaxed == ((1, 1.5),)
            assert "limit 1 within a factor 1.5" in str(result.guarantee)
            exceeded += bool(result.resources[1] > 20.0)
    assert exceeded


def test_memory_follows_the_arcs_not_the_largest_node_number():
    last = 2**31 - 2
    options = {"front": True, "record": True}
    result = run(([0, 5], [5, last], [(1.0, 1.0), (1.0, 1.0)], 0, last, [2.0]), options)
    assert result.cost == 2.0
    assert result.arcs.tolist() == [0, 1]
    assert result.log.node.tolist() == [0, 5, last]


@pytest.mark.parametrize("column", [0, 1])
def test_sums_that_doubles_cannot_hold_are_refused(column):
    table = [[1.0, 1.0], [1.0, 1.0]]
    table[1][column] = 1e305
    with pytest.raises(InputError, match="larger unit"):
        run(([0, 1], [1, 2], table, 0, 2, [math.inf]), {})
