"""Lesson 6: a server shared by many, square roots, cones and prices."""

import marimo

app = marimo.App(app_title="6. Sharing a server")


@app.cell
def _(mo):
    mo.md(r"""
    # 6. Sharing a server

    Many devices split their networks and share one edge server: the problem MEPRA. Device $i$ that
    leaves work worth $b_i$ seconds to the whole server waits $b_i / \alpha_i$ when it has the share
    $\alpha_i$ of it. You will see

    1. the **square-root rule**: how to share once the splits are fixed,
    2. two ways to write the same product, one weak and one strong,
    3. a **price of congestion** that decouples a million devices,
    4. why large is easy and small can be hard.
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
    ## The square-root rule

    $$\min_\alpha \sum_i \frac{b_i}{\alpha_i}, \quad \sum_i \alpha_i \le 1
      \qquad\Rightarrow\qquad \alpha_i = \frac{\sqrt{b_i}}{\sum_j \sqrt{b_j}}, \quad
      \text{value} = \Bigl(\sum_i \sqrt{b_i}\Bigr)^2 .$$

    By Cauchy and Schwarz: $\sum_i b_i/\alpha_i \cdot \sum_i \alpha_i \ge (\sum_i \sqrt{b_i})^2$. Not in
    proportion to work, and not in equal parts.
    """)
    return


@app.cell
def _(mo):
    ratio = mo.ui.slider(
        steps=[1, 2, 4, 9, 16, 25, 49, 100],
        value=16,
        label="work of device 1 over that of device 2",
        show_value=True,
    )
    ratio
    return (ratio,)


@app.cell
def _(np, plt, ratio):
    work = np.array([ratio.value, 1.0])
    share = np.linspace(0.02, 0.98, 500)
    delay = work[0] / share + work[1] / (1 - share)
    best = np.sqrt(work[0]) / np.sqrt(work).sum()
    least = np.sqrt(work).sum() ** 2
    assert delay.min() >= least * (1 - 1e-12)
    assert np.isclose(work[0] / best + work[1] / (1 - best), least)
    figure, axes = plt.subplots()
    axes.plot(100 * share, delay, marker="", color="#4d4d4d", label="total delay")
    for _x, _name in ((best, "square root"), (work[0] / work.sum(), "proportional"), (0.5, "even")):
        _delay = work[0] / _x + work[1] / (1 - _x)
        axes.plot(
            100 * _x, _delay, linestyle="none", markersize=9, label=f"{_name}: {_delay:.1f} s"
        )
    axes.set(
        xlabel="share of device 1, %",
        ylabel="total delay, s",
        ylim=(0, 6 * least),
        title="The square root shares best",
    )
    axes.legend(loc="upper center")
    figure
    return


@app.cell
def _(mo):
    mo.md(r"""
    So with the splits fixed the cost is $\sum_i a_i + (\sum_i r_i)^2$ with $r_i = \sqrt{b_i}$ (weights
    included), and with options $s$ for each device,

    $$\min \sum_i \sum_s a_{is} x_{is} + \Bigl(\sum_i \sum_s r_{is} x_{is}\Bigr)^2, \qquad
      \sum_s x_{is} = 1,$$

    one convex square of one linear form of binaries: the shares are gone.

    ## Two relaxations of one product

    Keep the shares. The waiting time $t_i$ of device $i$ obeys $t_i \alpha_i \ge$ (its edge work). For
    binary $x$ with one option a device these agree, relaxed they do not:

    - **linear right side**: $t_i \alpha_i \ge \sum_s b_{is} x_{is}$ (the natural model, not convex in $\alpha, t, x$ as a whole),
    - **conic right side**: $t_i \alpha_i \ge (\sum_s r_{is} x_{is})^2$, a rotated cone.

    A McCormick relaxation of the product $t \alpha$ knows only bounds on $t$ and $\alpha$. For two
    devices:
    """)
    return


@app.cell
def _(np):
    # Two devices, two options each: all local (a, r = 0) or all at the edge (0, r).
    own = np.array([[2.4, 0.0], [2.2, 0.0]])
    root = np.array([[0.0, 1.2], [0.0, 1.1]])

    def integer_optimum():
        return min(
            own[0, i] + own[1, j] + (root[0, i] + root[1, j]) ** 2 for i in (0, 1) for j in (0, 1)
        )

    def conic_bound(steps=2001):
        """Minimise sum a x + (sum r x)^2 over fractions: the conic relaxation, shares eliminated."""
        x = np.linspace(0, 1, steps)
        first, second = x[:, None], x[None, :]
        cost = own[0, 0] * (1 - first) + own[1, 0] * (1 - second)
        cost = cost + (root[0, 1] * first + root[1, 1] * second) ** 2
        return float(cost.min())

    def mccormick_bound(longest):
        """Minimise with t alpha >= b x replaced by its McCormick envelope, t in [0, longest].

        The envelope of w = t alpha from above over [0, longest] x [0, 1] is
        w <= min(t, longest alpha); so t >= b x and alpha >= b x / longest.
        """
        x = np.linspace(0, 1, 401)
        first, second = np.meshgrid(x, x, indexing="ij")
        b = root**2
        need = (b[0, 1] * first + b[1, 1] * second) / longest
        cost = own[0, 0] * (1 - first) + own[1, 0] * (1 - second)
        cost = cost + b[0, 1] * first + b[1, 1] * second
        return float(cost[need <= 1].min())

    optimum = integer_optimum()
    return conic_bound, mccormick_bound, optimum


