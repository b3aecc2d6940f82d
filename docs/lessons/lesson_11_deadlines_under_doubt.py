"""Lesson 11: deadlines when the figures are in doubt."""

import marimo

app = marimo.App(app_title="11. Deadlines under doubt")


@app.cell
def _(mo):
    mo.md(r"""
    # 11. Deadlines under doubt

    How many epochs training will take is a prediction. An optimal plan uses its deadline up, so a plan made
    with $K$ a little too low is a plan that is late. This lesson makes the doubt part of the problem: first
    a deadline that must hold with a **probability**, then speeds that are chosen **after** $K$ is known,
    and last what both are worth.
    """)
    return


@app.cell
def _():
    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd

    return mo, np, pd, plt


@app.cell
def _(mo):
    mo.md(r"""
    ## One host, a few speeds, nine samples of K

    A pass of the training takes $w / f$ seconds and $w (f^2 + 1/f)$ joules at speed $f$; there are $K$
    passes and a deadline. Nine earlier runs took the epochs below. What is the least energy, in
    expectation, with the deadline kept with probability $p$?

    Energy is linear in $K$: its expectation needs the **mean**. The time grows with $K$: keeping the
    deadline with probability $p$ needs the **quantile**, the least $k$ with
    $P(K \le k) \ge p$. Two numbers, and the problem is certain again.
    """)
    return


@app.cell
def _(mo):
    share = mo.ui.slider(
        steps=[0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0], value=0.8, label="probability", show_value=True
    )
    share
    return (share,)


@app.cell
def _(np):
    samples = np.array([4, 5, 5, 6, 6, 6, 7, 8, 11])
    speeds = np.array([1.0, 1.25, 1.5, 2.0, 2.5, 3.0])
    work, deadline = 1.0, 5.0
    joules = work * (speeds**2 + 1 / speeds)

    def quantile(p):
        """Return the least value that a share p of the samples does not exceed."""
        return np.sort(samples)[int(np.ceil(p * len(samples) - 1e-9)) - 1]

    def cheapest(k):
        """Return the cheapest speed that makes k passes within the deadline."""
        in_time = k * work / speeds <= deadline
        return int(np.flatnonzero(in_time)[np.argmin(joules[in_time])])

    return cheapest, deadline, joules, quantile, samples, speeds, work


@app.cell
def _(cheapest, deadline, joules, mo, quantile, samples, share, speeds, work):
    k = quantile(share.value)
    chosen = cheapest(k)
    kept = float((samples * work / speeds[chosen] <= deadline).mean())
    # What was asked for holds, by construction.
    assert kept >= share.value - 1e-9
    mo.md(
        f"The quantile is **{k}** epochs, the speed {speeds[chosen]:g}. The deadline holds for "
        f"**{100 * kept:.0f} %** of the samples, at **{samples.mean() * joules[chosen]:.1f} J**."
    )
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## What a kept deadline costs

    Planning with the mean or the median of $K$ looks reasonable, and is late about every second time. The
    last few percent are the dearest: for them the speed must suit a run that hardly ever happens.
    """)
    return


@app.cell
def _(cheapest, deadline, joules, pd, quantile, samples, speeds, work):
    rows = []
    for p in (0.5, 0.7, 0.8, 0.9, 1.0):
        _f = cheapest(quantile(p))
        _late = float((samples * work / speeds[_f] > deadline).mean())
        rows.append((p, quantile(p), speeds[_f], _late, samples.mean() * joules[_f]))
    price = pd.DataFrame(rows, columns=["probability", "quantile", "speed", "late", "energy"])
    assert price["energy"].is_monotonic_increasing
    assert price["late"].iloc[0] > 0.2
    assert price["late"].iloc[-1] == 0
    price.round(3)
    return (price,)


@app.cell
def _(plt, price):
    figure, axes = plt.subplots(figsize=(7, 3.2))
    axes.plot(price["probability"], price["energy"], "o-", color="#0072b2")
    axes.set(xlabel="probability asked for", ylabel="expected energy, J")
    figure
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## Recourse

    Part of the decision can wait. *Where* blocks run is settled before training; *how fast* the host runs
    can be set once $K$ is known. The expected energy of deciding speeds late is the mean of the best
    energies, one for each sample: no single speed has to suit all of them.
    """)
    return


@app.cell
def _(cheapest, joules, mo, quantile, samples):
    fixed = float(samples.mean() * joules[cheapest(quantile(1.0))])
    late = float(sum(k * joules[cheapest(k)] for k in samples.tolist()) / len(samples))
    assert late < fixed
    mo.md(
        f"Every deadline kept: **{fixed:.1f} J** with one speed, **{late:.1f} J** with speeds set "
        f"late, {100 * (1 - late / fixed):.0f} % less."
    )
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## On measured curves

    `uncertain-v1` holds networks whose $K$ comes from nine measured runs of training, the tenth held out.
    Below, one of them: the nominal plan (for the median $K$), the chance-constrained one (probability 0.9),
    and the placement with recourse. With WS the energy if everything could be decided after $K$ is seen, RP
    that with recourse, and EEV that of the nominal *placement* with its speeds set late,

    $$ WS \le RP \le EEV, \qquad \text{perfect information is worth } RP - WS, \quad
    \text{the distribution } EEV - RP. $$
    """)
    return


@app.cell
def _():
    from splitopt import Budget, check, evaluate, load, method
    from splitopt.formulations.cift.recourse.solve import solve_recourse

    def best(given):
        return method("jqodi-exact", "cift").solve(given, Budget(), 0, {}).plan

    instance = load("cift-uncertain-005")
    nominal, safe = best(instance.replace(doubt=None)), best(instance)
    assert [v.constraint for v in check(instance, nominal)] == ["fine-tuning-deadline"]
    assert check(instance, safe) == []
    late_speeds = solve_recourse(instance, best)
    assert late_speeds.wait_and_see_j <= late_speeds.objective_j * (1 + 1e-9)
    return evaluate, instance, late_speeds, nominal, safe


@app.cell
def _(evaluate, instance, late_speeds, nominal, pd, safe):
    table = pd.DataFrame(
        [
            ("nominal, misses it", evaluate(instance, nominal).objective),
            ("chance-constrained", evaluate(instance, safe).objective),
            ("recourse, RP", late_speeds.objective_j),
            ("wait and see, WS", late_speeds.wait_and_see_j),
            ("nominal placement, speeds late, EEV", late_speeds.expected_of_nominal_j),
        ],
        columns=["plan", "expected energy, J"],
    )
    table
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## Exercises

    1. `11-keeps`: a plan for `cift-uncertain-022` that keeps both deadlines with the probability asked for.
    2. `11-optimal`: the one of least expected energy. `splitopt show cift-uncertain-022 --json` prints the
       instance, `splitopt grade 11-keeps plan.json` judges an answer.
    3. With $n$ samples exchangeable with the next one, how likely does the next exceed the largest? How many
       samples does a promise of 95 % need?
    4. A scenario may be late if the weight of all late ones is at most $1 - p$. Why is choosing *which* ones
       hard, even if energy does not matter?
    5. Cantelli: of all distributions with mean $\mu$ and variance $\sigma^2$, which one makes
       $P(T \le \mu + \kappa \sigma)$ as small as $\kappa^2 / (1 + \kappa^2)$?
    """)
    return


if __name__ == "__main__":
    app.run()
