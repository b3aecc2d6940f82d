"""Lesson 8: how to read a benchmark, and how to lie with one."""

import marimo

app = marimo.App(app_title="8. Reading a benchmark")


@app.cell
def _(mo):
    mo.md(r"""
    # 8. Reading a benchmark, and how to lie with one

    Three solvers, fifty instances, a time limit of 100 s. Which is best? By the end of this lesson you
    can make each of them win, without changing a single measured number, and you will know which figures
    to ask for so that nobody does this to you.
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
    ## The data

    Made up, so that we know the truth. `Steady` takes 5 to 50 s and solves all. `Sprinter` is a hundred times
    faster on most and fails on the hardest. `Careless` is fast and stops with a gap: some of its "optima"
    are wrong.
    """)
    return


@app.cell
def _(np, pd):
    LIMIT = 100.0
    random = np.random.default_rng(8)
    n = 50
    hard = random.uniform(size=n)
    steady = 5 * 10**hard
    sprinter = np.where(hard < 0.75, steady / 100, np.inf)
    careless = steady / 8
    claims_right = random.uniform(size=n) > 0.2
    runs = pd.DataFrame(
        {
            "Steady": steady,
            "Sprinter": sprinter,
            "Careless": careless,
            "Careless is right": claims_right,
        }
    )
    assert np.isfinite(runs["Steady"]).all()
    runs.replace(np.inf, np.nan).describe().round(2)
    return LIMIT, runs


@app.cell
def _(mo):
    count_wrong = mo.ui.checkbox(value=True, label="a wrong answer counts as a failure")
    count_wrong
    return (count_wrong,)


@app.cell
def _(mo):
    shift = mo.ui.slider(
        steps=[0, 0.1, 1, 10, 100],
        value=10,
        label="shift of the geometric mean, s",
        show_value=True,
    )
    shift
    return (shift,)


@app.cell
def _(mo):
    penalty = mo.ui.slider(
        steps=[1, 2, 5, 10], value=10, label="penalty: times the limit", show_value=True
    )
    penalty
    return (penalty,)


@app.cell
def _(LIMIT, np, pd, runs):
    from splitopt.bench.compare.metrics import penalised_average, shifted_geometric_mean

    METHODS = ("Steady", "Sprinter", "Careless")

    def times_of(method, wrong_fails):
        times = runs[method].to_numpy().copy()
        if method == "Careless" and wrong_fails:
            times[~runs["Careless is right"].to_numpy()] = np.inf
        return times

    def scores(wrong_fails, shift_s, factor):
        rows = {}
        for method in METHODS:
            times = times_of(method, wrong_fails)
            solved = np.isfinite(times)
            charged = np.where(solved, times, LIMIT)
            rows[method] = {
                "solved": int(solved.sum()),
                "mean of solved, s": float(times[solved].mean()),
                "shifted geometric mean, s": shifted_geometric_mean(charged, shift_s),
                f"PAR{factor}, s": penalised_average(
                    charged.tolist(), solved.tolist(), LIMIT, factor
                ),
            }
        return pd.DataFrame(rows).T

    return METHODS, scores, times_of


@app.cell
def _(count_wrong, penalty, scores, shift):
    scores(count_wrong.value, shift.value, penalty.value).round(2)
    return


@app.cell
def _(scores):
    # Three honest-looking tables, three winners.
    solved_only = scores(True, 10, 10)["mean of solved, s"]
    robust = scores(True, 10, 10)["PAR10, s"]
    credulous = scores(False, 10, 10)["PAR10, s"]
    assert solved_only.idxmin() == "Sprinter"  # averages only what it managed
    assert robust.idxmin() == "Steady"  # failures cost ten times the limit
    assert credulous.idxmin() == "Careless"  # nobody checked the answers
    return


@app.cell
def _(mo):
    mo.md(r"""
    - **Mean over the solved**: each method is averaged over *its own* easy instances. `Sprinter` wins by
      failing on what is hard.
    - **PAR10** with checked answers: `Steady` wins. A method that fails pays for it.
    - **PAR10 with claims believed**: `Careless` wins. This is why the suite recomputes every plan and
      keeps *solved* and *right* apart, and why a wrong answer never keeps its fast time.

    The shift matters too: with shift 0 a method that takes a millisecond instead of ten counts as much as
    one that takes ten seconds instead of a hundred. Print it, always.

    ## Performance profiles

    For each method the share of instances on which it is within a factor $\tau$ of the best of all.
    """)
    return


