"""Kernels: the same results interpreted and compiled, and compiled once."""

from __future__ import annotations

import copy
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitopt.heuristics.jqodi.cift.network import Instance
from splitopt.heuristics.jqodi.cift.program import Rules
from splitopt.heuristics.jqodi.cift.search import EXACT_RATIO, Search
from splitopt.heuristics.jqodi.cift.warm import warm_up as warm_cift
from splitopt.heuristics.jqodi.mepra.search import MepraSearch
from splitopt.heuristics.jqodi.mepra.warm import warm_up as warm_mepra
from splitopt.heuristics.labels import constrained_shortest_path
from splitopt.instances.contract.method import Budget, Recorder
from splitopt.instances.core import kernels
from splitopt.instances.core.kernels import Kernel
from splitopt.instances.generators import generate

SOURCE = """
from __future__ import annotations
from splitopt.instances.core.kernels import Floats, kernel, part

@part
def inverse(x: float) -> float:
    return 1.0 / x

@kernel()
def total(values: Floats) -> float:
    found = 0.0
    for i in range(values.size):
        found += inverse(values[i])
    return found
"""


FEW = {"blocks": 4, "compressions": 1}


def same(one: Any, other: Any) -> bool:
    """Tell whether two results are equal to the bit, and alike in kind."""
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype == float)
    return type(one) is type(other) and (one == other or (one != one and other != other))


def written(easy: Any, source: int) -> Any:
    """Return what an easy search left without the rows of `rest` that it did not get to."""
    ends = np.isinf(easy.rest[: len(easy.met), source])
    count = int(np.argmax(ends)) + 1 if ends.any() else len(easy.met)
    return easy._replace(rest=easy.rest[:count])


