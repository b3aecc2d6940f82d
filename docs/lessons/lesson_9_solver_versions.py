"""Lesson 9: is the new version faster? Paired ratios, and what noise does to them."""

import marimo

app = marimo.App(app_title="9. Benchmarking solver versions")


@app.cell
def _(mo):
    mo.md(r"""
    # 9. Benchmarking solver versions

    A solver has a new version: is it faster on your models? The question looks simpler than "which method is best",
    since all versions solve the same files. It is harder: versions differ by percents, and a busy machine by factors.
    In this lesson you will

    1. name a solver in a version as a **method** and let two versions race,
    2. compare **pairs** of runs, and see what pairing buys,
    3. find a "regression" in noise, and watch it go,
    4. work out beforehand how many runs a claim needs.
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
    ## A version is a method

    `flow@highs==1.14.0` is: the formulation *flow*, written to a file, read and solved by HiGHS 1.14.0 in a process of
    its own. Without a version it is the one beside splitopt. Two versions cannot share a process, and need not.
    The judge decides what a run is worth, not the solver: a version that is fast because it is wrong does not win.
    """)
    return


@app.cell
def _():
    import splitopt

    instance = splitopt.load("cift-tiny-both")
    ours = splitopt.solve(instance, "highs-flow", time_limit_s=20)
    other = splitopt.solve(instance, "flow@highs", time_limit_s=20)
    # The same optimum on two ways that share a solver and little else.
    assert ours.status == other.status == "optimal"
    assert abs(other.objective / ours.objective - 1) < 2e-6
    {"highs-flow, J": ours.objective, "flow@highs, J": other.objective}
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## The race

    ```text
    splitopt solvers add highspy==1.12.0 highspy==1.14.0
    splitopt run tiny -m flow@highs==1.12.0,flow@highs==1.14.0,flow@highs==1.16.0 --seeds 0..4 --time-limit 10 --out race
    splitopt export-runs race rows.csv
    ```

    The table below holds the runs of the 25 instances that all three solved in all five repetitions, right each
    time. The machine has two cores, and others were at work on it: between 8 and 20 processes wanted a core. That is
    not how one should measure, and it is how one often has to.
    """)
    return


@app.cell
def _(mo, np, pd):
    race = pd.read_csv(mo.notebook_dir() / "data" / "versions.csv")
    assert race.groupby("instance").size().eq(15).all()
    CLOCKS = {"wall clock, solving only": "solving_ms", "processor time, whole run": "processor_ms"}

    def times(version, clock):
        """Return milliseconds, a row an instance, a column a repetition."""
        chosen = race[race["version"] == version]
        return chosen.pivot_table(index="instance", columns="seed", values=clock).to_numpy()

    _rows = []
    for _label, _clock in CLOCKS.items():
        _logs = np.log(times("1.16.0", _clock))
        _rows.append(
            (
                _label,
                np.exp(_logs.std(axis=1, ddof=1).mean()),
                np.exp(_logs.mean(axis=1).std(ddof=1)),
            )
        )
    spread = pd.DataFrame(
        _rows, columns=["figure", "factor between repetitions", "factor between instances"]
    )
    # The same run again differs by more than a factor of two by the wall clock, by a tenth in processor time.
    assert spread["factor between repetitions"].iloc[0] > 2
    assert spread["factor between repetitions"].iloc[1] < 1.1
    spread.round(2)
    return CLOCKS, times


@app.cell
def _(mo):
    mo.md(r"""
    ## Pairs

    The ratio of two versions **on the same instance, in the same repetition** leaves out what makes instances
    different, and that is most of the spread. The summary is the geometric mean of the ratios: twice as long here and
    half as long there is no difference. The interval draws the repetitions of each instance anew, pairs kept together.
    """)
    return


@app.cell
def _(mo):
    version = mo.ui.dropdown(["1.12.0", "1.14.0"], value="1.14.0", label="HiGHS 1.16.0 against")
    version
    return (version,)


@app.cell
def _(CLOCKS, mo):
    clock = mo.ui.dropdown(CLOCKS, value="processor time, whole run", label="by")
    clock
    return (clock,)


@app.cell
def _(mo):
    repeats = mo.ui.slider(steps=[1, 2, 3, 4, 5], value=5, label="repetitions", show_value=True)
    repeats
    return (repeats,)


@app.cell
def _(clock, mo, np, repeats, times, version):
    from splitopt.bench.compare.metrics import paired_ratio

    new = times("1.16.0", clock.value)[:, : repeats.value]
    old = times(version.value, clock.value)[:, : repeats.value]
    ratio = paired_ratio(new, old, np.random.default_rng(0))
    # Without pairs: draw the instances of both sides apart.
    _random = np.random.default_rng(0)
    _picks = _random.integers(0, len(new), size=(2, 2000, len(new)))
    _means = [
        np.log(side).mean(axis=1)[pick].mean(axis=1)
        for side, pick in zip((new, old), _picks, strict=True)
    ]
    unpaired = np.exp(np.quantile(_means[1] - _means[0], [0.025, 0.975]))
    assert ratio.low <= ratio.estimate <= ratio.high
    # Pairing never hurts here: the interval without it is wider whatever is chosen above.
    assert np.log(unpaired[1] / unpaired[0]) > np.log(ratio.high / ratio.low)
    _verdict = (
        "slower than 1.16.0"
        if ratio.low > 1
        else "faster than 1.16.0"
        if ratio.high < 1
        else "not told apart from 1.16.0"
    )
    mo.md(
        f"HiGHS {version.value} takes **{ratio.estimate:.3f}** times as long as 1.16.0, with an interval of "
        f"[{ratio.low:.3f}, {ratio.high:.3f}]: {_verdict}. Without pairs the interval would be "
        f"[{unpaired[0]:.2f}, {unpaired[1]:.2f}]."
    )
    return new, old, ratio


@app.cell
def _(new, np, old, plain_numbers, plt, ratio):
    _each = np.sort(np.exp(np.log(old / new).mean(axis=1)))
    _k = np.arange(1, len(_each) + 1)
    figure, axes = plt.subplots()
    axes.fill_between(
        [0, len(_each) + 1], ratio.low, ratio.high, color="#e4e4e4", label="95 % interval"
    )
    axes.axhline(
        ratio.estimate, color="#4d4d4d", marker="", linestyle=(0, (6, 2)), label="all of them"
    )
    axes.axhline(1, color="#4d4d4d", marker="", linewidth=0.8)
    axes.plot(_k, _each, linestyle="none", label="an instance")
    axes.set(
        xlim=(0, len(_each) + 1),
        yscale="log",
        xlabel="instances, in order",
        ylabel="time over that of 1.16.0",
        title="Old version over new, instance by instance",
    )
    _far = max(_each.max(), 1 / _each.min(), ratio.high, 1.1) * 1.05
    axes.set(ylim=(1 / _far, _far))
    _ticks = [t for t in (0.1, 0.2, 0.5, 0.8, 1, 1.25, 2, 5, 10) if 1 / _far <= t <= _far]
    axes.set_yticks(_ticks)
    plain_numbers(axes)
    axes.legend(loc="upper left")
    figure
    return


@app.cell
def _(mo):
    mo.md(r"""
    Three things to try:

    - **One repetition, processor time, 1.14.0**: 8 % slower, and the interval says so. With five it is 2 %, and hardly told
      from nothing. The interval of a single repetition knows the instances, not the chance within each.
    - **The wall clock**: the same runs, and the interval is ten times as wide. What it measured is the machine.
    - **Looking until it fits**: two versions, two clocks, five numbers of repetitions are twenty chances to publish.
      Decide which one counts *before* you look.

    ## A race against itself

    Any way of comparing should pass this test first: give both sides the **same** version. Swap the labels within
    each pair at random, again and again: where the labels mean nothing, 95 % of the ratios lie in an interval that is due
    to chance alone. A difference within it is none.
    """)
    return


@app.cell
def _(CLOCKS, np, pd, times):
    def of_chance(clock, draws=2000):
        """Return the interval of the ratio when labels within pairs are swapped at random."""
        logs = np.log(times("1.14.0", clock) / times("1.16.0", clock))
        signs = np.random.default_rng(0).choice([-1, 1], size=(draws, *logs.shape))
        return np.exp(np.quantile((signs * logs).mean(axis=2).mean(axis=1), [0.025, 0.975]))

    _rows = []
    for _label, _clock in CLOCKS.items():
        _low, _high = of_chance(_clock)
        _ratio = np.exp(np.log(times("1.14.0", _clock) / times("1.16.0", _clock)).mean())
        _rows.append((_label, _ratio, _low, _high))
    chance = pd.DataFrame(
        _rows, columns=["figure", "1.14.0 over 1.16.0", "chance, low", "chance, high"]
    )
    # By the wall clock, 10 % more is within what chance does.
    assert (
        chance["chance, low"].iloc[0]
        < chance["1.14.0 over 1.16.0"].iloc[0]
        < chance["chance, high"].iloc[0]
    )
    chance.round(3)
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## How many runs does a claim need?

    A measurement is the truth times noise, and the noise of one run has a factor $e^\sigma$. Over $n$ instances with
    $r$ repetitions each the ratio's own factor is about $e^{\sigma\sqrt{2/(n r)}}$. To see a difference of
    $p$ % it must be well below $1 + p/100$. Below, 25 instances; a difference counts as seen when its interval leaves
    out 1.
    """)
    return


