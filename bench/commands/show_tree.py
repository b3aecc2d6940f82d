"""``splitopt show --tree``: the time-energy tree of a CIFT instance, counted and drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from splitopt.bench.commands.output import Cell, echo_json, echo_table, note, say
from splitopt.instances.core.errors import InputError

if TYPE_CHECKING:
    from splitopt.heuristics.jqodi.cift.steps import Steps
    from splitopt.heuristics.jqodi.cift.tree import Tree
    from splitopt.instances.cift.model import CiftInstance
    from splitopt.instances.cift.plan import CiftPlan
    from splitopt.instances.contract.method import Instance

_SOLVE_S = 20.0
_GRID = 0.01  # the optimum's stand-in where speeds are continuous


@dataclass(frozen=True, slots=True)
class _Best:
    """The plan the tree is held against; None where there is none."""

    plan: CiftPlan | None
    energy_j: float | None
    proven: bool
    infeasible: str | None


def show_tree(
    instance: Instance,
    epsilon: float,
    configuration: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Print the tree of one configuration by stage; draw it with `out`.

    Parameters
    ----------
    configuration
        Position in the instance, from 1 on; None for that of the best plan.
    """
    from splitopt.heuristics.jqodi.cift.tree import time_energy_tree
    from splitopt.instances.cift.model import CiftInstance

    if not isinstance(instance, CiftInstance):
        raise InputError("--tree", instance.name, "an instance of CIFT", "MEPRA has no such tree")
    if not (epsilon == 0 or 1e-6 <= epsilon < math.inf):
        raise InputError("--epsilon", epsilon, "0, or a number >= 1e-6", "give 0.1, say")
    if instance.has_continuous_speeds and instance.deadlines and epsilon == 0:
        raise InputError("--epsilon", epsilon, "a number > 0 where speeds are continuous", "0.1")
    count = len(instance.configurations)
    if configuration is not None and not 1 <= configuration <= count:
        raise InputError("--configuration", configuration, f"1 to {count}", "leave it out")
    best = _best(instance, epsilon)
    position = _position(instance, best) if configuration is None else configuration - 1
    tree = None if position is None else time_energy_tree(instance, position, epsilon)
    if tree is None:
        _nothing(instance, best, configuration, as_json)
        return
    steps = _steps(instance, best, tree.configuration)
    left_out: tuple[str, ...] = ()
    if out is not None:
        left_out = _draw(instance, tree, epsilon, best, steps, out)
    if as_json:
        echo_json(_document(instance, tree, epsilon, best, left_out))
        return
    _tell(instance, tree, epsilon, best)
    if out is not None:
        for line in left_out:
            say(line)
        note(f"picture: {out}")


def _best(instance: CiftInstance, epsilon: float) -> _Best:
    """Return the optimal plan, or one within a small error where speeds are continuous."""
    from splitopt.bench.methods.registry import load
    from splitopt.instances.contract.method import Budget, SolutionStatus

    name, options = "jqodi-exact", {}
    if instance.has_continuous_speeds:
        name, options = "jqodi", {"epsilon": min(_GRID, epsilon or _GRID)}
    found = load(name, "cift").solve(instance, Budget(_SOLVE_S), 0, options)
    reason = None
    if found.status is SolutionStatus.INFEASIBLE:
        reason = str(found.statistics.get("infeasible_reason", "there is no plan"))
    proven = found.status is SolutionStatus.OPTIMAL
    return _Best(cast("CiftPlan | None", found.plan), found.objective, proven, reason)


def _position(instance: CiftInstance, best: _Best) -> int | None:
    if best.plan is None:
        return None
    return instance.configurations.index(best.plan.configuration(instance))


def _steps(instance: CiftInstance, best: _Best, configuration: int) -> Steps | None:
    """Return the optimal plan's way, when it is a plan of this configuration."""
    from splitopt.heuristics.jqodi.cift.steps import steps_of

    if best.plan is None or _position(instance, best) != configuration:
        return None
    return steps_of(instance, best.plan)