@app.cell
def _(METHODS, plain_numbers, plt, times_of):
    from splitopt.bench.compare.metrics import performance_profile

    def draw(names, title):
        profile = performance_profile({name: times_of(name, True).tolist() for name in names})
        figure, axes = plt.subplots()
        for k, name in enumerate(names):
            steps = profile[name]
            axes.step(
                [*steps.x, 1e3],
                [100 * y for y in (*steps.y, steps.y[-1])],
                where="post",
                markevery=(k, 8),
                label=name,
            )
        axes.set(xscale="log", xlim=(1, 1e3), ylim=(0, 102), title=title)
        axes.set(xlabel="time over that of the best method", ylabel="instances, %")
        plain_numbers(axes)
        axes.legend()
        return figure

    draw(METHODS, "All three")
    return (draw,)


@app.cell
def _(draw):
    draw(("Steady", "Careless"), "Without Sprinter")
    return


@app.cell
def _(mo):
    mo.md(r"""
    A trap (Gould and Scott, 2016): the profile of a method depends on **who else is in it**. Ranking the
    second against the third needs a profile without the first. Below, five instances: B beats C within
    a factor 2 while A is there, and C beats B once A has gone. No time was changed.
    """)
    return


@app.cell
def _():
    from splitopt.bench.compare.metrics import performance_profile as profile_of

    costs = {
        "A": [1.0, 1.0, 1.0, 1.0, 1.0],
        "B": [2.0, 2.0, 5.0, 5.0, 5.0],
        "C": [3.0, 3.0, 2.1, 2.1, 2.1],
    }
    with_a = {k: f(2.0) for k, f in profile_of(costs).items()}
    without_a = {k: f(2.0) for k, f in profile_of({k: costs[k] for k in "BC"}).items()}
    # By hand: beside A, B is within a factor 2 on the first two and C nowhere. Alone, C is best on
    # the last three and within 3 / 2 on the first two, B misses the last three by 5 / 2.1.
    assert with_a == {"A": 1.0, "B": 0.4, "C": 0.0}
    assert without_a == {"B": 0.4, "C": 1.0}
    {"with A": with_a, "without A": without_a}
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## Luck

    A method with a random seed is a distribution. Five seeds each of two methods whose true means differ
    by 5 %: how often does the better one lose? Compare **paired** (the same instances, the same seeds) and
    give an interval.
    """)
    return


@app.cell
def _(np):
    from splitopt.bench.compare.metrics import paired_ratio

    noise = np.random.default_rng(2)
    difficulty = noise.lognormal(0, 1.5, 20)
    first = [d * noise.lognormal(0, 0.1, 5) for d in difficulty]
    second = [1.05 * d * noise.lognormal(0, 0.1, 5) for d in difficulty]
    interval = paired_ratio(first, second, np.random.default_rng(1))
    assert interval.low < 1.05 < interval.high  # the truth is inside
    assert interval.low > 1.0  # and pairing is sharp enough to tell
    {
        "ratio": round(interval.estimate, 3),
        "low": round(interval.low, 3),
        "high": round(interval.high, 3),
    }
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## What to ask of any benchmark

    1. Who checked the answers? Solved and right, apart.
    2. What does a failure cost, and what is the shift?
    3. Which instances, chosen by whom, and how many are trivial?
    4. One machine? How many jobs at a time? Limits enforced from outside?
    5. How many seeds, and where are the intervals?
    6. Can I run it again?

    `splitopt run quick --methods all --time-limit 3 --out results` and `splitopt report results` answer all
    six of their own runs.

    ## Exercises

    1. Remove instances until `Sprinter` wins under PAR10. How many does it take?
    2. With `shift = 0`, which method profits, and by what kind of instance?
    """)
    return


if __name__ == "__main__":
    app.run()
