"""Lesson 4: the same problem in integers, for a constraint solver."""

import marimo

app = marimo.App(app_title="4. The same in constraint programming")


@app.cell
def _(mo):
    mo.md(r"""
    # 4. The same in constraint programming

    CP-SAT reasons over **integers and logic**: it propagates, learns clauses from dead ends, and has no
    use for fractions. Two things are new compared with a MILP: relations can be said as they are
    ("exactly one", "if this block is here, that speed is on"), and every figure has to become an integer.
    The second is where proofs go wrong if nobody looks. In this lesson you write a splitting problem
    for CP-SAT, choose the scale, and turn its answer into an **interval that contains the true optimum**.
    """)
    return


@app.cell
def _():
    import math

    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np
    import pandas as pd
    from ortools.sat.python import cp_model

    from splitopt.bench.report.style import for_slides

    plt.rcParams.update(for_slides())  # the figures of the report: told apart without colour too

    return cp_model, math, mo, np, pd, plt


@app.cell
def _(mo):
    mo.md(r"""
    ## A chain on three machines

    MobileNetV2, cut into consecutive segments for a phone, an edge server and a cloud. Energy is to be
    least, the answer due within a deadline. Machines may be skipped, never returned to.
    """)
    return


@app.cell
def _(np):
    import splitopt

    profile = splitopt.load_profile("mobilenetv2-imagenet")
    flops = np.array([block.flops for block in profile.blocks], dtype=float)
    bits = np.array([profile.input_bits, *(b.activation_bits / 4 for b in profile.blocks[:-1])])
    SPEED = np.array([8e9, 1e11, 3e12])  # FLOP/s
    POWER = np.array([0.8, 9.0, 120.0])  # W
    RATE = np.array([2.0e7, 8.0e7])  # bit/s of the two links
    BIT_J = np.array([60e-9, 25e-9])
    joules = POWER[:, None] * flops[None, :] / SPEED[:, None]
    seconds = flops[None, :] / SPEED[:, None]
    send_j = BIT_J[:, None] * bits[None, :]
    send_s = bits[None, :] / RATE[:, None]
    return joules, profile, seconds, send_j, send_s


@app.cell
def _(joules, np, profile, seconds, send_j, send_s):
    def enumerate_cuts(deadline):
        """Return the least energy over all pairs of cuts that keep the deadline, None without one."""
        count = len(profile.blocks)
        best = None
        for i in range(count + 1):  # blocks on the phone
            for j in range(i, count + 1):  # blocks on phone and edge together
                parts = (slice(0, i), slice(i, j), slice(j, count))
                energy = sum(joules[m, part].sum() for m, part in enumerate(parts))
                time = sum(seconds[m, part].sum() for m, part in enumerate(parts))
                for link, cut in ((0, i), (1, j)):
                    if cut < count:  # something runs behind this link
                        energy += send_j[link, cut]
                        time += send_s[link, cut]
                if time <= deadline and (best is None or energy < best):
                    best = float(energy)
        return best

    assert enumerate_cuts(0.0) is None
    assert enumerate_cuts(np.inf) > 0
    return (enumerate_cuts,)


@app.cell
def _(mo):
    deadline = mo.ui.slider(
        steps=[30, 34, 35, 36, 37, 60], value=36, label="deadline, ms", show_value=True
    )
    deadline
    return (deadline,)


@app.cell
def _(mo):
    scale = mo.ui.slider(
        steps=[10, 100, 1000, 10**4, 10**6, 10**9],
        value=1000,
        label="integer units a joule",
        show_value=True,
    )
    scale
    return (scale,)


@app.cell
def _(mo):
    mo.md(r"""
    ## The model

    `on[b]` in {0, 1, 2} is the machine of block b, as three booleans of which exactly one holds;
    machines never decrease along the chain. `crossed[b, l]` says that what b blocks leave behind
    crosses link l. All coefficients are **rounded down**, so that the integer optimum divided by the
    scale is a lower bound; it is low by less than (number of terms in a plan) / scale.
    """)
    return


