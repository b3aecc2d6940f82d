"""Measure learning curves: compressed networks fine-tuned on scikit-learn's digits.

Run ``python -m splitopt.instances.measure.learning_curves [--out DIR] [--seeds 10]`` (extra
``measure``: torch and scikit-learn; about 20 minutes on one core). It writes
``learning_curves/digits.json``, ``learning_curves/digits-fits.json`` and
``profiles/digits-{small,medium,large}.json``.

The story
---------
A vendor trains networks on clean digits. An end device sees digits through its own camera: tilted,
shifted, low in contrast, noisy. The networks are compressed and then fine-tuned on the device's
own images, and after each epoch the error on images that nobody trained on is counted.

Protocol
--------
1. **Data.** The 1797 images (8 x 8, values 0 to 16, divided by 16) are split once, by class, into
   three disjoint parts: *source* (597), *pool* (600, the device's local data) and *test* (600).
   The parts stay the same for every seed. scikit-learn's copy does not name the writers, so one
   writer may have images in several parts: the error is for known writers.
2. **Domains.** Source images are used as they are. Each pool and test image is transformed once:
   rotated by N(20, 5) degrees, shifted by up to half a pixel in each direction, contrast times
   U(0.5, 0.9), N(0, 0.04) noise on each pixel, clipped to [0, 1].
3. **Pretraining.** For each seed and model a network is drawn and trained on the source part:
   40 epochs, minibatches of 20, SGD with momentum 0.9 and step 0.02 / (1 + passes / 8000).
4. **Compression.** Structured pruning removes 25, 50 or 75 % of all channels by weight norm.
   ``int8`` and ``int4`` round weights and activations to 8 or 4 bits; activation ranges come from
   the source part. ``prune-50-int8`` does both. Nothing is retrained in between.
5. **Fine-tuning.** On N = ceil(q D) images, D = 600 and q in {0.05, 0.1, 0.2, 0.4, 0.7, 1}: the
   first N of the seed's own order of the pool, so that smaller subsets are contained in larger
   ones. Plain SGD, minibatches of 10 (the last may be smaller), a new order each epoch, step
   0.03 / (1 + s / 6000) after s sample passes: the O(1/k) schedule of the theory. Quantised
   weights and activations are rounded in the forward pass, the gradient goes straight through.
6. **Error.** Wrong answers among the 600 test images after k = 0, 1, ..., 40 epochs.

A seed changes the initial weights, the orders of both trainings and the subset of the pool; all
compression levels and fractions of a seed start from the same pretrained network.

The test part is used for step 6 alone. The step of fine-tuning and the strength of the camera's
changes were chosen with ``--rehearsal``, which trains on 420 pool images, counts errors on the
other 180 and writes nothing.

Drawing uses numpy generators seeded by axis. Floating-point sums differ between machines, so a
rerun elsewhere gives statistically equal, not identical, curves.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from splitopt.instances.measure import digit_networks as networks
from splitopt.instances.measure.digit_networks import ARCHITECTURES, COMPRESSIONS
from splitopt.instances.networks.curve_data import write_learning_data
from splitopt.instances.networks.curve_fitting import fit_document
from splitopt.instances.networks.profiles import Profile

FRACTIONS = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
EPOCHS = 40
BATCH = 10
PRETRAIN_EPOCHS = 40
PRETRAIN_BATCH = 20
POOL = 600
TEST = 600

# Step eta0 / (1 + s / s0) of fine-tuning, s sample passes; chosen with --rehearsal.
STEP = 0.03
STEP_HALVES_AT = 6000.0

# First words of the seeds, one an axis.
_SPLIT, _CAMERA, _INITIAL, _PRETRAIN, _SUBSET, _ORDER = range(6)

Array = np.ndarray[Any, np.dtype[Any]]
Tensor = Any


@dataclass(frozen=True)
class Digits:
    """The three disjoint parts: images ``(n, 8, 8)`` in [0, 1], labels, indices in the data set."""

    source: tuple[Array, Array, Array]
    pool: tuple[Array, Array, Array]
    test: tuple[Array, Array, Array]


def _camera(images: Array, rng: np.random.Generator) -> Array:
    """Return the images as the end device sees them (step 2 of the protocol)."""
    from scipy.ndimage import affine_transform

    centre = np.array([3.5, 3.5])
    seen = np.empty_like(images)
    for i, image in enumerate(images):
        angle = math.radians(rng.normal(20.0, 5.0))
        shift = rng.uniform(-0.5, 0.5, 2)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        seen[i] = affine_transform(image, turn, centre - turn @ (centre + shift), order=1)
        seen[i] = seen[i] * rng.uniform(0.5, 0.9) + rng.normal(0.0, 0.04, (8, 8))
    return np.clip(seen, 0.0, 1.0)


def load_digits() -> Digits:
    """Split scikit-learn's digits by class and transform pool and test (steps 1 and 2)."""
    from sklearn.datasets import load_digits as load
    from sklearn.model_selection import train_test_split

    data = load()
    images, labels = data.images / 16.0, data.target
    state = int(np.random.default_rng([_SPLIT]).integers(2**31))
    everything = np.arange(len(labels))
    rest, test = train_test_split(everything, test_size=TEST, stratify=labels, random_state=state)
    source, pool = train_test_split(
        rest, test_size=POOL, stratify=labels[rest], random_state=state + 1
    )
    rng = np.random.default_rng([_CAMERA])
    return Digits(
        (images[source], labels[source], source),
        (_camera(images[pool], rng), labels[pool], pool),
        (_camera(images[test], rng), labels[test], test),
    )


