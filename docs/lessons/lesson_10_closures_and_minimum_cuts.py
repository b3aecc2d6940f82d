"""Lesson 10: graphs instead of chains: closures, minimum cuts, and why chains were enough for so long."""

import marimo

app = marimo.App(app_title="10. Closures, minimum cuts")


@app.cell
def _(mo):
    mo.md(r"""
    # 10. Closures, minimum cuts, and why chains were enough for so long

    Networks are graphs: branches part and join again. Lesson 1 cut a chain at one of $L + 1$ places. Where can a
    graph be cut? In this lesson you will

    1. see what replaces "the first $b$ blocks": a **closure**, a set that has with a block all that it needs,
    2. find the best of exponentially many closures by one **maximum flow**,
    3. prove when the graph may be treated as a chain after all, and see when not,
    4. add a deadline and find out what a cut cannot say.

    Nothing here needs more than scipy. The network is made up, in the proportions of an inception block.
    """)
    return


@app.cell
def _():
    import itertools

    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd

    from splitopt.bench.report.style import for_slides, plain_numbers

    plt.rcParams.update(for_slides())  # the figures of the report: told apart without colour too

    return itertools, mo, np, pd, plain_numbers, plt


@app.cell
def _(mo):
    mo.md(r"""
    ## The network

    A stem, three branches of which two squeeze their data before they work on it, a join, a head. The device spends
    60 pJ on a FLOP, the server 25 pJ. What a block hands on is sent **once**, however many blocks behind the link
    read it.
    """)
    return


@app.cell
def _(pd):
    #        name: (MFLOP, output in kbit, blocks it reads)
    NET = {
        "input": (0, 1200, ()),
        "stem": (240, 800, ("input",)),
        "squeeze a": (60, 50, ("stem",)),
        "squeeze b": (60, 40, ("stem",)),
        "pool c": (40, 60, ("stem",)),
        "conv a": (700, 200, ("squeeze a",)),
        "conv b": (900, 200, ("squeeze b",)),
        "join": (0, 460, ("conv a", "conv b", "pool c")),
        "head": (300, 0, ("join",)),
    }
    NAMES = list(NET)
    INSIDE = ("squeeze a", "squeeze b", "pool c", "conv a", "conv b")
    pd.DataFrame(NET, index=["MFLOP", "output, kbit", "reads"]).T
    return INSIDE, NAMES, NET


@app.cell
def _(mo):
    mo.md(r"""
    ## Closures

    Data flows one way, from the device to the server. So the device's set $D$ must be **closed**: with a block it
    has every block that this one reads. (Order theory says *downset*, operations research *closure*.) A chain of $L$
    blocks has $L + 1$ of them; $k$ branches side by side of $m$ blocks each have $(m + 1)^k$, plus the ends.
    """)
    return


@app.cell
def _(NAMES, NET, itertools, mo):
    def closed(chosen):
        """Return whether a set has with a block all that it reads."""
        return all(set(NET[name][2]) <= chosen for name in chosen)

    def closures():
        """Return every closed set with the input in it, by trying all subsets."""
        rest = NAMES[1:]
        sets = (
            {"input", *some}
            for r in range(len(rest) + 1)
            for some in itertools.combinations(rest, r)
        )
        return [chosen for chosen in sets if closed(chosen)]

    CLOSURES = closures()
    # By hand: nothing but the input; all from the stem on: branches a and b end after 0, 1 or 2 of
    # their blocks and c after 0 or 1, 3 * 3 * 2; then the join and the head.
    assert len(CLOSURES) == 1 + 3 * 3 * 2 + 1 + 1
    mo.md(f"This network of 8 blocks has **{len(CLOSURES)}** closures; as a chain it would have 9.")
    return (CLOSURES,)


