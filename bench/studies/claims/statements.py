"""The eleven claims as data: what is claimed, of what, where, and by what each part is judged."""

from __future__ import annotations

from dataclasses import dataclass

from splitopt.bench.studies.claims.criteria import Criterion
from splitopt.bench.studies.claims.thresholds import CONSIDERABLE, FAR, SCARCE

DEVICE, EDGE = "aco-device-only-ear", "aco-edge-only-ear"
SPINN, ACO, FIXED = "spinn-ear", "aco-ear", "fp-ar"
#: The method that the article proposes: the learner, or what an ideal one would reach.
OURS = "aco-drl"
EVEN = (DEVICE, EDGE, SPINN, ACO)
#: All methods of the article, in its order.
SOURCE_METHODS = (*EVEN, FIXED, OURS)
#: What the first source's "state of the art" is held to be, for CIFT: the tiers alone,
#: one cut, Neurosurgeon's two forms, FIN, and planners without compression or without partition.
#: On each instance where a method finds a plan, `beats` compares figures; where it finds none that
#: keeps the deadlines, that is a win. The part's verdict combines those against each method.
RIVALS = (
    "device-only",
    "edge-only",
    "cloud-only",
    "single-cut",
    "neurosurgeon",
    "neurosurgeon-latency",
    "fin",
    "compression-blind",
    "partition-blind",
)
BOTH = ("latency_s", "cost")
ALL = ("latency_s", "energy_j", "cost")
WORD = {"latency_s": "latency", "energy_j": "energy", "cost": "cost"}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a claim: on which table (None: not on a sweep), in words, and its criterion."""

    table: str | None
    text: str
    criterion: Criterion


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim.

    Attributes
    ----------
    number
        1 to 11, as in the list of claims.
    source
        Which of the two sources makes it: ``001`` (MEPRA) or ``000`` (CIFT).
    text
        What is claimed, in our words.
    parts
        What is tested.
    """

    number: int
    source: str
    text: str
    parts: tuple[Part, ...]


CLAIMS: tuple[Claim, ...] = (
    Claim(
        1,
        "001",
        "ACO-EAR is slightly better than SPINN-EAR: in latency, energy and cost (image), overall "
        "(video).",
        (
            *(
                Part(
                    "image",
                    f"{WORD[m]} slightly below SPINN-EAR's",
                    Criterion("slightly_better", (ACO, SPINN), m),
                )
                for m in ALL
            ),
            Part(
                "video",
                "cost slightly below SPINN-EAR's",
                Criterion("slightly_better", (ACO, SPINN), "cost"),
            ),
        ),
    ),
    Claim(
        2,
        "001",
        "ACO-DRL beats every method with even shares in latency and cost.",
        tuple(
            Part(
                table,
                f"{WORD[m]} below every method's with even shares",
                Criterion("better_than_all", (OURS, *EVEN), m),
            )
            for table in ("image", "video")
            for m in BOTH
        ),
    ),
    Claim(
        3,
        "001",
        "ACO-DRL beats FP-AR in latency and cost; FP-AR needs more energy than most (image).",
        (
            *(
                Part(
                    "image",
                    f"{WORD[m]} below FP-AR's",
                    Criterion("better_than_all", (OURS, FIXED), m),
                )
                for m in BOTH
            ),
            Part(
                "image",
                "FP-AR's energy above most others'",
                Criterion("above_most", (FIXED,), "energy_j"),
            ),
        ),
    ),
    Claim(
        4,
        "001",
        "ACO-edge-only-EAR needs the least energy but is slow when bandwidth is scarce (image).",
        (
            Part(
                "image", "edge-only's energy the lowest", Criterion("lowest", (EDGE,), "energy_j")
            ),
            Part(
                "image",
                f"edge-only's latency at least {CONSIDERABLE:g} times the fastest other's up to "
                f"{SCARCE:g} Mbit/s",
                Criterion("slow_when_scarce", (EDGE,), "latency_s"),
            ),
        ),
    ),
    Claim(
        5,
        "001",
        "Above 10 Mbit/s ACO-EAR and ACO-DRL need about the same energy, ACO-DRL less latency and "
        "cost (image).",
        (
            Part(
                "image",
                "energy about the same",
                Criterion("about_the_same", (OURS, ACO), "energy_j", above=10.0),
            ),
            *(
                Part(
                    "image",
                    f"{WORD[m]} below ACO-EAR's",
                    Criterion("better_than_all", (OURS, ACO), m, above=10.0),
                )
                for m in BOTH
            ),
        ),
    ),
    Claim(
        6,
        "001",
        "Above 30 Mbit/s every method's cost levels off, the joint method's lowest (image).",
        (
            Part(
                "image",
                "every method's cost levels off",
                Criterion("levels_off", (), "cost", above=30.0),
            ),
            Part(
                "image",
                "ACO-DRL's cost the lowest",
                Criterion("lowest", (OURS,), "cost", above=30.0),
            ),
        ),
    ),
    Claim(
        7,
        "001",
        "Above 40 Mbit/s FP-AR's energy is slightly below most, its latency far above (video).",
        (
            Part(
                "video",
                "FP-AR's energy slightly below most others'",
                Criterion("below_most_slightly", (FIXED,), "energy_j", above=40.0),
            ),
            Part(
                "video",
                f"FP-AR's latency at least {FAR:g} times most others'",
                Criterion("above_most", (FIXED,), "latency_s", above=40.0, factor=FAR),
            ),
        ),
    ),
    Claim(
        8,
        "001",
        "Device-only and edge-only are worse than most others in latency and cost (video).",
        tuple(
            Part(
                "video",
                f"{name}'s {WORD[m]} above most others'",
                Criterion("above_most", (method,), m),
            )
            for method, name in ((DEVICE, "device-only"), (EDGE, "edge-only"))
            for m in BOTH
        ),
    ),
    Claim(
        9,
        "001",
        "Short of bandwidth, ACO-DRL matches or beats the others given plenty (video).",
        tuple(
            Part(
                "video",
                f"{WORD[m]} matches the others' with plenty",
                Criterion("matches_plenty", (OURS,), m),
            )
            for m in BOTH
        ),
    ),
    Claim(
        10,
        "000",
        "The decisions approximate the optimum in polynomial time.",
        (
            Part(None, "every run within its guaranteed factor", Criterion("guarantee")),
            Part(None, "labels grow as a polynomial of the size", Criterion("size")),
            Part(None, "labels grow as a polynomial of 1 / epsilon", Criterion("epsilon")),
            Part(
                None,
                "with two deadlines, both strict and against the optimum itself",
                Criterion("two-deadlines"),
            ),
        ),
    ),
    Claim(
        11,
        "000",
        "The decisions surpass the state of the art in energy and latency.",
        (
            Part(None, "energy below each other method's", Criterion("energy")),
            Part(None, "latency of a request below each other method's", Criterion("latency")),
        ),
    ),
)
