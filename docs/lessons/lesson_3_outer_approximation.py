"""Lesson 3: a convex energy from below by tangents, closed by linear programs alone."""

import marimo

app = marimo.App(app_title="3. Outer approximation by hand")


@app.cell
def _(mo):
    mo.md(r"""
    # 3. Outer approximation by hand

    A processor that may run at any speed $f$ spends $\kappa w f^2 + \rho w / f$ joules on $w$ FLOP: a
    dynamic part that grows with speed, and a busy power that is paid as long as it takes. No linear
    solver knows such a curve. But written in time $t = w / f$ it is **convex**, and a convex curve lies
    above each of its tangents. Replace it by a few tangents: a linear program whose optimum is a lower
    bound. Add the tangent at its solution. Repeat: the bounds close in.
    """)
    return


@app.cell
def _():
    import highspy
    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd

    from splitopt.bench.report.style import for_slides

    plt.rcParams.update(for_slides())  # the figures of the report: told apart without colour too

    return highspy, mo, np, pd, plt


@app.cell
def _(mo):
    mo.md(r"""
    ## One host

    $$e(t) = \frac{\kappa w^3}{t^2} + \rho t, \qquad
      e(t) \ge \kappa \left( 3 f_0^2 w - 2 f_0^3 t \right) + \rho t \quad \text{for every } f_0 .$$

    The least energy is at the **critical speed** $f^* = (\rho / 2 \kappa)^{1/3}$, whatever the work:
    slower than that, idling costs more than haste saves.
    """)
    return


@app.cell
def _(np):
    KAPPA, RHO, WORK = 2.0e-29, 4.0, 3.6e9  # J s^2 / FLOP^3, W, FLOP

    def energy(t):
        return KAPPA * WORK**3 / t**2 + RHO * t

    def tangent(f0, t):
        return KAPPA * (3 * f0**2 * WORK - 2 * f0**3 * t) + RHO * t

    critical = (RHO / (2 * KAPPA)) ** (1 / 3)
    _t = np.linspace(0.2, 5, 1000)
    # Tangents support the curve: nowhere above it, and equal where they touch.
    for _f0 in np.geomspace(1e9, 2e10, 50):
        assert (tangent(_f0, _t) <= energy(_t) * (1 + 1e-12)).all()
        assert np.isclose(tangent(_f0, WORK / _f0), energy(WORK / _f0))
    assert np.isclose(critical, 4.641588833612779e9)
    return critical, energy, tangent


@app.cell
def _(mo):
    count = mo.ui.slider(1, 8, value=3, label="tangents", show_value=True)
    count
    return (count,)


@app.cell
def _(count, critical, energy, np, plt, tangent):
    _t = np.linspace(0.25, 2.5, 400)
    touching = np.geomspace(critical / 2, critical * 2.5, count.value)
    figure, axes = plt.subplots()
    lines = np.array([tangent(f0, _t) for f0 in touching])
    axes.plot(_t, energy(_t), markevery=40, label="energy")
    axes.plot(_t, lines.max(axis=0), markevery=(20, 40), label="highest tangent: the bound")
    for _line in lines:
        axes.plot(_t, _line, color="#4d4d4d", linestyle="-", linewidth=0.6, marker="")
    axes.set(xlabel="time, s", ylabel="energy, J", ylim=(0, 14), title="Tangents from below")
    axes.legend()
    figure
    return


@app.cell
def _(mo):
    mo.md(r"""
    With tangents at speeds in ratio $1 + s$ the worst relative error is about $\tfrac34 s^2$: halve the
    step, quarter the error. A fixed grid is a bound that you can state beforehand. Tangents where they
    are needed are cheaper.

    ## Three hosts and a deadline

    A placement puts parts of a network on three hosts; together they must be done within $\tau$. How
    long may each take? Linear program $k$: minimise $\sum_h e_h$ subject to all tangents so far and
    $\sum_h t_h \le \tau$. Its optimum is a **lower bound**; its times, put into the true curve, a plan,
    hence an **upper bound**.
    """)
    return


@app.cell
def _(mo):
    tau = mo.ui.slider(
        steps=[0.2, 0.24, 0.25, 0.27, 0.3, 0.33, 0.36, 0.4, 0.5],
        value=0.27,
        label="deadline, s",
        show_value=True,
    )
    tau
    return (tau,)