@app.cell
def _(cp_model, joules, math, np, profile, seconds, send_j, send_s):
    count = len(profile.blocks)
    TERMS = count + 2  # a plan runs each block once and crosses two links at most

    def solve(deadline_s, units):
        """Return (status, bound in J, plan as machine of each block) of the rounded model."""
        model = cp_model.CpModel()
        on = [[model.new_bool_var(f"on_{b}_{m}") for m in range(3)] for b in range(count)]
        crossed = [[model.new_bool_var(f"x_{b}_{k}") for k in range(2)] for b in range(count)]
        for b in range(count):
            model.add_exactly_one(on[b])
        for b in range(count):
            for k in range(2):
                # Behind link k now, and before it one block ago (the source is machine 0).
                behind = sum(on[b][k + 1 :])
                before = sum(on[b - 1][k + 1 :]) if b else 0
                model.add(behind >= before)
                model.add(crossed[b][k] == behind - before)
        down = lambda value, by: math.floor(value * by)  # noqa: E731
        microseconds = 1e6
        model.add(
            sum(
                down(seconds[m, b], microseconds) * on[b][m] for b in range(count) for m in range(3)
            )
            + sum(
                down(send_s[k, b], microseconds) * crossed[b][k]
                for b in range(count)
                for k in range(2)
            )
            <= math.floor(deadline_s * microseconds)
        )
        model.minimize(
            sum(down(joules[m, b], units) * on[b][m] for b in range(count) for m in range(3))
            + sum(down(send_j[k, b], units) * crossed[b][k] for b in range(count) for k in range(2))
        )
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        # A presolve step of OR-Tools 9.15 loses optima; the suite leaves it out.
        solver.parameters.presolve_inclusion_work_limit = 0
        status = solver.solve(model)
        if status == cp_model.INFEASIBLE:
            return "infeasible", None, None
        plan = [next(m for m in range(3) if solver.value(on[b][m])) for b in range(count)]
        return solver.status_name(status), solver.best_objective_bound / units, plan

    def judge(plan):
        """Return energy and time of a plan from the data, not from the model."""
        energy = sum(joules[m, b] for b, m in enumerate(plan))
        time = sum(seconds[m, b] for b, m in enumerate(plan))
        for b, (before, here) in enumerate(zip([0, *plan[:-1]], plan, strict=True)):
            for link in range(before, here):
                energy += send_j[link, b]
                time += send_s[link, b]
        return float(energy), float(time)

    assert np.isclose(judge([0] * count)[0], joules[0].sum())
    return TERMS, judge, solve


@app.cell
def _(TERMS, deadline, enumerate_cuts, judge, mo, scale, solve):
    limit = deadline.value / 1e3
    status, bound, plan = solve(limit, scale.value)
    truth = enumerate_cuts(limit)
    if plan is None:
        assert truth is None
        said = "No plan keeps this deadline, and the rounded model proves it: it rounds times down."
    else:
        value, time = judge(plan)
        # What the integers prove: the optimum lies between bound and value (if the plan is in time).
        assert truth is None or bound <= truth * (1 + 1e-12)
        late = time > limit
        assert late or bound <= value <= bound + TERMS / scale.value + 1e-12
        said = (
            f"CP-SAT says {status}. The optimum lies in **[{bound:.6f}, {value:.6f}] J**: the width "
            f"is the rounding, at most {TERMS} terms / {scale.value:g} = {TERMS / scale.value:.2g} J."
        )
        if late:
            said = (
                f"The plan takes {1e3 * time:.4f} ms: late by less than the rounding of times. "
                "The suite cuts such a plan off by a clause and solves again."
            )
    mo.md(said)
    return


@app.cell
def _(TERMS, enumerate_cuts, judge, pd, solve):
    truth_at_60 = enumerate_cuts(0.06)
    rows = []
    for units in (10, 100, 1000, 10**4, 10**6, 10**9):
        _status, _bound, _plan = solve(0.06, units)
        _value, _time = judge(_plan)
        assert _bound <= truth_at_60 * (1 + 1e-12)
        rows.append((units, _bound, _value, TERMS / units, abs(_value / truth_at_60 - 1) < 1e-9))
    scales = pd.DataFrame(
        rows, columns=["units a J", "bound, J", "plan, J", "promised width, J", "optimal"]
    )
    assert bool(scales["optimal"].iloc[-1])  # fine units find the optimum ...
    assert scales["bound, J"].iloc[-1] > scales["bound, J"].iloc[0]  # ... and prove more
    scales
    return scales, truth_at_60


@app.cell
def _(plt, scales, truth_at_60):
    figure, axes = plt.subplots()
    axes.plot(scales["units a J"], 1e3 * scales["plan, J"], label="the plan found")
    axes.plot(scales["units a J"], 1e3 * scales["bound, J"], label="what the integers prove")
    axes.axhline(1e3 * truth_at_60, color="#4d4d4d", linestyle=(0, (1, 1.5)), marker="")
    axes.annotate("optimum", (1e7, 1e3 * truth_at_60), xytext=(0, -14), textcoords="offset points")
    axes.fill_between(
        scales["units a J"], 1e3 * scales["bound, J"], 1e3 * scales["plan, J"], color="#e4e4e4"
    )
    axes.set(xscale="log", xlabel="integer units a joule", ylabel="energy, mJ")
    axes.set_title("The optimum lies in the grey")
    axes.legend()
    figure
    return


@app.cell
def _(mo):
    mo.md(r"""
    Coarse units make a small, fast and **wrong** model: what is optimal for rounded data need not be for
    the data. Fine units are limited by 64-bit integers: sums must stay below $2^{63}$. The method
    `cpsat` follows the best plan known with its scale, states the error, and its bound includes it.

    ## Where it shines and where not

    Constraint programming wins where logic decides (memory, compatibility, "at most one segment a
    node") and loses where a good linear bound does all the work: here the flow model's relaxation.
    For MEPRA, whose heart is a square of a sum, CP-SAT needs an integer product and bounds it badly.

    ## Exercises

    1. Add to the model that the phone's battery allows 20 mJ for computing. What does the optimum cost?
    2. At which scale does the deadline's rounding first admit a plan that is late?
    3. `splitopt grade 4-fits plan.json`: a plan for `cift-tiny-hosts`, where memory decides.
    """)
    return


if __name__ == "__main__":
    app.run()
