"""Lesson 2: the same optimum, four formulations, four root bounds."""

import marimo

app = marimo.App(app_title="2. One problem, four formulations")


@app.cell
def _(mo):
    mo.md(r"""
    # 2. One problem, four formulations

    A solver for mixed-integer programs starts from the **linear relaxation**: binaries may be fractions.
    Its optimum is a lower bound, and the closer that is to the true optimum, the less there is left to
    branch on. The same set of plans can be described in many ways, and *equal at integer points is not
    equal when relaxed*. Here one CIFT instance is written as

    - a disjunctive program relaxed by **big-M**,
    - the same program by its **hull**,
    - an **assignment** model: which block on which node,
    - a **flow** on the time-energy graph: which path.

    All four have the same optimum. You will see how far apart they start.
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
    ## Warm-up: a choice of two

    Either ship the picture ($y_1$: at least 6 J) or compute here ($y_2$: at least 9 J). With big-M,

    $$e \ge 6 - M(1 - y_1), \qquad e \ge 9 - M(1 - y_2), \qquad y_1 + y_2 = 1,$$

    for any $M \ge 9$ the integer optimum is 6. Relaxed, $y_1 = y_2 = \tfrac12$ gives
    $e \ge 9 - M/2$: nothing for $M \ge 18$. The hull gives each alternative its own copy of
    $e$: $e = e_1 + e_2$ with $e_1 \ge 6 y_1$, $e_2 \ge 9 y_2$, and its relaxation is 6 exactly.
    """)
    return


@app.cell
def _(mo):
    big = mo.ui.slider(9, 24, value=12, step=1, label="M, J", show_value=True)
    big
    return (big,)


@app.cell
def _(big, mo, np):
    def relaxed_big_m(m):
        """Return min over y of max(0, 6 - m (1 - y), 9 - m y), on a fine grid of y."""
        y = np.linspace(0, 1, 100001)
        return float(np.maximum.reduce([0 * y, 6 - m * (1 - y), 9 - m * y]).min())

    def closed_form(m):
        """The two slopes meet where 6 - m (1 - y) = 9 - m y."""
        return max(0.0, (15 - m) / 2)

    assert abs(relaxed_big_m(big.value) - closed_form(big.value)) < 1e-3
    mo.md(
        f"With M = {big.value:g} the big-M relaxation is **{closed_form(big.value):.2f} J** "
        "and the hull's is **6.00 J**; the optimum is 6 J."
    )
    return


@app.cell
def _(big, np, plt):
    _y = np.linspace(0, 1, 201)
    _figure, _axes = plt.subplots()
    _lines = {
        "ship: 6 - M (1 - y)": 6 - big.value * (1 - _y),
        "compute: 9 - M y": 9 - big.value * _y,
        "hull: 6 y + 9 (1 - y)": 6 * _y + 9 * (1 - _y),
    }
    for _k, (_name, _height) in enumerate(_lines.items()):
        _axes.plot(_y, _height, markevery=(10 * _k, 40), label=_name)
    _axes.fill_between(
        _y, np.maximum.reduce([0 * _y, *list(_lines.values())[:2]]), 12, color="#e4e4e4"
    )
    _axes.set(
        xlabel="y, the part of the picture that is shipped",
        ylabel="energy e, J",
        ylim=(0, 12),
        title="What big-M allows (grey), and what the hull does",
    )
    _axes.legend()
    _figure
    return


@app.cell
def _(mo):
    mo.md(r"""
    Exactly: the two slopes cross at height $(15 - M)/2$, so big-M is worth nothing from $M = 15$
    on. Choosing M as small as the data allow matters, and no finite M makes it the hull.

    ## The instance

    A menu of two networks in four compressions, two sources of data, two deadlines: 16 configurations.
    """)
    return


@app.cell
def _():
    import splitopt

    instance = splitopt.load("cift-tiny-menu")
    assert len(instance.configurations) == 16
    return instance, splitopt


