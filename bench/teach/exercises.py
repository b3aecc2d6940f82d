"""The exercises of the lessons: what is asked, and by what an answer is judged.

An answer is data, a plan or a model in an MPS file; nothing a student hands in is executed. The
reference is worked out when an answer is graded, by an exact method, and stands nowhere in a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from splitopt.instances.core.errors import InputError


@dataclass(frozen=True, slots=True)
class Exercise:
    """One exercise.

    Attributes
    ----------
    name
        Number of the lesson, a dash, a word.
    instance
        Name in the library.
    kind
        ``plan``: a plan in JSON. ``model``: a minimisation in MPS.
    reference
        The exact method whose optimum is the measure.
    asked
        One line for people.
    factor
        Of a plan: its cost may be this much times the optimum; None if feasibility is enough.
    root
        Of a model: its relaxation must be this share of the optimum.
    """

    name: str
    instance: str
    kind: Literal["plan", "model"]
    reference: str
    asked: str
    factor: float | None = None
    root: float | None = None


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "1-feasible", "cift-tiny-inference", "plan", "highs-flow", "a plan that keeps the deadline"
    ),
    Exercise(
        "1-optimal", "cift-tiny-inference", "plan", "highs-flow", "the plan of least energy", 1.0
    ),
    Exercise(
        "2-model", "cift-tiny-menu", "model", "highs-flow", "any model with the right optimum"
    ),
    Exercise(
        "2-stronger",
        "cift-tiny-menu",
        "model",
        "highs-flow",
        "a model whose relaxation reaches 85 % of the optimum",
        root=0.85,
    ),
    Exercise(
        "3-close",
        "cift-tiny-continuous",
        "plan",
        "highs-oa",
        "continuous speeds within 1 % of the optimum",
        1.01,
    ),
    Exercise("4-fits", "cift-tiny-hosts", "plan", "highs-flow", "a plan that fits into memory"),
    Exercise(
        "5-within", "cift-quick-tiers", "plan", "highs-flow", "within 5 % of the optimum", 1.05
    ),
    Exercise(
        "6-optimal",
        "mepra-image-10mbps",
        "plan",
        "highs-tangent",
        "the splits and shares of least cost",
        1.0,
    ),
    Exercise(
        "7-beats",
        "mepra-video-resnet50-10mbps",
        "plan",
        "highs-tangent",
        "within 1 % of the optimum where splits are inside the network",
        1.01,
    ),
    Exercise(
        "11-keeps",
        "cift-uncertain-022",
        "plan",
        "highs-flow",
        "a plan that keeps both deadlines with the probability asked for",
    ),
    Exercise(
        "11-optimal",
        "cift-uncertain-022",
        "plan",
        "highs-flow",
        "the plan of least expected energy",
        1.0,
    ),
)


def find(name: str) -> Exercise:
    """Return the exercise of that name.

    Raises
    ------
    InputError
        When there is none.
    """
    for exercise in EXERCISES:
        if exercise.name == name:
            return exercise
    known = ", ".join(exercise.name for exercise in EXERCISES)
    raise InputError("exercise", name, f"one of {known}", "splitopt grade --list shows them")
