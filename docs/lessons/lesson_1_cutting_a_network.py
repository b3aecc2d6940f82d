"""Lesson 1: cutting a network is a shortest path, until there is a deadline."""

import marimo

app = marimo.App(app_title="1. Cutting a network")


@app.cell
def _(mo):
    mo.md(r"""
    # 1. Cutting a network

    A neural network is a chain of blocks. Run the first ones on a phone, ship the activations over a
    radio link, run the rest on a server: where should the cut be? In this lesson you will

    1. price every cut of ResNet-18 by enumeration,
    2. see that the cheapest plan is a **shortest path** in a layered graph,
    3. add a **deadline** and watch the shortest path become a hard problem,
    4. buy back certainty with a price on seconds, and see when a price is not enough.

    Move the sliders; every number is recomputed.
    """)
    return


@app.cell
def _():
    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd

    from splitopt.bench.report.style import for_slides

    plt.rcParams.update(for_slides())  # the figures of the report: told apart without colour too

    return mo, np, pd, plt


@app.cell
def _(mo):
    mo.md(r"""
    ## The data

    The profile is measured: forward FLOPs $\phi_b$ and output bits $a_b$ of each block. The hardware
    is of the kind found on data sheets, rounded: a board of 50 GFLOP/s and 3 W, a server of 4 TFLOP/s
    whose share of the power is 100 W, an uplink of which a bit costs 60 nJ. Activations can be sent
    in fewer bits than they are computed with; the raw image always has its 8 bits a channel.
    """)
    return


@app.cell
def _(pd):
    import splitopt

    profile = splitopt.load_profile("resnet18-imagenet")
    blocks = pd.DataFrame(
        {
            "block": [block.name for block in profile.blocks],
            "MFLOP": [block.flops / 1e6 for block in profile.blocks],
            "output, kbit": [block.activation_bits / 1e3 for block in profile.blocks],
        }
    ).round(1)
    assert abs(profile.flops - 3.63e9) < 0.01e9  # the figure published for 224 x 224
    blocks
    return (profile,)


@app.cell
def _(mo):
    rate = mo.ui.slider(
        steps=[1, 2, 5, 12, 20, 35, 60, 100], value=12, label="uplink, Mbit/s", show_value=True
    )
    rate
    return (rate,)


@app.cell
def _(mo):
    feature_bits = mo.ui.slider(
        steps=[2, 4, 8, 16, 32], value=8, label="bits an activation is sent in", show_value=True
    )
    feature_bits
    return (feature_bits,)


@app.cell
def _(feature_bits, np, profile, rate):
    SPEED = np.array([50e9, 4e12])  # FLOP/s of board and server
    POWER = np.array([3.0, 100.0])  # W while busy
    BIT_J, DELAY_S = 60e-9, 0.004

    flops = np.array([block.flops for block in profile.blocks], dtype=float)
    # Bits that cross the link when the first b blocks run on the board; none if all do.
    bits = np.array(
        [
            profile.input_bits,
            *(block.activation_bits * feature_bits.value / 32 for block in profile.blocks[:-1]),
            0.0,
        ]
    )

    def price_of_cuts(rate_bit_per_s):
        """Return (latency in s, energy in J) of each cut 0..L, two arrays."""
        done = np.concatenate([[0.0], np.cumsum(flops)])
        board, server = done / SPEED[0], (done[-1] - done) / SPEED[1]
        sent = bits > 0
        latency = board + server + sent * (bits / rate_bit_per_s + DELAY_S)
        energy = POWER[0] * board + POWER[1] * server + BIT_J * bits
        return latency, energy

    latency, energy = price_of_cuts(rate.value * 1e6)
    return BIT_J, DELAY_S, POWER, SPEED, bits, energy, flops, latency, price_of_cuts


@app.cell
def _(energy, latency, plt):
    figure, axes = plt.subplots()
    front = [
        cut
        for cut in range(len(energy))
        if not ((latency < latency[cut]) & (energy <= energy[cut])).any()
        and not ((latency <= latency[cut]) & (energy < energy[cut])).any()
    ]
    others = [cut for cut in range(len(energy)) if cut not in front]
    axes.plot(1e3 * latency[front], energy[front], "o", label="no other cut is better in both")
    axes.plot(
        1e3 * latency[others], energy[others], "s", markerfacecolor="white", label="another is"
    )
    for _cut in range(len(energy)):
        _at = (1e3 * latency[_cut], energy[_cut])
        axes.annotate(f"{_cut}", _at, textcoords="offset points", xytext=(5, 4))
    axes.set(xlabel="latency, ms", ylabel="energy, J", title="Every cut, by blocks on the board")
    axes.margins(0.1)
    axes.legend()
    figure
    return