@app.cell
def _(conic_bound, mccormick_bound, np, optimum, pd):
    bounds = pd.DataFrame(
        {"bound": [optimum, conic_bound(), mccormick_bound(10.0)]},
        index=["integer optimum", "conic relaxation", "McCormick of the product"],
    )
    # Worked by hand: 2.4 + 1.1^2 = 3.61 against 2.2 + 1.2^2 = 3.64, 2.4 + 2.2 = 4.6, 2.3^2 = 5.29.
    assert np.isclose(optimum, 3.61)
    # Relaxed, any x with 1.2 x_1 + 1.1 x_2 = 1 is best: 4.6 - 2 + 1.
    assert np.isclose(conic_bound(), 3.6, atol=1e-6)
    # The product lets both use the whole server: 1.2^2 + 1.1^2.
    assert np.isclose(mccormick_bound(10.0), 2.65)
    bounds
    return


@app.cell
def _(mo):
    mo.md(r"""
    The product forgets that the two devices **compete**: each pays for its own work as if it had the
    whole server. The cone remembers.

    ## A price of congestion

    $R^2 = \max_\lambda\, 2\lambda R - \lambda^2$. For a fixed price $\lambda$ every device chooses alone:
    least $a_{is} + 2\lambda r_{is}$. The total is a lower bound for every $\lambda$, concave in
    $\lambda$; its maximum is the Lagrangian bound, and the devices' choices are nearly a plan.
    """)
    return


@app.cell
def _(mo):
    devices = mo.ui.slider(
        steps=[2, 4, 8, 16, 32, 64, 128, 256, 1024], value=16, label="devices", show_value=True
    )
    devices
    return (devices,)


@app.cell
def _(np):
    def fleet(n):
        """Return own cost and root of each option, shapes (n, 6): the more at the edge, the less own."""
        random = np.random.default_rng(6)
        a = np.sort(random.uniform(0, 1, (n, 6)), axis=1)[:, ::-1]
        r = np.sort(random.uniform(0, 1, (n, 6)), axis=1) / np.sqrt(n)
        r[:, 0] = 0.0
        return a, r / np.sqrt(n)

    def lagrangian(a, r):
        """Return (best bound, value of the best plan met on the way)."""
        bound, value = -np.inf, np.inf
        for price in np.linspace(0, r.max(axis=1).sum(), 2000):
            priced = a + 2 * price * r
            pick = priced.argmin(axis=1)
            bound = max(bound, priced.min(axis=1).sum() - price**2)
            rows = np.arange(len(a))
            value = min(value, a[rows, pick].sum() + r[rows, pick].sum() ** 2)
        return float(bound), float(value)

    return fleet, lagrangian


@app.cell
def _(devices, fleet, lagrangian, mo):
    a, r = fleet(devices.value)
    low, high = lagrangian(a, r)
    worst = float((r.max(axis=1) - r.min(axis=1)).max()) ** 2 / 4
    assert low <= high + 1e-12
    mo.md(
        f"{devices.value} devices: the optimum lies in [{low:.6f}, {high:.6f}], a relative gap of "
        f"**{(high - low) / high:.2e}**. Theory allows at most {worst:.2e} between bound and optimum, "
        "the largest range of r of one device, squared, over four."
    )
    return


@app.cell
def _(fleet, lagrangian, np, plt):
    sizes = [2, 4, 8, 16, 32, 64, 128, 256]
    gaps = []
    for _n in sizes:
        _low, _high = lagrangian(*fleet(_n))
        gaps.append(max((_high - _low) / _high, 1e-9))
    assert gaps[-1] < gaps[0] / 10  # many small devices average each other out
    _figure, _axes = plt.subplots()
    _axes.loglog(sizes, [100 * gap for gap in gaps])
    _axes.set(xlabel="devices", ylabel="plan above the bound, %", title="Large is easy")
    assert np.isfinite(gaps).all()
    _figure
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## Small is hard

    Choose option 1 with $a = 0, r = c_i$, or option 0 with $a = S c_i, r = 0$, where $S = \sum c_i$. The
    cost is $(\text{chosen} - S/2)^2$ plus a constant: least when the chosen numbers add up to half. That is
    PARTITION, and MEPRA is **NP-hard**. And yet such instances are easy at a relative gap of about $10^{-6}$:
    the constant dwarfs the rest. Hardness is a matter of the tolerance asked for, and has to be measured.
    """)
    return


@app.cell
def _(np, pd):
    import splitopt

    rows = []
    for name in (
        "mepra-image-10mbps",
        "mepra-tiny-partition",
        "mepra-tiny-lattice",
        "mepra-quick-fleet",
    ):
        instance = splitopt.load(name)
        tangent = splitopt.method("highs-tangent", "mepra").solve(
            instance, splitopt.Budget(), 0, {}
        )
        priced = splitopt.method("lagrangian", "mepra").solve(instance, splitopt.Budget(), 0, {})
        # Two methods without a line in common.
        assert np.isclose(tangent.objective, priced.objective, rtol=2e-6)
        root_bound = priced.statistics["root_bound"]
        rows.append((name, instance.devices, priced.objective, 1 - root_bound / priced.objective))
    proofs = pd.DataFrame(rows, columns=["instance", "devices", "optimum", "gap before branching"])
    # Ten PARTITION numbers: 225 of 2e8 are open before branching, next to nothing.
    assert proofs["gap before branching"].iloc[1] < 2e-6
    proofs
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## Exercises

    1. Show that the conic, the quadratic and the Lagrangian bound coincide (eliminate the shares from the
       first; dualise the second).
    2. `mepra-image-10mbps`: find the optimal splits by reasoning with prices.
       `splitopt grade 6-optimal plan.json` checks splits and shares.
    3. What do even shares cost on it? (`splitopt solve mepra-image-10mbps --method even-shares`)
    """)
    return


if __name__ == "__main__":
    app.run()