@app.cell
def _(NET):
    BOARD, SERVER = (60e-12, 50e9), (25e-12, 4e12)  # J a FLOP, FLOP/s

    def sent(chosen, wider):
        """Return the blocks whose output crosses the link, with its bits; `wider` scales squeezed ones."""
        crossing = {}
        for name in NET:
            away = (other for other in NET if other not in chosen)
            if name in chosen and any(name in NET[other][2] for other in away):
                factor = wider if name in ("squeeze a", "squeeze b", "pool c") else 1
                crossing[name] = 1e3 * NET[name][1] * factor
        return crossing

    def energy(chosen, bit_j, wider, device=BOARD):
        """Return the joules of a closure: computing on both sides, and what crosses."""
        here = sum(1e6 * NET[name][0] for name in chosen)
        there = sum(1e6 * NET[name][0] for name in NET if name not in chosen)
        return device[0] * here + SERVER[0] * there + bit_j * sum(sent(chosen, wider).values())

    return BOARD, SERVER, energy, sent


@app.cell
def _(mo):
    mo.md(r"""
    ## The best closure is a minimum cut

    Put the device's side at a source $s$ and the server's at a sink $t$. Four kinds of arc, and what each costs when
    the cut separates its tail (left with $s$) from its head (left with $t$):

    - $s \to b$ with the server's joules for $b$: paid when $b$ is on the server's side,
    - $b \to t$ with the device's joules: paid when $b$ stays,
    - $b \to b'$ with the joules of sending, and $b' \to c$, infinite, for each block $c$ that reads $b$: paid once when
      any reader is away. Without the helper $b'$ every reader would pay for the same data;
    - $c \to b$, infinite, for each $c$ that reads $b$: a set that is not closed costs infinity.

    Every finite cut is a closure and its capacity the closure's energy. A maximum flow finds the least (Picard, 1976,
    for closures; Hu and others, 2019, for networks). Flows like whole numbers: capacities are nanojoules, rounded.
    """)
    return


@app.cell
def _(BOARD, NAMES, NET, SERVER, np):
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    UNITS = 1e9  # nanojoules
    INFINITE = 2_000_000_000  # more than any closure costs, and less than 2^31

    def minimum_cut(bit_j, wider, device=BOARD, price=0.0, rate=1e8):
        """Return the cheapest closure; `price` in W charges for seconds too (further below)."""
        count = len(NAMES)
        source, sink = 2 * count, 2 * count + 1
        place = {name: k for k, name in enumerate(NAMES)}
        capacity = np.zeros((2 * count + 2, 2 * count + 2), dtype=np.int32)
        for name, (mflop, kbit, reads) in NET.items():
            b, helper = place[name], count + place[name]
            factor = wider if name in ("squeeze a", "squeeze b", "pool c") else 1
            device_j = 1e6 * mflop * (device[0] + price / device[1])
            server_j = 1e6 * mflop * (SERVER[0] + price / SERVER[1])
            send_j = 1e3 * kbit * factor * (bit_j + price / rate)
            capacity[source, b] = INFINITE if name == "input" else round(UNITS * server_j)
            capacity[b, sink] = round(UNITS * device_j)
            capacity[b, helper] = min(INFINITE, round(UNITS * send_j))
            for other in reads:
                capacity[count + place[other], b] = INFINITE
                capacity[b, place[other]] = INFINITE
        network = csr_array(capacity)
        flow = maximum_flow(network, source, sink).flow
        # What the source still reaches through arcs that are not full is its side of the cut.
        left = csr_array(network - flow)
        left.eliminate_zeros()
        reached = breadth_first_order(left, source, return_predecessors=False)
        return {NAMES[k] for k in reached if k < count}

    return (minimum_cut,)


@app.cell
def _(mo):
    bit_nj = mo.ui.slider(
        steps=[1, 5, 20, 60, 150, 400, 1000], value=60, label="energy of a bit, nJ", show_value=True
    )
    bit_nj
    return (bit_nj,)


@app.cell
def _(mo):
    wider = mo.ui.slider(
        steps=[1, 2, 4, 16],
        value=1,
        label="squeezed outputs, times as wide",
        show_value=True,
    )
    wider
    return (wider,)