@app.cell
def _(energy, latency, mo):
    cheapest, fastest = int(energy.argmin()), int(latency.argmin())
    mo.md(
        f"The **cheapest** cut leaves {cheapest} blocks on the board ({energy[cheapest]:.3f} J, "
        f"{1e3 * latency[cheapest]:.1f} ms); the **fastest** leaves {fastest} "
        f"({energy[fastest]:.3f} J, {1e3 * latency[fastest]:.1f} ms)."
    )
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## The same as a shortest path

    Make a node for each pair (blocks done, machine). An arc either runs the next block here, or sends
    the activations to the server. Every path from (0, board) to (L, anywhere) is a plan and its length
    is the plan's energy. With three machines, with relays, with a menu of models, the picture stays the
    same, only the graph grows: this is the **time-energy graph** of the suite.
    """)
    return


@app.cell
def _(BIT_J, DELAY_S, POWER, SPEED, bits, flops, np):
    def layered_graph(rate_bit_per_s):
        """Return tail, head, energy and latency of each arc; node 2 b + machine, and a sink."""
        count = len(flops)
        sink = 2 * (count + 1)
        arcs = []
        for b in range(count + 1):
            for machine in (0, 1):
                node = 2 * b + machine
                if b == count:
                    arcs.append((node, sink, 0.0, 0.0))
                    continue
                seconds = flops[b] / SPEED[machine]
                arcs.append((node, node + 2, POWER[machine] * seconds, seconds))
            if b < count:
                arcs.append((2 * b, 2 * b + 1, BIT_J * bits[b], bits[b] / rate_bit_per_s + DELAY_S))
        tail, head, joule, second = map(np.array, zip(*arcs, strict=True))
        return tail.astype(int), head.astype(int), joule, second, sink

    return (layered_graph,)


@app.cell
def _(energy, layered_graph, mo, np, rate):
    from splitopt import constrained_shortest_path

    tail, head, joule, second, sink = layered_graph(rate.value * 1e6)
    path = constrained_shortest_path(tail, head, joule, second, 0, sink, np.array([np.inf]))
    # Enumeration and the shortest path must agree: a plan is a path and nothing else.
    assert abs(path.cost - energy.min()) <= 1e-12 * energy.min()
    mo.md(f"The shortest of its paths costs **{path.cost:.3f} J**, as the cheapest cut does.")
    return constrained_shortest_path, head, joule, second, sink, tail


@app.cell
def _(mo):
    mo.md(r"""
    ## A deadline

    Now the request must be answered within $\tau$. A path has two lengths, energy and time, and the
    cheapest path whose time is at most $\tau$ is the **constrained shortest path**. It is NP-hard in
    general: Bellman's principle fails, since the cheap way to reach a node may be too slow for what
    follows, and the fast way must be remembered too. The program keeps **labels**: all (energy, time)
    pairs of a node of which none is worse than another in both.
    """)
    return


@app.cell
def _(mo):
    deadline = mo.ui.slider(
        steps=[0.9, 1, 1.05, 1.1, 1.2, 1.5, 2, 3, 5],
        value=1.2,
        label="deadline, times the latency of the fastest cut",
        show_value=True,
    )
    deadline
    return (deadline,)


@app.cell
def _(
    constrained_shortest_path, deadline, energy, head, joule, latency, mo, np, second, sink, tail
):
    # A path adds up in another order than a cut: the last digit may differ.
    limit = deadline.value * latency.min() * (1 + 1e-12)
    kept = constrained_shortest_path(tail, head, joule, second, 0, sink, np.array([limit]))
    within = energy[latency <= limit]
    if within.size:
        assert kept.cost is not None
        assert abs(kept.cost - within.min()) <= 1e-12 * within.min()
        said = f"Within {1e3 * limit:.1f} ms the least energy is **{kept.cost:.3f} J**."
    else:
        assert kept.cost is None
        said = f"No plan answers within {1e3 * limit:.1f} ms."
    mo.md(said + f" The program made {kept.statistics.labels_made} labels.")
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## A price on seconds

    Instead of forbidding slowness, charge for it: minimise energy $+ \lambda \cdot$ time. For each
    $\lambda \ge 0$ that is an ordinary shortest path, and (least priced length) $- \lambda \tau$ is a
    **lower bound** on the constrained optimum. The best such bound is the Lagrangian dual. But prices
    only ever find plans on the *lower convex hull* of the cloud: a plan inside the hull can be optimal
    for a deadline and is found by no price. The difference is the **duality gap**.
    """)
    return


@app.cell
def _(energy, latency, np, pd):
    def dual_bound(tau):
        """Return max over prices of min over cuts of energy + price (latency - tau)."""
        prices = np.concatenate([[0.0], np.geomspace(1e-3, 1e4, 4000)])
        priced = energy[None, :] + prices[:, None] * (latency - tau)[None, :]
        return float(priced.min(axis=1).max())

    rows = []
    for tau in np.quantile(latency, [0.0, 0.25, 0.5, 0.75, 1.0]):
        best = float(energy[latency <= tau + 1e-15].min())
        rows.append((1e3 * tau, best, dual_bound(tau)))
    gaps = pd.DataFrame(rows, columns=["deadline, ms", "optimum, J", "dual bound, J"])
    gaps["gap, %"] = 100 * (1 - gaps["dual bound, J"] / gaps["optimum, J"])
    # A dual bound may never lie above the optimum.
    assert (gaps["dual bound, J"] <= gaps["optimum, J"] * (1 + 1e-12)).all()
    gaps.round(4)
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## Exercises

    1. `splitopt show cift-tiny-inference` shows an instance with six nodes and a deadline. Write a plan
       file by hand that keeps the deadline (`splitopt check` says what a plan breaks), then improve it.
       `splitopt grade 1-feasible plan.json` and `splitopt grade 1-optimal plan.json` judge it.
    2. At which uplink rate does the cheapest cut change for the first time? Is it ever inside the
       network? Compare with VGG-16 (`splitopt.load_profile("vgg16-imagenet")`).
    3. Find a deadline for which the dual bound is not tight, and name the plan that no price finds.
    """)
    return


if __name__ == "__main__":
    app.run()