@app.cell
def _(mo):
    noise = mo.ui.slider(
        steps=[0.03, 0.08, 0.2, 0.4, 0.8],
        value=0.08,
        label="noise of a run, sigma (0.08: processor time here; 0.8: the wall clock)",
        show_value=True,
    )
    noise
    return (noise,)


@app.cell
def _(noise, np, plain_numbers, plt):
    _runs = np.array([1, 2, 3, 5, 8, 12, 20, 35, 60, 100])

    def seen(slower, sigma, repetitions, instances=25, draws=1000):
        """Return how often an interval of two standard errors leaves out 1."""
        random = np.random.default_rng(1)
        error = sigma * np.sqrt(2 / (instances * repetitions))
        found = np.log(1 + slower) + error * random.standard_normal(draws)
        return float((np.abs(found) > 1.96 * error).mean())

    power = {p: [seen(p / 100, noise.value, r) for r in _runs] for p in (0, 2, 5, 20)}
    # No difference is "seen" in one race of twenty: that is what 95 % means.
    assert max(power[0]) < 0.08
    _figure, _axes = plt.subplots()
    for _p, _found in power.items():
        _axes.plot(_runs, [100 * f for f in _found], label=f"{_p} % slower")
    _axes.axhline(80, color="#4d4d4d", marker="", linewidth=0.8, linestyle=(0, (1, 1.5)))
    _axes.set(
        xscale="log",
        ylim=(0, 104),
        xlabel="repetitions of each instance",
        ylabel="races in which it is seen, %",
    )
    _axes.set_title("What can be seen at all")
    plain_numbers(_axes)
    _axes.legend(loc="center left")
    _figure
    return


@app.cell
def _(mo):
    mo.md(r"""
    ## What to take away

    1. Same instances, same machine, same limits, **in turn**: not one version today and the other tomorrow.
    2. Right first, fast second. All versions must agree on the optimum; a bound that lies is a finding, not a time.
    3. Processor time where others share the machine, and say so.
    4. Repetitions within instances, pairs, one interval; the decision before the data.
    5. Name the version: it is part of a run's key, and two versions of one solver are two methods.

    `splitopt report race` has every pair of methods with its interval; `splitopt compare old new --check` says in a script
    whether a method got slower beyond its interval.

    ## Exercises

    1. Which single repetition (of the five) would have made 1.12.0 look best, which worst?
    2. Leave out the ten instances with the shortest times. Does the interval by the wall clock become narrower?
    3. Add a version of your own choice with `splitopt solvers add` and run the race again on your machine.
    4. The 20 intervals that the controls above can show: how many of them leave out 1? How many would, if all versions
       were the same?
    """)
    return


if __name__ == "__main__":
    app.run()