@app.cell
def _(highspy, np):
    # kappa, rho, work, slowest and fastest speed of each host
    HOSTS = np.array(
        [
            [2.0e-29, 4.0, 1.2e9, 1e9, 8e9],
            [1.0e-31, 20.0, 3.0e9, 5e9, 6e10],
            [3.0e-33, 90.0, 9.0e9, 3e10, 3e11],
        ]
    )

    def total_energy(times):
        k, r, w = HOSTS[:, 0], HOSTS[:, 1], HOSTS[:, 2]
        return float((k * w**3 / times**2 + r * times).sum())

    def outer_approximation(limit, rounds):
        """Return bounds and values, one a round."""
        k, r, w, slow, fast = HOSTS.T
        model = highspy.Highs()
        model.setOptionValue("output_flag", False)
        times = [model.addVariable(lb=w[h] / fast[h], ub=w[h] / slow[h]) for h in range(3)]
        joules = [model.addVariable(lb=0.0, obj=1.0) for h in range(3)]
        model.addConstr(times[0] + times[1] + times[2] <= limit)
        at = np.sqrt(slow * fast)  # first tangents in the middle
        lower, upper = [], []
        for _ in range(rounds):
            for h in range(3):
                model.addConstr(
                    joules[h]
                    >= k[h] * (3 * at[h] ** 2 * w[h] - 2 * at[h] ** 3 * times[h]) + r[h] * times[h]
                )
            model.run()
            if model.getModelStatus() != highspy.HighsModelStatus.kOptimal:
                return lower, upper  # no times keep the deadline
            lower.append(model.getInfo().objective_function_value)
            found = np.array([model.val(t) for t in times])
            upper.append(total_energy(found))
            at = w / found
        return lower, upper

    return HOSTS, outer_approximation


@app.cell
def _(HOSTS, np, outer_approximation, tau):
    from fractions import Fraction

    from splitopt.formulations.cift.brute_force.oracle import Host, phase_optimum

    lower, upper = outer_approximation(tau.value, 14)
    # The oracle shares nothing with the tangents: one multiplier on the deadline, by bisection.
    oracle = phase_optimum(
        [Host(Fraction(int(w)), k, r, slow, fast) for k, r, w, slow, fast in HOSTS.tolist()],
        Fraction(tau.value),
    )
    if oracle is None:
        assert not lower
    else:
        assert max(lower) <= oracle.energy_j * (1 + 1e-9)
        assert min(upper) >= oracle.lower_j * (1 - 1e-9)
        assert min(upper) - max(lower) <= 1e-4 * oracle.energy_j
        assert np.all(np.diff(lower) >= -1e-9)  # more tangents never lower a bound
    return lower, oracle, upper


@app.cell
def _(lower, np, oracle, pd, upper):
    rounds = pd.DataFrame({"round": range(1, len(lower) + 1), "bound, J": lower, "value, J": upper})
    rounds["gap"] = np.minimum.accumulate(upper) - np.maximum.accumulate(lower) if lower else []
    rounds.round(7)
    assert oracle is None or len(rounds) == 14
    rounds
    return


@app.cell
def _(lower, np, plt, upper):
    _figure, _axes = plt.subplots()
    _k = np.arange(1, len(lower) + 1)
    _axes.plot(_k, lower, label="bound")
    _axes.plot(_k, upper, label="value of the plan")
    _axes.set(xlabel="round", ylabel="energy, J", title="Bound and value closing in")
    _axes.legend()
    _figure
    return


@app.cell
def _(mo, oracle):
    mo.md(
        "No times keep this deadline: the first program is infeasible already."
        if oracle is None
        else f"The optimum is **{oracle.energy_j:.6f} J**; a second more would save "
        f"{oracle.multiplier_w:.2f} J: that is the multiplier of the deadline, in watts."
    )
    return


@app.cell
def _(mo):
    mo.md(r"""
    The method `highs-oa` does this inside a mixed-integer program that chooses placement and
    configuration too: each round is a MILP, its bound is global, and tangents are homogeneous in
    $(w, t)$, so one row serves whatever work a host gets. It is certified to $10^{-6}$ without a
    nonlinear solver.

    ## Exercises

    1. Solve `cift-tiny-continuous` with `highs-oa` and with `scip-minlp`, and compare time and bound.
    2. Write a plan for `cift-tiny-continuous` within 1 % of the optimum:
       `splitopt grade 3-close plan.json`.
    3. Prove the error $\tfrac34 s^2$: where between two tangents is the curve farthest above both?
    """)
    return


if __name__ == "__main__":
    app.run()
