"""Lesson 5: labels, trimming, and a guarantee that is tested while you watch."""

import marimo

app = marimo.App(app_title="5. Approximation schemes")


@app.cell
def _(mo):
    mo.md(r"""
    # 5. Approximation schemes

    The label program of lesson 1 is exact, and on bad instances it keeps exponentially many labels. An
    **approximation scheme** throws labels away on purpose and proves what that can cost: for any
    $\varepsilon > 0$ its plan takes at most $1 + \varepsilon$ times the least energy, its work is
    polynomial in the size and in $1/\varepsilon$, and the deadline is kept. This lesson builds one in
    twenty lines, shows where its guarantee comes from, and then breaks it.
    """)
    return


@app.cell
def _():
    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd

    from splitopt.bench.report.style import for_slides, plain_numbers

    plt.rcParams.update(for_slides())  # the figures of the report: told apart without colour too

    return mo, np, pd, plain_numbers, plt


@app.cell
def _(mo):
    mo.md(r"""
    ## A chain of choices

    $n$ blocks, each run at one of two speeds: cheap and slow, or dear and fast. The figures are chosen so
    that many of the $2^n$ plans are incomparable: what one saves in energy it loses in time.
    """)
    return


@app.cell
def _(mo):
    blocks = mo.ui.slider(steps=[4, 8, 12, 16, 18], value=12, label="blocks", show_value=True)
    blocks
    return (blocks,)


@app.cell
def _(mo):
    epsilon = mo.ui.slider(
        steps=[1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01], value=0.1, label="epsilon", show_value=True
    )
    epsilon
    return (epsilon,)


@app.cell
def _(np):
    def chain(n):
        """Return energy and time of the two speeds of each block, each of shape (n, 2)."""
        random = np.random.default_rng(20)
        base = random.uniform(1, 2, n)
        extra = random.uniform(0.2, 1, n)
        energy = np.stack([base, base + extra], axis=1)
        # Time falls as energy rises, with a little noise so that no two plans tie.
        time = np.stack([base + extra * random.uniform(0.95, 1.05, n), base], axis=1)
        return energy, time

    return (chain,)


@app.cell
def _(blocks, chain):
    energy, time = chain(blocks.value)
    deadline = 0.5 * (time[:, 0].sum() + time[:, 1].sum())
    return deadline, energy, time


@app.cell
def _(mo):
    mo.md(r"""
    ## The program, with and without trimming

    Labels are pairs (energy, time). After each block, drop labels that another one beats in both. Then,
    if $\delta > 0$, sort the rest into cells $[(1+\delta)^k, (1+\delta)^{k+1})$ of energy and keep in
    each only the **fastest**. Keeping the fastest is what saves the deadline: whatever completion the
    dropped label had, the kept one has it too, in no more time. With $(1+\delta)^n \le 1 + \varepsilon$
    the errors of all $n$ steps together stay within $1 + \varepsilon$.
    """)
    return


@app.cell
def _(np):
    def run(energy, time, deadline, delta):
        """Return (least energy or None, labels kept after each block)."""
        labels = np.zeros((1, 2))
        kept = []
        for e, t in zip(energy, time, strict=True):
            grown = np.concatenate([labels + [e[0], t[0]], labels + [e[1], t[1]]])
            grown = grown[grown[:, 1] <= deadline]
            order = np.lexsort((grown[:, 1], grown[:, 0]))
            grown = grown[order]
            fastest = np.minimum.accumulate(grown[:, 1])
            first = np.concatenate([[True], grown[1:, 1] < fastest[:-1]])[: len(grown)]
            labels = grown[first]  # undominated: dearer and faster
            if delta > 0 and len(labels):
                cell = np.floor(np.log(labels[:, 0]) / np.log1p(delta))
                # Labels are sorted by energy, so the last of a cell is its fastest.
                last = np.concatenate([cell[1:] != cell[:-1], [True]])
                labels = labels[last]
            kept.append(len(labels))
        return (float(labels[:, 0].min()) if len(labels) else None), kept

    return (run,)


@app.cell
def _(blocks, deadline, energy, epsilon, mo, run, time):
    delta = (1 + epsilon.value) ** (1 / blocks.value) - 1
    optimum, exact_labels = run(energy, time, deadline, 0.0)
    value, trimmed_labels = run(energy, time, deadline, delta)
    # The guarantee, live.
    assert optimum <= value <= (1 + epsilon.value) * optimum * (1 + 1e-12)
    mo.md(
        f"Exact: **{optimum:.4f} J** with {sum(exact_labels)} labels. Within "
        f"{100 * epsilon.value:g} %: **{value:.4f} J** with {sum(trimmed_labels)} labels. Promised ratio "
        f"{1 + epsilon.value:g}, actual ratio **{value / optimum:.5f}**."
    )
    return exact_labels, trimmed_labels