@app.cell
def _(CLOSURES, bit_nj, energy, minimum_cut, mo, sent, wider):
    best = minimum_cut(1e-9 * bit_nj.value, wider.value)
    value = energy(best, 1e-9 * bit_nj.value, wider.value)
    # The flow knows no enumeration: both must find the same least energy, up to the rounding.
    least = min(energy(chosen, 1e-9 * bit_nj.value, wider.value) for chosen in CLOSURES)
    assert abs(value - least) <= 1e-7
    crossing = sent(best, wider.value)
    mo.md(
        f"The best closure leaves **{len(best) - 1} of 8** blocks on the device and costs "
        f"**{1e3 * value:.1f} mJ**; across the link go {sum(crossing.values()) / 1e3:.0f} kbit"
        + (f", from {', '.join(crossing)}." if crossing else ".")
    )
    return best, crossing


@app.cell
def _(NET, best, crossing, plt):
    PLACES = {
        "input": (0, 1),
        "stem": (1, 1),
        "squeeze a": (2, 2),
        "squeeze b": (2, 1),
        "pool c": (2.5, 0),
        "conv a": (3, 2),
        "conv b": (3, 1),
        "join": (4, 1),
        "head": (5, 1),
    }
    figure, axes = plt.subplots(figsize=(7, 3.4))
    figure.subplots_adjust(left=0.02, right=0.98, bottom=0.02)
    for _name, (_, _, _reads) in NET.items():
        for _other in _reads:
            _cut = _other in crossing and _name not in best
            axes.annotate(
                "",
                PLACES[_name],
                PLACES[_other],
                arrowprops={
                    "arrowstyle": "-|>",
                    "linestyle": (0, (4, 2)) if _cut else "-",
                    "linewidth": 2.2 if _cut else 1,
                    "color": "#c8480a" if _cut else "#4d4d4d",
                    "shrinkA": 12,
                    "shrinkB": 12,
                },
            )
    for _here, _marker, _face, _label in (
        (True, "s", "#0072b2", "on the device"),
        (False, "o", "white", "on the server"),
    ):
        _at = [PLACES[_name] for _name in NET if (_name in best) == _here]
        if _at:
            axes.plot(
                *zip(*_at, strict=True),
                _marker,
                color="#0072b2",
                markerfacecolor=_face,
                markersize=14,
                linestyle="none",
                label=_label,
            )
    for _name, (_x, _y) in PLACES.items():
        axes.annotate(
            _name, (_x, _y), xytext=(0, 14), textcoords="offset points", ha="center", fontsize=10
        )
    axes.plot([], [], color="#c8480a", linestyle=(0, (4, 2)), marker="", label="crosses the link")
    axes.set(xlim=(-0.4, 5.4), ylim=(-0.5, 2.7), title="The cheapest closure")
    axes.set_axis_off()
    axes.legend(loc="lower left", fontsize=10)
    figure
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## Why chains were enough for so long

    Between the stem and the join lies a **section**: blocks that a cut may go through the middle of. Suppose

    - the server computes each block of the section for less than the device does, and
    - every cut through the section carries at least what enters it.

    Then take any closure that cuts through the section and move the section's blocks to the server. Computing becomes
    cheaper, and what is sent falls to what enters. So some best closure cuts at no section: the graph is a chain of
    sections, and lesson 1 is exact.

    A **residual** block always keeps the second condition: its shortcut carries the block's input past every cut
    inside. Nor does a branch help that is as wide as what enters it. Cuts inside pay where branches *squeeze*:
    inception, or a bottleneck in every branch. Widen the branches above and watch the cut go back to the ends.
    """)
    return


@app.cell
def _(CLOSURES, INSIDE, energy, np, plain_numbers, plt, sent):
    # Ends of the section only: all of its blocks on one side.
    CHAIN = [c for c in CLOSURES if not (set(INSIDE) & c) or set(INSIDE) <= c]
    bits_nj = np.geomspace(1, 1000, 61)
    gaps = {}
    for factor in (1, 4, 16):
        gaps[factor] = np.array(
            [
                min(energy(c, 1e-9 * b, factor) for c in CHAIN)
                / min(energy(c, 1e-9 * b, factor) for c in CLOSURES)
                - 1
                for b in bits_nj
            ]
        )
    # The two conditions, checked; and what follows from them.
    for _c in CLOSURES:
        if _c not in CHAIN:
            assert sum(sent(_c, 16).values()) >= sum(sent({"input", "stem"}, 16).values())
    assert (gaps[16] <= 1e-12).all()
    assert gaps[1].max() > 0.25
    _figure, _axes = plt.subplots()
    for _k, (_factor, _gap) in enumerate(gaps.items()):
        _axes.plot(
            bits_nj, 100 * _gap, markevery=(4 * _k, 12), label=f"branches {_factor} times as wide"
        )
    _axes.set(xscale="log", xlabel="energy of a bit, nJ", ylabel="best cut of the chain, % dearer")
    _axes.set_title("What treating the graph as a chain costs")
    plain_numbers(_axes)
    _axes.legend()
    _figure
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## What a cut cannot say: a deadline

    A closure takes seconds too, one block after another: computing here, sending, computing there. Least energy
    **within a deadline** is no cut: a capacity is one number, and there are two to keep apart. A price on seconds makes
    one of two, and each price is a minimum cut again. But prices find only closures on the lower convex hull (lesson 1).
    Below a frugal device, 10 pJ a FLOP at 20 GFLOP/s: energy pulls towards it, time towards the server.
    """)
    return


