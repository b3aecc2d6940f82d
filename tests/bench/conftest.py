"""Small instances as files, the rogue methods as a plugin, a browser."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from splitopt.instances.core.documents import write_json
from splitopt.instances.mepra.model import ExitFractions, MepraInstance
from splitopt.instances.networks.profiles import Layer, MultiExitProfile

PLUGINS = Path(__file__).parent / "plugins"
sys.path.append(str(Path(__file__).parent / "helpers"))


def mepra(name="two-devices", speed=1e9, devices=2):
    """Two layers on each device; a slow device is better off with the edge."""
    profile = MultiExitProfile(
        name="toy",
        input_bits=1e6,
        layers=(
            Layer("first", flops=1e9, branch_flops=1e6, activation_bits=5e5),
            Layer("second", flops=2e9, branch_flops=1e6, activation_bits=1e5),
        ),
    )
    column = np.ones(devices)
    return MepraInstance(
        name=name,
        edge_capacity_flop_per_s=1e12,
        bandwidth_bit_per_s=1e7,
        weight_time_per_s=1.0,
        weight_energy_per_j=0.1,
        profiles=(profile,),
        exit_fractions=ExitFractions.of([[0.25, 0.75]]),
        speed_flop_per_s=speed * column,
        power_w=5.0 * column,
        transmit_power_w=1.0 * column,
        profile=np.zeros(devices, dtype=np.int64),
        exit_row=np.zeros(devices, dtype=np.int64),
        exit_set=np.full(devices, 0b11, dtype=np.int64),
    )


@pytest.fixture(scope="session")
def make_mepra():
    """The function that makes a small instance."""
    return mepra


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium; what needs it is skipped where there is none."""
    import browser as chromium

    if chromium.find() is None:
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    opened = chromium.Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def rogues(monkeypatch):
    """The plugin of rogue methods, importable."""
    monkeypatch.syspath_prepend(str(PLUGINS))
    return ("rogues:METHODS",)


@pytest.fixture
def instance_file(tmp_path):
    """Return a function that writes an instance of its own and returns the path."""
    numbers = itertools.count()

    def write(**changes):
        number = next(numbers)
        # Another speed is another instance, with another hash.
        changes = {"name": f"toy-{number}", "speed": 1e9 + number, **changes}
        path = tmp_path / f"toy-{number}.json"
        write_json(path, mepra(**changes).to_document())
        return str(path)

    return write
