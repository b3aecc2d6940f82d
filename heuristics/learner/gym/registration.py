"""Registers the environments: importing this module makes their ids known to `gymnasium`.

``splitopt/Cift-v0`` and ``splitopt/Mepra-v0``, for ``gymnasium.make`` and ``gymnasium.make_vec``.
"""

from __future__ import annotations

import gymnasium

IDS = ("splitopt/Cift-v0", "splitopt/Mepra-v0")

if IDS[0] not in gymnasium.registry:
    gymnasium.register(IDS[0], entry_point="splitopt.heuristics.learner.gym.cift:CiftEnv")
    gymnasium.register(
        IDS[1],
        entry_point="splitopt.heuristics.learner.gym.mepra:MepraEnv",
        vector_entry_point="splitopt.heuristics.learner.gym.mepra:MepraVectorEnv",
    )
