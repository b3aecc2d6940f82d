"""How far PPO is from the optimum on MEPRA: seeds, sets, gaps, and what it is held against.

Run ``python -m splitopt.bench.studies learner --policies DIR`` (about two minutes of one core
a seed and variant to train, some more to solve). Policies that DIR lacks are trained into it. Every
gap is value / proven optimum - 1, the value the judge's. Prints tables, and with ``--write`` keeps
the figures (heuristics/learner/data), the policies of the seeds that did best on `validation`, and
the tables of docs/learner.md.
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np

from splitopt.bench.methods.registry import load
from splitopt.bench.verdicts.optimum import require_optimum
from splitopt.heuristics.learner.mepra.method import make_game
from splitopt.heuristics.learner.mepra.play import DATA, VARIANTS, MepraPolicyFile, read_policy
from splitopt.instances import sources
from splitopt.instances.contract.method import Budget
from splitopt.instances.core.documents import write_bytes, write_json
from splitopt.instances.judge import evaluate
from splitopt.instances.library.splits import sample
from splitopt.instances.mepra.model import MepraInstance
from splitopt.instances.mepra.plan import MepraPlan, shares_from_weights

SEEDS = range(5)
TEST = 200
# Variants in which more than a third of optimal splits lie inside (docs/instances.md).
INTERIOR = ("compressed", "sparse", "resnet50", "mobilenetv2", "slow-edge")
FREE = ("free", "compressed-free")
EVERY, EVERY_FREE = 4, 10  # each so many-th bandwidth of a variant's sweep; 60 in all
DRAWS = 16
RESULTS = DATA / "mepra-results.json"
PAGE = Path(__file__).resolve().parents[3] / "docs" / "learner.md"
_PARTS = 21


def _sweep(variant: str, table: str, every: int = 1) -> list[str]:
    start = f"mepra-{table}-"
    names = [name for name in sources.names(variant) if name.startswith(start)]
    return names[::every]


def _sets() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {table: _sweep("", table) for table in sources.TABLES}
    for variant in (*INTERIOR, "leftover", *FREE):
        for table in sources.TABLES:
            every = EVERY_FREE if variant in FREE else EVERY
            found[f"{table}-{variant}"] = _sweep(variant, table, every)
    found["test"] = [f"test:{k}" for k in range(TEST)]
    return found


SETS = _sets()


def _load(name: str) -> MepraInstance:
    if name.startswith("test:"):
        return cast(MepraInstance, sample("test", "mepra", int(name[5:])))
    return sources.load(name)


def _value(instance: MepraInstance, method: str, options: dict[str, Any]) -> float:
    result = load(method, "mepra").solve(instance, Budget(), 0, options)
    assert result.objective is not None
    return result.objective


def _constants(instance: MepraInstance) -> list[float]:
    """Return the cost of cutting every network behind the same part of its layers, best shares."""
    game, exits, edge = make_game(instance)
    everyone = np.arange(instance.devices)
    costs = []
    for part in np.linspace(0.0, 1.0, _PARTS):
        splits = np.rint(part * game.layers).astype(np.int64)
        chosen = None if exits is None else exits[everyone, splits]
        shares = shares_from_weights(np.sqrt(edge[everyone, splits]))
        costs.append(evaluate(instance, MepraPlan(splits, shares, chosen)).objective)
    return costs


def _figures(gaps: Iterable[float]) -> dict[str, float]:
    array = np.asarray(list(gaps))
    return {
        "mean": float(array.mean()),
        "median": float(np.median(array)),
        "p90": float(np.quantile(array, 0.9)),
        "worst": float(array.max()),
    }


def _references(instances: list[MepraInstance]) -> list[dict[str, Any]]:
    rows = []
    for instance in instances:
        rows.append(
            {
                "optimum": require_optimum(instance),
                "even-shares": _value(instance, "even-shares", {}),
                "constants": _constants(instance),
            }
        )
    return rows


def _policies(folder: Path) -> dict[str, list[Path]]:
    """Return the policies of all seeds, training those that are missing."""
    found: dict[str, list[Path]] = {}
    for variant in VARIANTS:
        found[variant] = [folder / f"mepra-{variant}-seed{seed}.npz" for seed in SEEDS]
        for seed, path in zip(SEEDS, found[variant], strict=True):
            if not path.exists():
                from splitopt.heuristics.learner.mepra.training import train_mepra

                sys.stderr.write(f"training {path.name}\n")
                train_mepra(cast(Any, variant), seed, path)
    return found


def _milliseconds(run: Callable[[], object], times: int = 20) -> float:
    """Return the least processor milliseconds of a call."""
    run()
    least = float("inf")
    for _ in range(times):
        start = time.process_time()
        run()
        least = min(least, time.process_time() - start)
    return 1000.0 * least


def _speed(policy: Path) -> dict[str, float]:
    """Return latencies of one instance, and what a batch gets through, in processor time."""
    instance = _load("mepra-image-10mbps")
    options = {"policy": str(policy)}
    found = {
        name: _milliseconds(
            functools.partial(
                load(name, "mepra").solve,
                instance,
                Budget(),
                0,
                options if name == "ppo" else {},
            )
        )
        for name in ("ppo", "even-shares", "lagrangian")
    }
    import jax

    from splitopt.heuristics.learner.mepra.training import CONFIG, _environment, _policy
    from splitopt.heuristics.learner.ppo import make_learner

    environment, actor = _environment("closed-form", 500), _policy("closed-form")
    learner = make_learner(environment, actor, CONFIG)
    training = learner.init(jax.random.PRNGKey(0), environment.data)
    look = training.observation
    greedy, ready = jax.jit(actor.greedy), cast(Callable[[object], object], jax.block_until_ready)
    batch = _milliseconds(lambda: ready(greedy(training.params, look)))
    decisions = float(environment.weight(look).sum())
    # As in training, epochs cut short and all.
    updates = 40
    training, _ = learner.update(training, environment.data)
    ready(training)
    start, taken = time.process_time(), 0.0
    for _ in range(updates):
        taken += CONFIG.steps * float(environment.weight(training.observation).sum())
        training, _ = learner.update(training, environment.data)
    ready(training)
    rate = taken / (time.process_time() - start)
    return {f"{name}_ms": value for name, value in found.items()} | {
        "batched_decisions_per_processor_s": 1000.0 * decisions / batch,
        "training_decisions_per_processor_s": rate,
    }


def study(policies: dict[str, list[Path]]) -> dict[str, Any]:
    """Return all figures."""
    sets: dict[str, Any] = {}
    for name, members in SETS.items():
        instances = [_load(member) for member in members]
        rows = _references(instances)
        optima = np.array([row["optimum"] for row in rows])
        constants = np.array([row["constants"] for row in rows]) / optima[:, None] - 1.0
        best = int(constants.mean(axis=0).argmin())
        even = np.array([row["even-shares"] for row in rows]) / optima - 1.0
        entry: dict[str, Any] = {
            "instances": len(members),
            "constant": _figures(constants[:, best]) | {"part": best / (_PARTS - 1)},
            "even-shares": _figures(even),
        }
        for variant, paths in policies.items():
            seeds = []
            for path in paths:
                values = [_value(_load(member), "ppo", {"policy": str(path)}) for member in members]
                seeds.append(_figures(np.array(values) / optima - 1.0))
            means = [seed["mean"] for seed in seeds]
            chosen = str(paths[_best(paths)])
            drawn = [_value(x, "ppo", {"policy": chosen, "samples": DRAWS}) for x in instances]
            entry[variant] = {
                "seeds": seeds,
                "mean": float(np.mean(means)),
                "spread": float(np.std(means, ddof=1)) if len(means) > 1 else 0.0,
                "worst_seed": float(np.max(means)),
                f"best-of-{DRAWS}": _figures(np.array(drawn) / optima - 1.0),
            }
        sets[name] = entry
        sys.stderr.write(f"{name} {json.dumps({v: entry[v]['mean'] for v in policies})}\n")
    return {
        "sets": sets,
        "policies": {v: [_about(read_policy(p)) for p in paths] for v, paths in policies.items()},
        "committed": {v: _best(paths) for v, paths in policies.items()},
        "speed": _speed(policies["closed-form"][_best(policies["closed-form"])]),
    }


def _best(paths: list[Path]) -> int:
    """Return the seed that did best on `validation`."""
    return int(np.argmin([read_policy(path).document["score"] for path in paths]))


def _about(policy: MepraPolicyFile) -> dict[str, Any]:
    fields = ("seed", "score", "best_update", "updates", "stopped", "processor_s", "compile_s")
    return {"sha256": policy.digest} | {name: policy.document.get(name) for name in fields}


def _percent(value: float) -> str:
    return f"{100.0 * value:.2f}"


def tables(results: dict[str, Any]) -> str:
    """Return the tables of docs/learner.md."""
    lines = [
        "Mean gap to the proven optimum, %. PPO greedy, without repair: mean over five training "
        "seeds, ± their standard deviation, and the worst seed.",
        "",
        f"| set | instances | PPO, best shares | worst seed | best of {DRAWS} | PPO, own shares | "
        f"worst seed | best of {DRAWS} | even-shares | best constant |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, entry in results["sets"].items():
        cells = [name, str(entry["instances"])]
        for variant in VARIANTS:
            found = entry[variant]
            cells += [
                f"{_percent(found['mean'])} ± {_percent(found['spread'])}",
                _percent(found["worst_seed"]),
                _percent(found[f"best-of-{DRAWS}"]["mean"]),
            ]
        cells += [_percent(entry["even-shares"]["mean"]), _percent(entry["constant"]["mean"])]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "As a distribution over instances, the committed policies:",
        "",
        "| set | variant | median | 90 % of instances within | worst |",
        "|---|---|---|---|---|",
    ]
    for name in ("image", "video", "test", "image-slow-edge", "video-slow-edge"):
        for variant in VARIANTS:
            seed = results["sets"][name][variant]["seeds"][results["committed"][variant]]
            figures = " | ".join(_percent(seed[column]) for column in ("median", "p90", "worst"))
            lines.append(f"| {name} | {variant} | {figures} |")
    lines += [
        "",
        "| policy | seed | validation score | updates | processor s | of these compiling |",
        "|---|---|---|---|---|---|",
    ]
    for variant in VARIANTS:
        for row in results["policies"][variant]:
            mark = " (committed)" if row["seed"] == results["committed"][variant] else ""
            lines.append(
                f"| {variant}{mark} | {row['seed']} | {_percent(row['score'])} % | "
                f"{row['updates']} | {row['processor_s']:.0f} | {row['compile_s']:.0f} |"
            )
    speed = results["speed"]
    lines += [
        "",
        "| what, in processor time | |",
        "|---|---|",
        f"| one instance (5 devices), `ppo` | {speed['ppo_ms']:.2f} ms |",
        f"| the same, `even-shares` | {speed['even-shares_ms']:.2f} ms |",
        f"| the same, `lagrangian`, with its proof | {speed['lagrangian_ms']:.2f} ms |",
        "| decisions of a batch of 256 instances, a second | "
        f"{speed['batched_decisions_per_processor_s']:,.0f} |",
        "| decisions in training, environment and update, a second | "
        f"{speed['training_decisions_per_processor_s']:,.0f} |",
    ]
    return "\n".join(lines) + "\n"


def _write(results: dict[str, Any], policies: dict[str, list[Path]]) -> None:
    write_json(RESULTS, results)
    for variant, paths in policies.items():
        shutil.copyfile(paths[_best(paths)], DATA / f"mepra-{variant}.npz")
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition("<!-- figures -->\n")
    _, _, after = rest.partition("<!-- end of figures -->")
    text = f"{before}<!-- figures -->\n{tables(results)}<!-- end of figures -->{after}"
    write_bytes(PAGE, text.encode("utf-8"))


def main(arguments: list[str] | None = None) -> None:
    """Train what is missing, measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policies", type=Path, required=True, help="folder of the policies")
    parser.add_argument("--write", action="store_true", help="keep figures, policies and tables")
    options = parser.parse_args(arguments)
    options.policies.mkdir(parents=True, exist_ok=True)
    policies = _policies(options.policies)
    results = study(policies)
    sys.stdout.write(tables(results))
    if options.write:
        _write(results, policies)