def _nothing(instance: CiftInstance, best: _Best, configuration: int | None, as_json: bool) -> None:
    if configuration is not None:
        said = f"configuration {configuration}: no path keeps each deadline by itself"
    elif best.infeasible is not None:
        said = f"no plan: {best.infeasible}; --configuration N shows the tree of one configuration"
    else:
        said = f"no plan found in {_SOLVE_S:g} s; --configuration N shows one configuration's tree"
    if as_json:
        echo_json({"instance": instance.name, "tree": None, "reason": said})
    else:
        say(f"{instance.name}: {said}")


def _names(instance: CiftInstance, tree: Tree) -> str:
    g = instance.configurations[tree.configuration]
    part = "all" if g.fraction == 1 else f"{g.fraction:g}"
    return f"{g.model}, {g.compression}, from {g.source}, {part} of its data"


def _rule(instance: CiftInstance, epsilon: float) -> str:
    if epsilon == 0 or not instance.deadlines:
        return "Dominated labels go; nothing is trimmed."
    return f"Dominated labels go, and labels alike within epsilon = {epsilon:g} are trimmed."


def _reference(best: _Best) -> str:
    if best.energy_j is None:
        return ""
    return f"{'optimum' if best.proven else 'best plan known'} {best.energy_j:.6g} J"


def _against(energy: float, best: _Best) -> str:
    """Return the energy of the tree's best path, held against the best plan known."""
    said = f"{energy:.6g} J"
    if best.energy_j is None:
        return said
    if math.isclose(energy, best.energy_j, rel_tol=1e-9):
        return f"{said}, {'the optimum' if best.proven else 'the best plan known'}"
    ratio = f" ({energy / best.energy_j:.4g} times)" if best.energy_j > 0 else ""
    return f"{said}, {_reference(best)}{ratio}"


def _tell(instance: CiftInstance, tree: Tree, epsilon: float, best: _Best) -> None:
    """Print how many labels each number of blocks has, and the best path."""
    import numpy as np

    from splitopt.heuristics.jqodi.cift.tree import FATES

    say(f"{instance.name}: {_names(instance, tree)}")
    say(_rule(instance, epsilon))
    rows: list[dict[str, Cell]] = []
    for done in range(int(tree.blocks.max(initial=0)) + 1):
        here = tree.blocks == done
        if here.any():
            counts = np.bincount(tree.fate[here], minlength=len(FATES)).tolist()
            rows.append({"blocks": done, **dict(zip(FATES, counts, strict=True))})
    shown = [name for name in FATES if any(row[name] for row in rows)]
    what = "downset done" if tree.graph else "blocks done"
    echo_table({"blocks": what, **{name: name for name in shown}}, rows)
    if tree.doors is not None:
        say(f"{len(tree.doors)} choices ruled out by a deadline before a label was made")
    if not tree.complete:
        say(f"cut short after {len(tree)} labels")
    for number, line in enumerate(_key(tree, None), 1):
        say(f"  {number} {line}")
    path = np.flatnonzero(tree.optimal)
    if len(path):
        say(f"best path: {_against(float(tree.energy_j[path[-1]]), best)}")


def _speed(value: float) -> str:
    return f"{value / 1e9:.4g} GFLOP/s"