@app.cell
def _(exact_labels, np, plain_numbers, plt, trimmed_labels):
    figure, axes = plt.subplots()
    _k = np.arange(1, len(exact_labels) + 1)
    axes.semilogy(_k, exact_labels, label="exact")
    axes.semilogy(_k, trimmed_labels, label="trimmed")
    axes.set(xlabel="block", ylabel="labels kept", title="Labels, exact and trimmed")
    plain_numbers(axes)
    axes.legend()
    figure
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## Guaranteed and actual

    The promise is for the worst case; the actual ratio is far better as a rule. Both halves of that
    sentence are worth measuring.
    """)
    return


@app.cell
def _(chain, pd, run):
    _energy, _time = chain(16)
    _deadline = 0.5 * (_time[:, 0].sum() + _time[:, 1].sum())
    _optimum, _exact = run(_energy, _time, _deadline, 0.0)
    rows = []
    for eps in (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01):
        _value, _kept = run(_energy, _time, _deadline, (1 + eps) ** (1 / 16) - 1)
        assert _value <= (1 + eps) * _optimum
        rows.append((eps, 1 + eps, _value / _optimum, sum(_kept)))
    ratios = pd.DataFrame(rows, columns=["epsilon", "promised", "actual", "labels"])
    assert ratios["labels"].is_monotonic_increasing  # accuracy costs labels
    assert sum(_exact) > 5 * ratios["labels"].iloc[3]  # epsilon = 0.1 against exact
    ratios.round(5)
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## Breaking it

    Keep the **cheapest** of each cell instead of the fastest. It looks harmless, even greedy for the
    better. But now the kept label may be too slow for every completion: the deadline cuts all of them,
    and the program says "infeasible" of an instance that has a plan.
    """)
    return


@app.cell
def _(np):
    def run_wrongly(energy, time, deadline, delta):
        """The same program, keeping the cheapest label of a cell."""
        labels = np.zeros((1, 2))
        for e, t in zip(energy, time, strict=True):
            grown = np.concatenate([labels + [e[0], t[0]], labels + [e[1], t[1]]])
            grown = grown[grown[:, 1] <= deadline]
            grown = grown[np.lexsort((grown[:, 1], grown[:, 0]))]
            if not len(grown):
                return None
            cell = np.floor(np.log(grown[:, 0]) / np.log1p(delta))
            labels = grown[np.concatenate([[True], cell[1:] != cell[:-1]])]
        return float(labels[:, 0].min())

    # Two blocks: after the first, the two labels share a cell; only the dear one is in time.
    two_energy = np.array([[10.0, 10.05], [1.0, 1.0]])
    two_time = np.array([[2.0, 1.0], [1.0, 1.0]])
    broken = run_wrongly(two_energy, two_time, 2.0, 0.1)
    return broken, two_energy, two_time


@app.cell
def _(broken, mo, run, two_energy, two_time):
    right, _ = run(two_energy, two_time, 2.0, 0.1)
    assert broken is None
    assert abs(right - 11.05) < 1e-12
    mo.md(f"Keeping the fastest finds **{right:.2f} J**; keeping the cheapest finds **nothing**.")
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## In the suite

    `jqodi` is this program over configurations, hops, segments and speeds, with completion bounds, an
    incumbent, and a **certificate**: every discard notes the least energy it stood for, so a run ends
    with a bound of its own, usually far better than $1 + \varepsilon$. With two deadlines only one can be
    kept at full strength (the other within $1 + \varepsilon$) unless P = NP.
    """)
    return


@app.cell
def _(pd):
    import splitopt

    # One deadline: the case in which the factor 1 + epsilon holds against the optimum itself.
    _instance = splitopt.load("cift-quick-tiers").replace(inference_deadline_s=None)
    reference = splitopt.method("highs-flow", "cift").solve(_instance, splitopt.Budget(), 0, {})
    _rows = []
    for _epsilon in (1.0, 0.1, 0.01):
        _result = splitopt.method("jqodi", "cift").solve(
            _instance, splitopt.Budget(), 0, {"epsilon": _epsilon}
        )
        assert _result.bound <= reference.objective * (1 + 1e-6)
        assert _result.objective <= (1 + _epsilon) * reference.objective * (1 + 1e-6)
        _rows.append(
            (
                _epsilon,
                _result.objective / reference.objective,
                _result.objective / _result.bound,
                _result.guarantee.statement,
            )
        )
    pd.DataFrame(_rows, columns=["epsilon", "actual ratio", "certified ratio", "guarantee"])
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## Exercises

    1. `splitopt show cift-tiny-both --tree` draws the tree of a run: find a label that was trimmed and
       the one that stands for it.
    2. `splitopt sweep cift-quick-tiers` computes the whole trade-off between deadline and energy. How
       many steps does it have, and how many with `--epsilon 0.05`?
    3. Why does one deadline suffice for the argument, and where does it fail for two?
    4. `splitopt grade 5-within plan.json`: a plan for `cift-quick-tiers` within 5 % of the optimum.
    """)
    return


if __name__ == "__main__":
    app.run()