@app.cell
def _(highspy, instance, splitopt):
    from splitopt.formulations.solvers.pyomo import compiled

    def solve(model, relaxed):
        """Return the optimum of a `SparseModel` in HiGHS, integrality kept or dropped."""
        from splitopt.formulations.solvers.highs import load

        engine = load(model)
        if relaxed:
            for column in range(len(model.cost)):
                engine.changeColIntegrality(column, highspy.HighsVarType.kContinuous)
        engine.setOptionValue("mip_rel_gap", 1e-7)
        engine.run()
        assert engine.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return engine.getInfo().objective_function_value

    NAMES = ("gdp-bigm", "gdp-hull", "assignment", "flow")
    measured = {}
    for _name in NAMES:
        _sparse, _ = compiled(splitopt.model(instance, _name, unit=1))  # in joules
        measured[_name] = {
            **_sparse.size,
            "relaxed, J": solve(_sparse, relaxed=True),
            "optimum, J": solve(_sparse, relaxed=False),
        }
    return NAMES, measured


@app.cell
def _(NAMES, instance, measured, pd, splitopt):
    enumerated = splitopt.method("brute-force", "cift").solve(instance, splitopt.Budget(), 0, {})
    table = pd.DataFrame(measured).T
    table["relaxed / optimum"] = table["relaxed, J"] / enumerated.objective
    # One optimum, whatever the formulation ...
    assert (abs(table["optimum, J"] / enumerated.objective - 1) < 1e-6).all()
    # ... and bounds in the order that theory gives: hull at least assignment, flow at least
    # assignment, big-M at most the hull.
    bound = table["relaxed / optimum"]
    assert bound["gdp-bigm"] <= bound["gdp-hull"] + 1e-9
    assert bound["assignment"] <= min(bound["gdp-hull"], bound["flow"]) + 1e-9
    assert bound["gdp-bigm"] < 0.01
    assert bound["flow"] > 0.85
    table[["rows", "columns", "nonzeros"]] = table[["rows", "columns", "nonzeros"]].astype(int)
    table.loc[list(NAMES)].round(4)
    return (table,)


@app.cell
def _(NAMES, plt, table):
    figure, axes = plt.subplots(figsize=(7, 2.8))
    figure.subplots_adjust(left=0.18, bottom=0.2)
    bars = axes.barh(NAMES, [table["relaxed / optimum"][name] for name in NAMES])
    axes.bar_label(bars, fmt="%.3f", padding=4)
    axes.axvline(1, color="#4d4d4d", linestyle=(0, (6, 2)), linewidth=1.2, marker="")
    axes.set(
        xlabel="bound of the relaxation, as a share of the optimum",
        xlim=(0, 1.05),
        title="How much is known before branching",
    )
    axes.invert_yaxis()
    figure
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## Why

    - **Big-M** relaxes every relation of every configuration at once; with the chosen configuration
      spread thin, nothing is bounded.
    - **Assignment** lets a node host halves of blocks and mix its speeds, and adds up the deadlines of
      all configurations: slow halves of one hide behind fast halves of another.
    - The **hull** keeps each configuration's deadline apart, $\sum t_g \le \tau y_g$ instead of
      $\sum_g t_g \le \tau$. It is never weaker than assignment; here the two happen to agree.
    - **Flow** speaks of whole segments, so a segment's cost is exact. Its rows are a network's: without
      deadlines the relaxation has integral vertices. The price is size.

    The table in the page on formulations repeats this on larger instances. Strength is not
    speed: a modern solver's presolve and cuts close much of the gap at the root, and building a large
    model costs time too. *Measure.*

    ## Exercises

    1. Write a model of `cift-tiny-menu` of your own, in any language, and hand in an MPS file:
       `splitopt grade 2-model mine.mps` solves it and its relaxation. Then make it strong:
       `2-stronger` asks for a relaxation of 85 % of the optimum. (`splitopt export cift-tiny-menu
       --formulation assignment --format mps --out a.mps` is a start, and not enough.)
    2. Drop both deadlines (`instance.replace(inference_deadline_s=None,
       fine_tuning_deadline_s=None)`). Which root bounds reach 1? Why must the flow's?
    3. Find the smallest valid M for one row of the disjunctive program and say what it would change.
    """)
    return


if __name__ == "__main__":
    app.run()