def _steps(orders: list[np.random.Generator], subsets: Array, batch: int) -> Iterator[Array]:
    """Yield the minibatches of an epoch: indices ``(batch, S)``, a new order for each seed."""
    shuffled = np.stack([g.permutation(s) for g, s in zip(orders, subsets, strict=True)], axis=1)
    for start in range(0, len(shuffled), batch):
        yield shuffled[start : start + batch]


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the sum over seeds of the mean cross-entropy: each network gets its own gradient."""
    import torch

    total = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), reduction="sum"
    )
    return total / logits.shape[0]


def _pretrain(
    architecture: networks.Architecture, images: Tensor, labels: Tensor, seeds: range
) -> networks.Parameters:
    """Train one network of each seed on the source part (step 3)."""
    import torch

    parameters = networks.initial_parameters(
        architecture, [np.random.default_rng([_INITIAL, s]) for s in seeds]
    )
    orders = [np.random.default_rng([_PRETRAIN, s]) for s in seeds]
    subsets = np.tile(np.arange(len(labels)), (len(seeds), 1))
    for t in parameters.values():
        t.requires_grad_(True)
    velocity = {name: torch.zeros_like(t) for name, t in parameters.items()}
    passes = 0
    for _ in range(PRETRAIN_EPOCHS):
        for chosen in _steps(orders, subsets, PRETRAIN_BATCH):
            loss = _loss(networks.forward(architecture, parameters, images[chosen]), labels[chosen])
            gradients = torch.autograd.grad(loss, list(parameters.values()))
            step = 0.02 / (1.0 + passes / 8000.0)
            with torch.no_grad():
                for (name, t), gradient in zip(parameters.items(), gradients, strict=True):
                    velocity[name].mul_(0.9).add_(gradient)
                    t.sub_(velocity[name], alpha=step)
            passes += len(chosen)
    return {name: t.detach() for name, t in parameters.items()}


@dataclass(frozen=True)
class _Task:
    """What one fine-tuning run needs: the networks, how they are rounded, and the data."""

    architecture: networks.Architecture
    bits: int
    ranges: networks.Parameters
    images: Tensor
    labels: Tensor
    held_images: Tensor  # (n, 1, 1, 8, 8), the second axis for the seeds
    held_labels: Tensor

    def wrong(self, parameters: networks.Parameters) -> Array:
        """Count the wrong answers of each network on the images held apart."""
        import torch

        seeds = parameters["head.w"].shape[0]
        with torch.no_grad():
            batch = self.held_images.expand(-1, seeds, -1, -1, -1)
            logits = networks.forward(self.architecture, parameters, batch, self.bits, self.ranges)
            counts: Array = (logits.argmax(2) != self.held_labels[:, None]).sum(0).numpy()
        return counts

    def fine_tune(
        self, start: networks.Parameters, subsets: Array, orders: list[np.random.Generator]
    ) -> Array:
        """Fine-tune and return wrong answers after 0, 1, ..., EPOCHS epochs, ``(epochs+1, S)``."""
        import torch

        parameters = {name: t.clone().requires_grad_(True) for name, t in start.items()}
        counts = [self.wrong(parameters)]
        passes = 0
        for _ in range(EPOCHS):
            for chosen in _steps(orders, subsets, BATCH):
                logits = networks.forward(
                    self.architecture, parameters, self.images[chosen], self.bits, self.ranges
                )
                loss = _loss(logits, self.labels[chosen])
                gradients = torch.autograd.grad(loss, list(parameters.values()))
                step = STEP / (1.0 + passes / STEP_HALVES_AT)
                with torch.no_grad():
                    for t, gradient in zip(parameters.values(), gradients, strict=True):
                        t.sub_(gradient, alpha=step)
                passes += len(chosen)
            counts.append(self.wrong(parameters))
        return np.stack(counts)


def _tensors(part: tuple[Array, Array, Array]) -> tuple[Tensor, Tensor]:
    """Return images ``(n, 1, 8, 8)`` and labels ``(n,)`` of a part."""
    import torch

    return torch.from_numpy(part[0].astype(np.float32))[:, None], torch.from_numpy(part[1])


def measure(
    digits: Digits,
    seeds: int,
    architectures: tuple[networks.Architecture, ...] = ARCHITECTURES,
    compressions: tuple[networks.Compression, ...] = COMPRESSIONS,
    rehearsal: bool = False,
) -> tuple[dict[str, Any], list[Profile]]:
    """Run the whole experiment.

    Parameters
    ----------
    digits
        The data.
    seeds
        Number of seeds.
    architectures, compressions
        What to measure.
    rehearsal
        Hold out the last 180 pool images instead of the test part.

    Returns
    -------
    dict, list of Profile
        The document ``splitopt-learning-curves`` and the profiles of the models.
    """
    import torch

    torch.set_num_threads(1)
    source, source_labels = _tensors(digits.source)
    pool, pool_labels = _tensors(digits.pool)
    if rehearsal:
        held, held_labels = pool[420:], pool_labels[420:]
        pool, pool_labels = pool[:420], pool_labels[:420]
    else:
        held, held_labels = _tensors(digits.test)
    samples = [math.ceil(q * len(pool_labels) - 1e-9) for q in FRACTIONS]
    permutations = np.stack(
        [np.random.default_rng([_SUBSET, s]).permutation(len(pool_labels)) for s in range(seeds)]
    )
    models, profiles, curves = [], [], []
    began = time.monotonic()
    for m, architecture in enumerate(architectures):
        pretrained = _pretrain(architecture, source, source_labels, range(seeds))
        profiles.append(networks.profile(architecture, pretrained))
        factors = {}
        for c, compression in enumerate(compressions):
            start = networks.compress(architecture, pretrained, compression)
            everywhere = source[:, None].expand(-1, seeds, -1, -1, -1)
            ranges = networks.calibrate(architecture, start, everywhere)
            task = _Task(
                architecture,
                compression.bits,
                ranges,
                pool,
                pool_labels,
                held[:, None],
                held_labels,
            )
            factors[compression.name] = networks.size_factors(
                architecture, pretrained, start, compression.bits
            )
            for n in samples:
                orders = [np.random.default_rng([_ORDER, s, m, c, n]) for s in range(seeds)]
                wrong = task.fine_tune(start, permutations[:, :n], orders)
                called = {"model": architecture.name, "compression": compression.name, "samples": n}
                for s in range(seeds):
                    curves.append({**called, "seed": s, "wrong": [int(x) for x in wrong[:, s]]})
                mean = wrong.mean(1) / len(held_labels)
                shown = " ".join(f"{mean[k]:.3f}" for k in sorted({0, 1, EPOCHS // 4, EPOCHS}))
                sys.stderr.write(
                    f"{time.monotonic() - began:6.0f} s  {architecture.name} {compression.name} "
                    f"N={n}: {shown}\n"
                )
        models.append({"name": architecture.name, "profile": architecture.name, "factors": factors})
    return _document(seeds, samples, len(held_labels), models, compressions, curves), profiles


def _document(
    seeds: int,
    samples: list[int],
    test_samples: int,
    models: list[dict[str, Any]],
    compressions: tuple[networks.Compression, ...],
    curves: list[dict[str, Any]],
) -> dict[str, Any]:
    """Assemble the document; factors of a level are means over models, each model's beside it."""
    levels = []
    for compression in compressions:
        rows = [model["factors"][compression.name] for model in models]
        mean = {key: round(sum(r[key] for r in rows) / len(rows), 4) for key in rows[0]}
        levels.append(
            {"name": compression.name, "keep": compression.keep, "bits": compression.bits} | mean
        )
    return {
        "format": "splitopt-learning-curves",
        "version": 1,
        "name": "digits",
        "dataset": "scikit-learn digits: 1797 images of 8 x 8, 10 classes",
        "description": "Test errors of compressed networks while they are fine-tuned on images of "
        "another domain: counts of wrong answers after 0, 1, ... epochs.",
        "protocol": "instances/measure/learning_curves.py",
        "local_samples": samples[-1],
        "samples_per_epoch": samples,
        "test_samples": test_samples,
        "epochs": EPOCHS,
        "seeds": seeds,
        "models": models,
        "compressions": levels,
        "curves": curves,
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure, fit and write the committed data."""
    parser = argparse.ArgumentParser(description="measure learning curves on digits")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "data")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--rehearsal", action="store_true", help="score on held-out pool images, write nothing"
    )
    options = parser.parse_args(arguments)
    document, profiles = measure(load_digits(), options.seeds, rehearsal=options.rehearsal)
    if options.rehearsal:
        return 0
    folder = options.out / "learning_curves"
    write_learning_data(folder / "digits.json", document)
    write_learning_data(folder / "digits-fits.json", fit_document(document))
    for profile in profiles:
        write_learning_data(
            options.out / "profiles" / f"{profile.name}.json", profile.to_document()
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