@app.cell
def _(CLOSURES, NET, SERVER, energy, minimum_cut, np, plt, sent):
    FRUGAL = (10e-12, 20e9)

    def seconds(chosen, rate=1e8):
        here = sum(1e6 * NET[name][0] for name in chosen) / FRUGAL[1]
        there = sum(1e6 * NET[name][0] for name in NET if name not in chosen) / SERVER[1]
        return here + sum(sent(chosen, 1).values()) / rate + there

    points = {
        frozenset(c): (1e3 * seconds(c), 1e3 * energy(c, 20e-9, 1, FRUGAL)) for c in CLOSURES
    }  # ms, mJ
    priced = {
        frozenset(minimum_cut(20e-9, 1, FRUGAL, price)) for price in (0, *np.geomspace(0.01, 8, 60))
    }
    undominated = {
        c
        for c, (t, e) in points.items()
        if not any(u <= t and f <= e and (u, f) != (t, e) for u, f in points.values())
    }
    missed = undominated - priced
    assert priced <= undominated
    assert missed  # best for some deadline, and found by no price
    _figure, _axes = plt.subplots()
    for _set, _face, _label in (
        (priced, None, "found by a cut with a price"),
        (missed, "white", "best for a deadline, found by no price"),
        (set(points) - undominated, "#bbbbbb", "another is better in both"),
    ):
        _axes.plot(
            *zip(*sorted(points[c] for c in _set), strict=True),
            linestyle="none",
            markersize=8,
            **({} if _face is None else {"markerfacecolor": _face}),
            label=_label,
        )
    _axes.set(xlabel="time, ms", ylabel="energy, mJ", title="Every closure at 20 nJ a bit")
    _axes.legend()
    _figure
    return missed, points


@app.cell
def _(missed, mo, points):
    mo.md(
        f"{len(missed)} of {len(points)} closures are best for some deadline and found by no price. "
        "With a deadline the problem is NP-hard already on chains: two speeds a block are enough."
    )
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## And what else it cannot say

    - **More tiers.** Three tiers in a line, each block no nearer than what it reads, are still one cut, with two copies
      of every block (exercise 2). With links between any two of them it is the *multiway cut* problem: NP-hard from
      three on (Dahlhaus and others, 1994).
    - **Memory.** "At most so many bytes here" is a knapsack beside the cut.
    - **Time as it passes.** Branches run side by side, transfers overlap with work: the time of a closure is a longest
      path, not a sum, and no sum of capacities.

    Each of these calls for what the other lessons are about: labels, branch and bound, relaxations. The cut stays
    useful inside them, as a bound that comes at once.

    ## Exercises

    1. Without the helper arcs, how many times is the stem's output paid for? Find a price of a bit at which the cut
       is then wrong.
    2. Build the cut for device, edge and cloud in a line: two copies of each block, one for each link, and an infinite
       arc so that no block is behind the second link but not behind the first. Compare with enumeration.
    3. Give the network a residual connection from the stem to the join. Why does the best cut leave the section?
    """)
    return


if __name__ == "__main__":
    app.run()
