"""The network that scores a state's actions, in NumPy: inference needs nothing else.

With features f_a of action a, and means and maxima over the allowed actions::

    z_a   = tanh(f_a W_1 + b_1)
    c     = (mean_a z_a, max_a z_a)
    h_a   = tanh(z_a W_2 + c W_3 + b_2)
    logit = h_a w

A distribution over however many actions there are, that does not depend on their order.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from splitopt.heuristics.learner.cift.arrays import Floats
from splitopt.heuristics.learner.cift.features import CANDIDATE_FEATURES
from splitopt.heuristics.learner.cift.process import Bools

WIDTH = 32
#: Names and shapes of the actor's parameters.
ACTOR_SHAPES: Mapping[str, tuple[int, ...]] = {
    "w1": (CANDIDATE_FEATURES, WIDTH),
    "b1": (WIDTH,),
    "w2": (WIDTH, WIDTH),
    "w3": (2 * WIDTH, WIDTH),
    "b2": (WIDTH,),
    "w": (WIDTH,),
}


def logits(params: Mapping[str, Floats], features: Floats, allowed: Bools) -> Floats:
    """Return a logit for each action, -infinite where not allowed, shape (A,).

    Parameters
    ----------
    features
        Shape (A, F).
    allowed
        Mask, shape (A,), not all false.
    """
    inner: Floats = np.tanh(features @ params["w1"] + params["b1"])
    kept = inner[allowed]
    context = np.concatenate([kept.mean(axis=0), kept.max(axis=0)])
    outer = np.tanh(inner @ params["w2"] + context @ params["w3"] + params["b2"])
    return np.where(allowed, outer @ params["w"], -np.inf)


def log_probabilities(values: Floats) -> Floats:
    """Return the logarithm of the softmax."""
    shifted = values - values.max()
    with np.errstate(divide="ignore"):
        found: Floats = shifted - np.log(np.exp(shifted).sum())
    return found
