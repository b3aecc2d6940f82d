r"""A family on which the exact label program explodes and the trimmed one does not.

A chain of n stages with two nodes each, one block a node: at each stage the plan chooses between a
node that takes ``1 + c_i`` joules and one second, and one that takes one joule and ``1 + c_i``
seconds (in units), with random c_i. Energy and time of a prefix add up to the same, so no prefix
dominates another, and with numbers of 40 bits hardly two are alike: 2^i labels after i stages. The
deadline lies in the middle. This is PARTITION; a grid in energy has polynomially many cells.

The exact program runs with everything it has: the Lagrangian bound, the search over placements, the
kernel's bounds and incumbents, its tolerance of 1e-9. What explodes does so in spite of them. The
trimmed program runs on dominance and trimming alone: its labels are few without any bound's help.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from splitopt.bench.methods.registry import load
from splitopt.instances.cift.model import CiftInstance, Compression, Configuration, Link, Node
from splitopt.instances.contract.method import Budget
from splitopt.instances.networks.profiles import Block, Profile

# The exact program stops at 1e-9; a run whose bound stays this far away was cut off.
_OPEN = 1e-8
# Labels of so many bytes, however fast the machine: about seven million.
_MEMORY_BYTES = 1 << 29


@dataclass(frozen=True, slots=True)
class Point:
    """One run: the number of stages, epsilon (0: exact), and what it took.

    ``labels`` counts labels made and prefixes of plans visited; ``ratio`` is certified.
    """

    stages: int
    epsilon: float
    labels: int
    cpu_time_s: float
    termination: str
    ratio: float | None

    @property
    def cut(self) -> bool:
        """Whether a limit, of time or memory, ended the run before it was through."""
        open_ = self.epsilon == 0 and (self.ratio is None or self.ratio > 1 + _OPEN)
        return self.termination != "solved" or open_

    def to_document(self) -> dict[str, object]:
        """Return it as plain data."""
        return asdict(self)


def chain_of_choices(stages: int, rng: np.random.Generator) -> CiftInstance:
    """Return an instance of the family; one deadline.

    Every node has one speed. With one FLOP a block, kappa = 0: a node of speed f and busy power
    rho takes 1 / f seconds and rho / f joules.
    """
    nodes = [Node("end", "end", (1.0,), 0.0, 0.0, 0.0, 1)]
    links = []
    before = ["end"]
    total = 0.0
    for i in range(stages):
        c = float(rng.integers(1, 2**40)) / 2**40
        total += c
        here = []
        for kind, seconds, joules in (("fast", 1.0, 1.0 + c), ("slow", 1.0 + c, 1.0)):
            name = f"{kind}{i + 1}"
            nodes.append(Node(name, "edge", (1.0 / seconds,), 0.0, joules / seconds, 1.0))
            links += [Link(tail, name, 1.0, 0.0, 0.0) for tail in before]
            here.append(name)
        before = here
    model = Profile("chain", 0.0, tuple(Block(f"b{i + 1}", 1.0, 1.0, 0.0) for i in range(stages)))
    return CiftInstance(
        f"cift-choices-{stages}",
        tuple(nodes),
        tuple(links),
        (model,),
        (Compression("none", 1.0, 1.0, 1.0),),
        (Configuration("chain", "none", "end", 1.0, 0),),
        1,
        inference_deadline_s=stages + total / 2,
        description="a chain of choices between a fast and a cheap node: PARTITION",
    )


def measure(
    stages: Sequence[int],
    epsilons: Sequence[float],
    seed: int,
    time_limit_s: float,
    on_run: Callable[[Point], None] | None = None,
) -> list[Point]:
    """Run the exact and the trimmed label program on instances of growing length."""
    points = []
    budget = Budget(time_limit_s, memory_limit_bytes=_MEMORY_BYTES)
    for n in stages:
        instance = chain_of_choices(n, np.random.default_rng([seed, n]))
        for epsilon in (0.0, *epsilons):
            name = "jqodi" if epsilon else "jqodi-exact"
            options: dict[str, object] = {}
            if epsilon:
                options = {"epsilon": epsilon, "reduction": False}
            began = time.process_time()
            found = load(name, "cift").solve(instance, budget, 0, options)
            spent = time.process_time() - began
            ratio = None
            if found.objective is not None and found.bound:
                ratio = found.objective / found.bound
            # A prefix that the search over placements visits is a label, never merged.
            counts = (found.statistics.get(name) for name in ("labels", "steps"))
            labels = sum(count for count in counts if isinstance(count, int))
            points.append(
                Point(
                    n,
                    epsilon,
                    labels,
                    spent,
                    str(found.termination),
                    ratio,
                )
            )
            if on_run is not None:
                on_run(points[-1])
    return points