def _key(tree: Tree, plan: CiftPlan | None) -> list[str]:
    """Return a line for each stop of the best path, or of the plan where there is no path."""
    import numpy as np

    from splitopt.bench.report.cuts import span

    lines: list[str] = []
    path = np.flatnonzero(tree.optimal).tolist()
    if not path and plan is not None:
        done = 0
        for stop in plan.stops:
            f, f2 = stop.inference_speed_flop_per_s, stop.fine_tuning_speed_flop_per_s
            end = done + stop.blocks
            line = _stop(stop.node, done, end, f, f2, first=not lines)
            lines.append(f"{stop.node}: {span(stop.names)}" if stop.names else line)
            done = end
        return lines
    start = 0
    for k, label in enumerate(path):
        last = k + 1 == len(path) or tree.node[path[k + 1]] != tree.node[label]
        if not last:
            continue
        own = [p for p in path if tree.node[p] == tree.node[label]]
        serving = [f for f in tree.serving_speed[own].tolist() if not math.isnan(f)]
        tuning = [f for f in tree.fine_tuning_speed[own].tolist() if not math.isnan(f)]
        end = int(tree.blocks[label])
        lines.append(
            _stop(
                tree.node[label],
                start,
                end,
                serving[0] if serving else None,
                tuning[0] if tuning else None,
                first=not lines,
                graph=tree.graph,
            )
        )
        start = end
    return lines


def _stop(
    node: str,
    start: int,
    end: int,
    f: float | None,
    f2: float | None,
    *,
    first: bool,
    graph: bool = False,
) -> str:
    if start == end:
        return f"{node}: {'sends the raw input' if first else 'passes the data on'}"
    blocks = f"block {end}" if end == start + 1 else f"blocks {start + 1} to {end}"
    if graph:
        blocks = f"from downset {start} to {end}"
    speeds = [f"serving at {_speed(f)}"] if f is not None else []
    if f2 is not None:
        speeds.append(f"fine-tuning at {_speed(f2)}")
    return f"{node}: {', '.join([blocks, *speeds])}"


def _draw(
    instance: CiftInstance,
    tree: Tree,
    epsilon: float,
    best: _Best,
    steps: Steps | None,
    out: Path,
) -> tuple[str, ...]:
    """Write the picture; return what it leaves out."""
    import numpy as np

    from splitopt.bench.report.time_energy.picture import draw
    from splitopt.instances.core.documents import write_bytes

    path = np.flatnonzero(tree.optimal)
    said = [_rule(instance, epsilon)]
    if len(path):
        said.append(f"Best path {_against(float(tree.energy_j[path[-1]]), best)}.")
    elif reference := _reference(best):
        said.append(f"{reference.capitalize()}.")
    picture = draw(
        tree,
        f"{instance.name}: time-energy tree",
        (_names(instance, tree), " ".join(said)),
        steps,
        "the optimum" if best.proven else "the best plan known",
        _key(tree, best.plan if steps is not None else None),
    )
    write_bytes(out, picture.svg.encode())
    return picture.left_out


def _document(
    instance: CiftInstance,
    tree: Tree,
    epsilon: float,
    best: _Best,
    left_out: tuple[str, ...],
) -> dict[str, object]:
    import numpy as np

    from splitopt.heuristics.jqodi.cift.tree import FATES

    def plain(values: object) -> list[float | None]:
        return [None if math.isnan(v) else v for v in np.asarray(values).tolist()]

    path = np.flatnonzero(tree.optimal)
    return {
        "instance": instance.name,
        "configuration": tree.configuration + 1,
        "epsilon": epsilon,
        "deadlines_s": [tree.inference_deadline_s, tree.fine_tuning_deadline_s],
        "counts": tree.counts(),
        "ruled_out": None if tree.doors is None else len(tree.doors),
        "complete": tree.complete,
        "best_path": path.tolist(),
        "best_path_energy_j": float(tree.energy_j[path[-1]]) if len(path) else None,
        "optimum_j": best.energy_j if best.proven else None,
        "left_out": list(left_out),
        "labels": {
            "parent": tree.parent.tolist(),
            "energy_j": plain(tree.energy_j),
            "inference_latency_s": plain(tree.inference_latency_s),
            "fine_tuning_time_s": plain(tree.fine_tuning_time_s),
            "node": list(tree.node),
            "blocks": tree.blocks.tolist(),
            "phase": list(tree.phase),
            "fate": [FATES[k] for k in tree.fate.tolist()],
        },
    }
