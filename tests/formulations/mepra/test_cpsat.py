"""What CP-SAT's integers may blur, and that the interval it states holds the optimum."""

from __future__ import annotations

import numpy as np
import pytest

from splitopt.bench.methods.registry import load
from splitopt.bench.store.sources import load_instance
from splitopt.bench.verdicts.optimum import require_optimum
from splitopt.formulations.mepra.layerwise import walked_options
from splitopt.formulations.mepra.options import option_table
from splitopt.instances.contract.method import Budget
from splitopt.instances.mepra.model import ExitFractions, MepraInstance
from splitopt.instances.networks.profiles import load_profile


def measured(n: int, seed: int, *, free: bool, spread: float = 0.5) -> MepraInstance:
    """Return n devices with a measured network and speeds spread over decades."""
    rng = np.random.default_rng(seed)
    network = load_profile("resnet18-cifar10").multi_exit()
    depth = len(network.layers)
    exit_set = None if free else np.full(n, 2**depth - 1, dtype=np.int64)
    return MepraInstance(
        name="measured",
        edge_capacity_flop_per_s=1e11,
        bandwidth_bit_per_s=2e6,
        weight_time_per_s=1.0,
        weight_energy_per_j=0.2,
        profiles=(network,),
        exit_fractions=ExitFractions.of(rng.uniform(0, 1, (2, depth)).tolist(), 1, "proportional"),
        speed_flop_per_s=np.round(10.0 ** rng.uniform(9 - spread, 9 + spread, n)),
        power_w=rng.uniform(1, 5, n).round(3),
        transmit_power_w=rng.uniform(0, 2, n).round(3),
        profile=np.zeros(n, dtype=np.int64),
        exit_row=rng.integers(0, 2, n),
        exit_set=exit_set,
    )


def test_walk_and_table_agree_on_the_options_of_a_measured_network() -> None:
    # Two ways to the same coefficients: every hull vertex is among the walked options.
    for free in (False, True):
        case = measured(3, 1, free=free)
        table = option_table(case)
        walked = walked_options(case)
        for i in range(case.devices):
            found = {(o.split, o.exit_set): o for o in walked[i]}
            figures = sorted((o.edge_flop, o.own_cost) for o in walked[i])
            assert [w for w, _ in figures] == sorted({w for w, _ in figures})
            for k in range(int(table.start[i]), int(table.start[i + 1])):
                option = found.get((int(table.split[k]), int(table.exit_set[k])))
                if not free:
                    option = next(o for o in walked[i] if o.split == int(table.split[k]))
                if option is None:  # another exit set of the same figures
                    near = min(walked[i], key=lambda o: abs(o.edge_flop - table.edge_work_flop[k]))
                    option = near
                np.testing.assert_allclose(option.own_cost, table.own_cost[k], rtol=1e-12)
                np.testing.assert_allclose(
                    option.edge_flop, table.edge_work_flop[k], rtol=1e-12, atol=1e-3
                )


@pytest.mark.parametrize("reduction", [True, False])
def test_interval_holds_the_optimum_and_its_width_is_explained(*, reduction: bool) -> None:
    # 300 devices spread over six decades: scaling blurs, and must say so.
    case = measured(300, 2, free=False, spread=3.0)
    cut = load("cpsat", "mepra").solve(
        case, Budget(time_limit_s=30, relative_gap=1e-4), 0, {"reduction": reduction}
    )
    reference = load("highs-tangent", "mepra").solve(
        case, Budget(time_limit_s=30, relative_gap=1e-7), 0, {}
    )
    assert cut.objective is not None
    assert cut.bound is not None
    assert reference.objective is not None
    assert cut.bound <= reference.objective
    assert cut.objective >= reference.objective * (1 - 1e-7)
    error = cut.statistics["scaling_error"]
    assert isinstance(error, float)
    assert cut.objective - cut.bound <= 1e-4 * cut.objective
    assert 0 < error <= 1e-4 * cut.objective


def test_gaps_between_sums_of_roots_are_no_part_of_the_domain() -> None:
    # Around a multiplier of its own, with steps counted, a lattice takes no conflicts; the product
    # alone left it open after as many.
    case = load_instance("mepra-standard-081")
    few = {"solver.max_number_of_conflicts": 2000}
    found = load("cpsat", "mepra").solve(case, Budget(time_limit_s=60), 0, few)
    assert found.status == "optimal"
    assert found.objective == pytest.approx(require_optimum(case), rel=1e-6)
    assert found.bound is not None
    assert found.bound <= require_optimum(case) * (1 + 1e-12)


def test_too_many_devices_are_refused_with_the_reason() -> None:
    support = load("cpsat", "mepra").supports(measured(5001, 0, free=False))
    assert not support
    assert "5000 devices" in str(support.reason)
