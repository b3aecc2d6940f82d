"""A MEPRA policy at work, with NumPy alone: reading one, and letting it decide.

Devices are taken in chunks, so that a million of them fit in memory; the chunks meet in the sums
over devices that `networks.Pool` holds.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from splitopt.heuristics.learner.checkpoint import read_arrays, write_arrays
from splitopt.heuristics.learner.mepra import networks
from splitopt.instances.core.errors import InputError
from splitopt.instances.mepra.plan import MepraPlan

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
VARIANTS = ("closed-form", "own-shares")
DATA = Path(__file__).resolve().parents[1] / "data"
FORMAT = "splitopt-mepra-policy"
VERSION = 3  # 1: devices choose among all their splits; 1 and 2: without a split's regret
_CHUNK = 8192


@dataclass(frozen=True, eq=False, slots=True)
class MepraPolicyFile:
    """A trained policy.

    Attributes
    ----------
    params
        Parameters by name, float32, in the shapes of `networks.shapes` (fewer features of options
        in files of versions 1 and 2).
    variant, rounds
        What it was trained for.
    corners
        Whether devices choose among the splits worth choosing (`networks`), or, in files of
        version 1, among all.
    document
        How it came about: seed, configuration, environment, data, time.
    digest
        SHA-256 of variant, rounds and parameters, in hexadecimal.
    """

    params: dict[str, npt.NDArray[np.float32]]
    variant: str
    rounds: int
    document: dict[str, Any]
    digest: str
    corners: bool = True


def _digest(variant: str, rounds: int, params: dict[str, Any]) -> str:
    found = hashlib.sha256(f"{variant} {rounds}".encode())
    for name in sorted(params):
        found.update(name.encode())
        found.update(np.ascontiguousarray(params[name], dtype="<f4").tobytes())
    return found.hexdigest()


def write_policy(
    path: Path, params: dict[str, Any], variant: str, rounds: int, document: dict[str, Any]
) -> str:
    """Write a policy and return its digest."""
    arrays = {name: np.asarray(value, dtype=np.float32) for name, value in params.items()}
    width, hidden = arrays["option_w"].shape[1], arrays["deep_w"].shape[0]
    about = document | {
        "format": FORMAT,
        "version": VERSION,
        "variant": variant,
        "rounds": rounds,
        "width": width,
        "hidden": hidden,
    }
    write_arrays(path, arrays, about)
    return _digest(variant, rounds, arrays)


def read_policy(path: Path) -> MepraPolicyFile:
    """Return the policy in a file.

    Raises
    ------
    InputError
        When it is missing, damaged, or no policy for MEPRA.
    """
    arrays, document = read_arrays(path)
    remedy = "name a file that splitopt train mepra wrote"
    wrong = InputError("policy", str(path), "a policy for MEPRA", remedy)
    if document.get("format") != FORMAT or document.get("version") not in (1, 2, VERSION):
        raise wrong
    sizes = [document.get(name) for name in ("width", "hidden", "rounds")]
    if document.get("variant") not in VARIANTS:
        raise wrong
    if not all(isinstance(size, int) and 1 <= size <= 1024 for size in sizes):
        raise wrong
    width, hidden, rounds = (int(str(size)) for size in sizes)
    version = document["version"]
    features = networks.FEATURES if version == VERSION else networks.FEATURES_BEFORE_3
    expected = networks.shapes(width, hidden, features)
    if set(arrays) != set(expected):
        raise wrong
    for name, shape in expected.items():
        fits = arrays[name].shape == shape and arrays[name].dtype == np.float32
        if not (fits and bool(np.isfinite(arrays[name]).all())):
            raise InputError(f"policy {name}", arrays[name].shape, f"float32 {shape}", remedy)
    variant = str(document["variant"])
    digest = _digest(variant, rounds, arrays)
    return MepraPolicyFile(arrays, variant, rounds, document, digest, version != 1)


@functools.cache
def committed(variant: str) -> MepraPolicyFile:
    """Return the policy that comes with the package."""
    return read_policy(DATA / f"mepra-{variant}.npz")


@dataclass(frozen=True, eq=False, slots=True)
class Game:
    """What each split of n devices costs.

    Attributes
    ----------
    base
        a_i(s), infinite beyond a device's last layer, shape (n, S).
    root
        r_i(s), the root of what edge work costs at a share of one, shape (n, S).
    layers
        L_i, shape (n,).
    """

    base: Floats
    root: Floats
    layers: Integers

    def cost_of(self, plan: MepraPlan) -> float:
        """Return the cost of a plan with the exits that this game was made with."""
        everyone = np.arange(len(self.layers))
        edge = self.root[everyone, plan.splits] ** 2
        busy = edge > 0
        base = self.base[everyone, plan.splits]
        return float(base.sum() + (edge[busy] / plan.shares[busy]).sum())


@dataclass(frozen=True, eq=False, slots=True)
class Decision:
    """Splits and log-shares, shape (n,)."""

    splits: Integers
    log_share: Floats


def _standing(best: Floats, part: Floats) -> Floats:
    """Return the part of devices with a higher `best`, and half of those with an equal one."""
    distinct, place = np.unique(best, return_inverse=True)
    sums = np.bincount(place, weights=part, minlength=len(distinct))
    upto = sums.cumsum()
    ahead: Floats = upto[-1] - upto[place] + 0.5 * sums[place]
    return ahead


class _Known:
    """What devices are told that does not change from round to round.

    Attributes
    ----------
    facts
        Of all devices.
    splits
        Which splits each device chooses among, -1 for none, shape (n, C).
    """

    def __init__(self, game: Game, *, corners: bool) -> None:
        n = len(game.layers)
        whole = game.root[:, 0]
        total = np.float64(whole.sum())
        part = whole / max(float(total), 1e-30)
        stay = game.base[np.arange(n), game.layers]
        chosen = [_corners(game, rows) if corners else _all(game, rows) for rows in _chunks(n)]
        most = max(part.shape[1] for part in chosen)
        self.splits = np.concatenate(
            [
                np.pad(part, ((0, 0), (0, most - part.shape[1])), constant_values=-1)
                for part in chosen
            ]
        )
        valid = self.splits >= 0
        base = np.where(valid, np.take_along_axis(game.base, self.splits, 1), 0.0)
        root = np.where(valid, np.take_along_axis(game.root, self.splits, 1), 0.0)
        best = np.concatenate(
            [
                networks.break_even(np, base[rows], root[rows], valid[rows], stay[rows], total)
                for rows in _chunks(n)
            ]
        )
        self.facts = networks.Facts(
            base,
            root,
            valid,
            np.ones(n),
            stay,
            part,
            total,
            np.float64(n),
            np.float64((part * part).sum()),
            best,
            _standing(best, part),
        )

    def of(self, rows: slice) -> networks.Facts:
        """Return the facts of some devices among all."""
        return networks.Facts(*(a[rows] if np.ndim(a) else a for a in self.facts))


def _all(game: Game, rows: slice) -> Integers:
    """Return every split of some devices, -1 behind their last, shape (devices, S)."""
    splits = np.arange(game.base.shape[1])
    return np.where(splits <= game.layers[rows, None], splits, -1)


def _corners(game: Game, rows: slice) -> Integers:
    """Return the splits worth choosing of some devices, -1 behind the last, shape (devices, C)."""
    there = _all(game, rows) >= 0
    root = np.where(there, game.root[rows], np.inf).T
    cost = np.where(there, game.base[rows] + game.root[rows] ** 2, np.inf).T
    found: list[Integers] = []
    last = np.full(root.shape[1], -1.0)
    for price, here in networks.worth_choosing(np, cost, root):
        new = here > last
        if not new.any():
            break
        at = ((root == here) & (cost == price)).argmax(axis=0)
        found.append(np.where(new, at, -1))
        last = here
    even = (game.base[rows] + len(game.layers) * game.root[rows] ** 2).argmin(axis=1)
    known = np.any([at == even for at in found], axis=0)
    return np.stack([*found, np.where(known, -1, even)], axis=1)


def _chunks(n: int) -> list[slice]:
    return [slice(start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK)]


class _Round:
    """What every device is told in one round, a chunk of devices at a time."""

    def __init__(
        self, policy: MepraPolicyFile, known: _Known, before: Floats, *, first: bool
    ) -> None:
        self.policy, self.known = policy, known
        self.before, self.first = before, first
        self.load = np.float64(before.sum())
        self.chunks = _chunks(len(before))
        # One chunk is kept; of many each is worked out twice, so that memory stays small.
        self._kept = self._see(self.chunks[0]) if len(self.chunks) == 1 else None

    def _see(self, rows: slice) -> tuple[networks.Look, Any, Any]:
        look = networks.look_at(
            np, self.known.of(rows), self.load, self.before[rows], np.float64(self.first)
        )
        look = networks.Look(*(a if a.dtype == bool else a.astype(np.float32) for a in look))
        return look, *networks.embed(np, self.policy.params, look)

    def see(self, rows: slice) -> tuple[networks.Look, Any, Any]:
        """Return look, options and devices of a chunk."""
        return self._kept or self._see(rows)

    def pool(self) -> networks.Pool:
        """Return the sums over all devices."""
        sums: list[Any] = [0.0, 0.0, 0.0]
        for rows in self.chunks:
            look, _, device = self.see(rows)
            here = networks.pool(np, self.policy.params, look, device)
            sums = [a + b for a, b in zip(sums, here, strict=True)]
        return networks.Pool(*sums)


def _choose(logits: npt.NDArray[np.float32], rng: np.random.Generator | None) -> Integers:
    """Return the likeliest split of each device, or one drawn."""
    if rng is None:
        best: Integers = logits.argmax(axis=1).astype(np.int64)
        return best
    weight = np.exp(logits - logits.max(axis=1, keepdims=True)).astype(np.float64)
    steps = weight.cumsum(axis=1)
    level = rng.random((len(logits), 1)) * steps[:, -1:]
    drawn: Integers = (steps <= level).sum(axis=1).astype(np.int64)
    return drawn


def decide(policy: MepraPolicyFile, game: Game, rng: np.random.Generator | None = None) -> Decision:
    """Return what the policy decides: its likeliest decision, or one drawn with `rng`."""
    n = len(game.layers)
    known = _Known(game, corners=policy.corners)
    before, splits, log_share = np.zeros(n), np.zeros(n, dtype=np.int64), np.zeros(n)
    for turn in range(policy.rounds):
        now = _Round(policy, known, before, first=turn == 0)
        everyone = now.pool()
        before = np.zeros(n)
        for rows in now.chunks:
            look, option, device = now.see(rows)
            found = networks.heads(np, policy.params, look, option, device, everyone)
            choice = _choose(found.logits, rng)
            here = np.arange(len(choice))
            splits[rows] = known.splits[rows][here, choice]
            log_share[rows] = found.log_share[here, choice]
            before[rows] = known.facts.root[rows][here, choice]
    if rng is not None and policy.variant == "own-shares":
        log_share += np.exp(policy.params["log_spread"]) * rng.standard_normal(n)
    return Decision(splits, log_share)