@pytest.fixture
def both_ways(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Have each call of a kernel made both ways, and the results and arrays written compared."""
    warm_cift()
    warm_mepra()
    met: set[str] = set()
    plain = Kernel.__call__

    def call(self: Kernel, *args: Any) -> Any:
        if getattr(kernels._thread, "interprets", False):
            return self.py_func(*args)
        if self.__name__ == "start_store":
            return plain(self, *args)
        given = copy.deepcopy(args)
        found = plain(self, *args)
        interpreted = self.interpret(*given)
        name = f"{self.__module__.rpartition('.')[2]}.{self.__name__}"
        if name == "easy.easy_search":
            found, interpreted = (written(r, args[5]) for r in (found, interpreted))
        if name in UNWRITTEN:
            assert same(found[:-1], interpreted[:-1]), name
            assert same(args[-2:], given[-2:]), name
        else:
            assert same(found, interpreted), name
            assert same(args, given), name
        met.add(name)
        return found

    monkeypatch.setattr(Kernel, "__call__", call)
    return met


# Their stores are longer than what is used: memory that nobody wrote. Figures and counts are last.
UNWRITTEN = {"topological.run_topological", "bestfirst.run_best_first"}


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6))
def random_graph(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = 12, 40
    tail, head = rng.integers(0, n, (2, m))
    if seed % 2:
        tail, head = np.minimum(tail, head), np.maximum(tail, head)
    cost = rng.integers(1, 9, m) / float(rng.choice([1.0, 7.0]))
    use = rng.uniform(0, 4, (m, int(rng.integers(1, 4))))
    limits = np.full(use.shape[1], 7.0)
    for easy in (True, False):
        for front in (False, True):
            for epsilon in (0.0, 0.1):
                constrained_shortest_path(
                    tail,
                    head,
                    cost,
                    use,
                    0,
                    n - 1,
                    limits,
                    epsilon,
                    easy=easy,
                    front=front,
                    nodes=n,
                    record=front,
                )


def test_label_kernels_give_the_same_interpreted(both_ways: set[str]) -> None:
    random_graph()
    wanted = {"graph.build", "graph.select", "easy.easy_search", "passes.forward", "passes.stitch"}
    assert wanted | UNWRITTEN <= both_ways


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10**6),
    family=st.sampled_from(["cift-tiers", "cift-continuous", "cift-tight", "cift-ties"]),
    epsilon=st.sampled_from([0.0, 0.1]),
    reduction=st.booleans(),
)
def random_cift(seed: int, family: str, epsilon: float, reduction: bool) -> None:
    instance = generate(family, seed, **FEW)
    if epsilon == 0.0 and instance.has_continuous_speeds:
        epsilon = 0.1
    step = 0.05 if instance.has_continuous_speeds else 0.0
    rules = Rules(epsilon, max(1.0 + epsilon, EXACT_RATIO), step, "strict", reduction)
    Search(Instance(instance), rules, Budget(), Recorder()).go()


def test_cift_kernels_give_the_same_interpreted(both_ways: set[str]) -> None:
    random_cift()
    wanted = {"dual.least_times", "dual.ascend", "graph.bounds_of", "graph.write_arcs"}
    assert wanted | {"placements.enumerate_placements"} <= both_ways


@settings(max_examples=10)
@given(
    seed=st.integers(0, 10**6),
    family=st.sampled_from(["mepra-dense", "mepra-free", "mepra-partition", "mepra-lattice"]),
    trim=st.booleans(),
)
def random_mepra(seed: int, family: str, trim: bool) -> None:
    instance = generate(family, seed, devices=5)
    ratio = 1.01 if trim else 1.0 + 1e-9
    for reduction in (True, False):
        MepraSearch(instance, ratio, trim, reduction, Budget(None), Recorder()).go()


def test_mepra_kernels_give_the_same_interpreted(both_ways: set[str]) -> None:
    random_mepra()
    wanted = {"free_points", "fixed_points", "useful", "hulls", "choose", "improve"}
    assert {f"kernels.{name}" for name in wanted} | {"labels.stage"} <= both_ways


def test_each_kernel_is_compiled_for_its_signature_alone() -> None:
    warm_cift()
    warm_mepra()
    loaded = [k for k in kernels._kernels if k.entry and k.loaded]
    assert len(loaded) > 25
    for k in loaded:
        # A second one would mean types met on the way, each as long in compiling as the first.
        assert list(k.dispatcher().signatures) == [kernels._signature(k.py_func)]


def test_division_by_zero_is_as_in_machine_code() -> None:
    @kernels.kernel(lambda x: 1)
    def inverse(x: float) -> float:
        return 1.0 / x

    assert inverse(0.0) == np.inf
    assert type(inverse(0.0)) is float


def run(folder: Path, text: str, **environment: str) -> subprocess.Popen[str]:
    """Start a program beside a module of kernels of its own."""
    if not (folder / "own_kernels.py").exists():
        (folder / "own_kernels.py").write_text(SOURCE)
    kept = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{text}"],
        env=kept | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


CALL = "import numpy as np\nfrom own_kernels import total\nprint(total(np.array([2.0, 4.0])))"


def test_processes_that_start_at_once_compile_once(tmp_path: Path) -> None:
    started = [run(tmp_path, CALL) for _ in range(3)]
    ended = [process.communicate() for process in started]
    assert [out for out, _ in ended] == ["0.75\n"] * 3
    said = [errors for _, errors in ended]
    assert said.count("splitopt: compiling once, about 1 s\n") == 1
    assert set(said) <= {
        "splitopt: compiling once, about 1 s\n",
        "splitopt: waiting for another process, which compiles once\n",
        "",  # one that came when it was done
    }
    again = run(tmp_path, CALL).communicate()
    assert again == ("0.75\n", "")


def test_machine_code_is_renewed_with_a_part_of_another_file(tmp_path: Path) -> None:
    part = (
        "from splitopt.instances.core.kernels import part\n@part\ndef f(x: 'float') -> 'float':\n"
    )
    kernel = (
        "from splitopt.instances.core.kernels import kernel\nfrom parts import f\n"
        "@kernel()\ndef g(x: 'float') -> 'float':\n    return f(x)\n"
    )
    (tmp_path / "calls.py").write_text(kernel)
    for k in (2, 30):
        (tmp_path / "parts.py").write_text(part + f"    return {k}.0 * x\n")
        out, _ = run(tmp_path, "from calls import g\nprint(g(1.0))").communicate()
        assert out == f"{k}.0\n"


@pytest.mark.parametrize("somewhere", [True, False], ids=["in the user's folder", "nowhere"])
def test_a_shared_installation_is_not_written_to(tmp_path: Path, somewhere: bool) -> None:
    """As in a folder of someone else's: neither beside the source, nor where a file stands."""
    installed, cache = tmp_path / "installed", tmp_path / "cache"
    installed.mkdir()
    (installed / "__pycache__").write_text("no folder")
    if somewhere:
        cache.mkdir()
    else:
        cache.write_text("no folder")
    for expected in ("splitopt: compiling once, about 1 s\n", "" if somewhere else None):
        process = run(installed, CALL, XDG_CACHE_HOME=str(cache), PYTHONDONTWRITEBYTECODE="1")
        out, errors = process.communicate()
        assert out == "0.75\n"
        assert expected is None or errors == expected
    assert sorted(p.name for p in installed.iterdir()) == ["__pycache__", "own_kernels.py"]


def test_the_time_told_counts_what_a_kernel_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    # The work of a kernel may lie in its parts, as that of the easy search does: 1 s was told of 8.
    told: list[float | None] = []
    monkeypatch.setattr(kernels._State, "tell", told.append)
    scope: dict[str, Any] = {}
    exec(SOURCE, scope)
    total, inverse = scope["total"], scope["inverse"]
    kernels._tell(total)
    monkeypatch.setattr(inverse, "_compiled", inverse.py_func)
    kernels._tell(total)
    each = kernels._SECONDS_A_LINE
    assert told == pytest.approx([each * (total.lines + inverse.lines), each * total.lines])


def test_a_small_instance_is_solved_without_the_compiler() -> None:
    text = """
from splitopt.bench.methods.registry import load
from splitopt.bench.store.sources import load_instance
from splitopt.instances.contract.method import Budget
for name, problem in (("cift-tiny-both", "cift"), ("mepra-image-10mbps", "mepra")):
    found = load("jqodi", problem).solve(load_instance(name), Budget(None), 0, {})
    print(found.objective)
print("numba" in sys.modules)
"""
    out = subprocess.run(
        [sys.executable, "-c", "import sys" + text], capture_output=True, text=True, check=True
    )
    assert out.stdout.split() == ["16095.398460626542", "1.2276711616484939", "False"]
    assert out.stderr == ""


def test_work_too_large_to_interpret_is_refused_in_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    @kernels.kernel(lambda x: 10)
    def double(x: float) -> float:
        return 2.0 * x

    monkeypatch.setattr(kernels._State, "left", 25)
    with kernels.trial():
        assert [double(1.0), double(1.5)] == [2.0, 3.0]
        with pytest.raises(kernels.KernelsWantedError):
            double(2.0)
    assert double(2.0) == 4.0


def test_who_waits_for_another_that_compiles_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels._State, "locks", 0)
    monkeypatch.setattr(kernels._State, "told", False)
    said: list[float | None] = []
    with (tmp_path / "splitopt-kernels.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def tell(seconds: float | None) -> None:
            said.append(seconds)
            fcntl.flock(other, fcntl.LOCK_UN)

        monkeypatch.setattr(kernels._State, "tell", tell)
        with kernels._alone(str(tmp_path)):
            assert said == [None]
    with kernels._alone(str(tmp_path)):
        assert said == [None]  # nobody else is at it
    assert (
        kernels.announcement(None) == "splitopt: waiting for another process, which compiles once"
    )
