"""Both ends of the ranges of solvers are those that are tested."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def pins(name):
    return dict(re.findall(r"^([A-Za-z0-9-]+)==(\S+)", (ROOT / name).read_text(), re.M))


def test_the_oldest_versions_allowed_are_the_oldest_tested():
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    least = dict(re.match(r"([a-z]+)>=([0-9.]+)", text).groups() for text in found if ">=" in text)
    for name, version in pins("constraints-oldest.txt").items():
        # A floor may leave out the last part, which is a build of OR-tools.
        assert re.fullmatch(rf"{re.escape(least[name])}(\.\d+)?", version), name
