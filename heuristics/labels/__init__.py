r"""Resource-constrained shortest paths by labels: exact, or within epsilon with a proof.

Given a digraph whose arcs cost :math:`c_a \ge 0` and use :math:`r_a^k \ge 0` of resource k, find a
path P from s to t of least c(P) with :math:`r^k(P) \le L_k` for k = 1..K. Cycles never help, so
simple paths suffice; the problem is NP-hard for K = 1.

Labels
------
A label is a partial path from s to a node v with its sums (c, r). Label y *dominates* x at the same
node when no sum is larger; x can then go, as every completion of x is one of y. Sums are taken in
floating point from s on: rounded addition is monotone, so dominance holds for the rounded sums
themselves, and "the optimum" below is that of these sums, not of exact arithmetic.

Let pi(v) be the least cost from v to t. kappa = c + pi(v) is the least total cost of a label; along
an arc it grows by the *reduced cost* c_a + pi(head) - pi(tail) >= 0, and at t it is c. A label goes
when kappa, or the Lagrangian bound c + lambda r + pi_lambda(v) - lambda L, reaches the incumbent,
or when r + (least use from v) exceeds L. All such bounds are rounded outward by the relative error
that a sum of that many terms can have (none at all for integers), so nothing is lost to rounding.

Easy problems end in a short best-first search before any of this
(:mod:`splitopt.heuristics.labels.easy`). A graph with cycles is then narrowed to the arcs around
the optimum (:mod:`splitopt.heuristics.labels.corridor`). Before the labels, arcs on no path that
keeps each limit by itself go; column generation maximises the Lagrangian dual; between its rounds
every arc is tried as the joint of a forward and a backward tree path, which gives most incumbents,
and arcs on no path cheaper than the incumbent go.

On an acyclic graph labels advance node by node in topological order, on any other best first, by
kappa (:mod:`splitopt.heuristics.labels.topological`, :mod:`splitopt.heuristics.labels.bestfirst`).

Trimming
--------
Let LB <= OPT be a bound known before (0 never: if it is 0, the least positive arc cost serves, and
labels with kappa = 0 are kept apart, so that an optimum of 0 comes out as 0). Every label carries
lo, the least sums over all labels it stands for; on every discard, by trimming or by dominance, the
label that stays takes the minima.

*Acyclic.* Let H be the most arcs into merging nodes (two arcs in or more) on a path, g(v) = H - the
most such arcs from v on, so that g grows by 1 at least over each of them and g(t) = H. With
1 + eps = (1 + delta)^H, labels at v may merge if the one that stays, that of least use of the
strict resource, has

    kappa <= kappa_lo + ((1 + delta)^g(v) - 1) max(LB, kappa_lo)            (cost)
    r_k   <= lo_k + (g(v) / H) eps L_k      for each other resource k       (use)

for every label it would stand for. At t this says c <= lo_c + eps max(LB, lo_c).

*Claim.* If P keeps the limits, then at its end or where its stand-in was discarded for cost there
is a label with lo_c <= c(P) that uses no more of the strict resource. Induction over the nodes of
P: the stand-in of a prefix is extended like the prefix and its lo stays below the prefix's sums; a
discard hands lo to a label that is no worse in the strict resource. It is never LIMITED, since
lo + least use <= r(P) <= L. Hence, with UB the cost found,

    min(lo over labels at t, bounds of labels discarded for cost or left open) <= OPT,

which is the *carried bound*, true of every run, interrupted ones included; and as a label is
discarded for cost only when its bound reaches UB / (1 + eps) or its kappa reaches UB, UB <=
(1 + eps) OPT. Within eps L_k the other limits are kept ("relaxed"). With "kept", the room is
L_k - L_k / (1 + eps) and labels over a limit go, counting towards the bound: the stand-in of a path
that keeps L_k / (1 + eps) is never among them, so UB <= (1 + eps) OPT(L / (1 + eps)). For K = 1
there is no other resource: cost within 1 + eps, limit kept.

*Count.* Grouping greedily from the cheapest label on, a group reaches past its first label by
delta max(LB, kappa) at least, because labels enter v with the allowance of g(v) - 1. So a node
keeps at most LB-to-UB / cell width labels a dimension:
(1 / delta + log(UB / LB) / log(1 + delta) + 3) * prod_k (H / eps + 2), printed as ``label_bound``.

*Cyclic.* With unit w, reduced costs are rounded down to multiples of w, reduced uses of the other
resources to multiples of eps L_k / H, and the rounded problem is solved exactly, in order of
(rounded cost, strict resource): a node and a cell pop once. Rounded sums are lower bounds on all a
label stands for, so the carried bound needs no upkeep; the path found costs at most H w more than
it. A coarse w comes first; each run narrows [bound, incumbent], until the quotient is 1 + eps or w
is eps LB / H, which guarantees it.

The limit of it: at most one limit is strict at full strength. With paths of any length no
polynomial method keeps two strict limits at any ratio unless P = NP (Jaffe 1984).

For H arcs and K = 1 this is in the line of Hassin (1992), Lorenz and Raz (2001) and Ergun, Sinha
and Zhang (2002); for K >= 2 of Xue et al. (2007) and Horvath and Kis (2018). Reduced costs as the
trimmed quantity, the allowances that depend on carried minima, and the joints are ours.

Reuse
-----
:mod:`splitopt.heuristics.labels.sweeps` has dominance and trimming of batches as compiled
functions.
"""

from splitopt.heuristics.labels.api import constrained_shortest_path, warm_up
from splitopt.heuristics.labels.result import (
    Front,
    Guarantee,
    LabelLog,
    PathResult,
    Statistics,
    Termination,
)

__all__ = [
    "Front",
    "Guarantee",
    "LabelLog",
    "PathResult",
    "Statistics",
    "Termination",
    "constrained_shortest_path",
    "warm_up",
]
