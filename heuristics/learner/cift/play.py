"""Play a trained policy on an instance of CIFT, and the files policies are kept in; NumPy alone."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from splitopt.heuristics.learner.checkpoint import read_arrays, write_arrays
from splitopt.heuristics.learner.cift.arrays import Floats
from splitopt.heuristics.learner.cift.bounds import TIME_ONLY
from splitopt.heuristics.learner.cift.features import PENALTY, candidate_features, scores
from splitopt.heuristics.learner.cift.policy import ACTOR_SHAPES, log_probabilities, logits
from splitopt.heuristics.learner.cift.process import SLACK, CiftProcess, Kind, State
from splitopt.heuristics.learner.cift.view import view
from splitopt.instances.core.errors import InputError

DATA = Path(__file__).resolve().parents[1] / "data"
FORMAT = "splitopt-cift-policy"
VARIANTS = ("priced", "unpriced")


@dataclass(frozen=True, eq=False, slots=True)
class CiftPolicyFile:
    """A trained policy.

    Attributes
    ----------
    params
        The actor's parameters by name, float64, in the shapes of `cift_policy.ACTOR_SHAPES`.
    variant
        ``priced``: it sees completions at all prices; ``unpriced``: the cheapest and fastest.
    document
        How it was trained.
    digest
        SHA-256 of variant and parameters.
    """

    params: Mapping[str, Floats]
    variant: str
    document: Mapping[str, object]
    digest: str


def _digest(variant: str, params: Mapping[str, Any]) -> str:
    found = hashlib.sha256(variant.encode())
    for name in sorted(params):
        found.update(name.encode())
        found.update(np.asarray(params[name], dtype="<f4").tobytes())
    return found.hexdigest()


def write_policy(
    path: Path, params: Mapping[str, Any], variant: str, document: Mapping[str, object]
) -> str:
    """Write the actor of a policy and return its digest."""
    arrays = {name: np.asarray(params[name], dtype=np.float32) for name in ACTOR_SHAPES}
    write_arrays(path, arrays, {**document, "format": FORMAT, "version": 1, "variant": variant})
    return _digest(variant, arrays)


def read_policy(path: Path) -> CiftPolicyFile:
    """Return the policy in a file.

    Raises
    ------
    InputError
        When it is missing, damaged, or no policy for CIFT.
    """
    arrays, document = read_arrays(path)
    remedy = "name a file that splitopt train wrote for cift"
    variant = document.get("variant")
    if document.get("format") != FORMAT or document.get("version") != 1:
        raise InputError("policy", str(path), f"a file of format {FORMAT}, version 1", remedy)
    if variant not in VARIANTS:
        raise InputError("policy variant", variant, "one of " + ", ".join(VARIANTS), remedy)
    if set(arrays) != set(ACTOR_SHAPES):
        odd = sorted(set(arrays) ^ set(ACTOR_SHAPES))[0]
        raise InputError("policy", odd, "arrays " + ", ".join(ACTOR_SHAPES), remedy)
    for name, shape in ACTOR_SHAPES.items():
        fits = arrays[name].shape == shape and arrays[name].dtype == np.float32
        if not (fits and np.isfinite(arrays[name]).all()):
            raise InputError(
                f"policy {name}", arrays[name].shape, f"finite float32 {shape}", remedy
            )
    return CiftPolicyFile(
        {name: array.astype(np.float64) for name, array in arrays.items()},
        str(variant),
        document,
        _digest(str(variant), arrays),
    )


@functools.lru_cache(maxsize=2)
def committed(variant: str) -> CiftPolicyFile:
    """Return the policy that comes with the package."""
    return read_policy(DATA / f"cift-{variant}.npz")


def decide(
    process: CiftProcess, policy: CiftPolicyFile, rng: np.random.Generator | None = None
) -> State:
    """Return a finished state: the likeliest decisions, or drawn ones.

    Where only one action is allowed it is taken unseen.
    """
    state = State()
    while state.kind is not Kind.DONE:
        moves = process.moves(state)
        offered = np.flatnonzero(moves.allowed)
        action = int(offered[0])
        if len(offered) > 1:
            seen = view(process, state, priced=policy.variant == "priced")
            features = candidate_features(np, seen, SLACK, TIME_ONLY)
            values = logits(policy.params, features, seen.allowed)
            if rng is None:
                action = int(values.argmax())
            else:
                chances = np.exp(log_probabilities(values))
                action = int(rng.choice(len(chances), p=chances / chances.sum()))
        state = process.follow(state, action)
    return state


def best_completion(process: CiftProcess, *, priced: bool = True) -> State:
    """Return a finished state: always the action whose best completion costs least.

    The same observations without a policy: what a learner has to beat.
    """
    state = State()
    while state.kind is not Kind.DONE:
        seen = view(process, state, priced=priced)
        found = scores(np, seen, SLACK, PENALTY, TIME_ONLY)
        action = int(np.where(seen.allowed, found, np.inf).argmin())
        state = process.follow(state, action)
    return state


def merit(process: CiftProcess, state: State) -> tuple[float, float]:
    """Return what orders finished states: excess over deadlines, then energy in J."""
    return process.excess(state), state.label[0]
