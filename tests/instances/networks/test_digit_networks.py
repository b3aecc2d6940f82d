"""The networks behind the learning curves; needs the extra ``measure``."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `measure` is not installed")
pytest.importorskip("sklearn", reason="the extra `measure` is not installed")

from splitopt.instances.measure import digit_networks as networks  # noqa: E402
from splitopt.instances.measure.learning_curves import _loss, load_digits, measure  # noqa: E402

SMALL = networks.ARCHITECTURES[0]
LEVELS = {compression.name: compression for compression in networks.COMPRESSIONS}


def drawn(seeds: int = 3) -> networks.Parameters:
    return networks.initial_parameters(SMALL, [np.random.default_rng([9, s]) for s in range(seeds)])


def some_images(seeds: int, batch: int = 4) -> object:
    shape = (batch, seeds, 1, 8, 8)
    return torch.from_numpy(np.random.default_rng(3).random(shape).astype(np.float32))


def test_networks_of_a_stack_do_not_see_each_other() -> None:
    parameters, images = drawn(), some_images(3)
    together = networks.forward(SMALL, parameters, images)
    assert together.shape == (4, 3, 10)
    for s in range(3):
        alone = networks.forward(
            SMALL, {name: t[s : s + 1] for name, t in parameters.items()}, images[:, s : s + 1]
        )
        torch.testing.assert_close(together[:, s : s + 1], alone)


def test_each_network_gets_its_own_gradient() -> None:
    images, labels = some_images(3), torch.tensor([[1, 2, 3]] * 4)
    parameters = {name: t.requires_grad_(True) for name, t in drawn().items()}
    _loss(networks.forward(SMALL, parameters, images), labels).backward()
    alone = {name: t[1:2].detach().requires_grad_(True) for name, t in parameters.items()}
    logits = networks.forward(SMALL, alone, images[:, 1:2])
    torch.nn.functional.cross_entropy(logits[:, 0], labels[:, 1]).backward()
    for name, t in parameters.items():
        torch.testing.assert_close(t.grad[1:2], alone[name].grad, atol=1e-6, rtol=1e-4)


def test_pruning_dead_channels_changes_nothing() -> None:
    # Channels that nothing writes and nothing reads have no weight and leave first.
    parameters, images = drawn(), some_images(3)
    for name, t in parameters.items():
        if name.endswith(".b"):
            continue
        if name != "head.w":
            t[:, t.shape[1] // 2 :] = 0
        if name != "stem.w":
            t[:, :, t.shape[2] // 2 :] = 0
    pruned = networks.compress(SMALL, parameters, LEVELS["prune-50"])
    assert pruned["a1.1.w"].shape == (3, 4, 4, 3, 3)
    assert pruned["head.w"].shape == (3, 10, 8)
    torch.testing.assert_close(
        networks.forward(SMALL, pruned, images), networks.forward(SMALL, parameters, images)
    )


def test_rounding_errs_by_half_a_step_and_passes_the_gradient() -> None:
    w = drawn()["a1.1.w"].requires_grad_(True)
    for bits in (8, 4):
        rounded = networks._quantised_weights(w, bits)
        step = w.abs().flatten(2).amax(2) / (2 ** (bits - 1) - 1)
        assert ((rounded - w).abs().flatten(2).amax(2) <= step / 2 + 1e-6).all()
        (gradient,) = torch.autograd.grad(rounded.sum(), w)
        assert (gradient == 1).all()


def test_int8_stays_near_the_floating_point_network() -> None:
    parameters, images = drawn(), some_images(3, batch=50)
    ranges = networks.calibrate(SMALL, parameters, images)
    exact = networks.forward(SMALL, parameters, images)
    errors = {
        bits: (networks.forward(SMALL, parameters, images, bits, ranges) - exact).abs().max()
        for bits in (8, 4)
    }
    assert errors[8] < 0.05 * exact.abs().max()
    assert errors[8] < errors[4]


def test_the_parts_are_disjoint_and_whole() -> None:
    digits = load_digits()
    parts = [digits.source, digits.pool, digits.test]
    assert [len(images) for images, _, _ in parts] == [597, 600, 600]
    indices = np.concatenate([index for _, _, index in parts])
    assert sorted(indices) == list(range(1797))
    for images, labels, _ in parts:
        assert images.min() >= 0
        assert images.max() <= 1
        # By class: each of the ten digits is about a tenth of every part.
        assert (np.abs(np.bincount(labels) - len(labels) / 10) <= 4).all()


def test_the_test_part_does_not_reach_training(monkeypatch: pytest.MonkeyPatch) -> None:
    # Counts over halves of the test part add up only if the same networks came out of all runs.
    from splitopt.instances.measure import learning_curves

    monkeypatch.setattr(learning_curves, "EPOCHS", 2)
    monkeypatch.setattr(learning_curves, "PRETRAIN_EPOCHS", 1)
    monkeypatch.setattr(learning_curves, "FRACTIONS", (0.05, 0.1))
    digits = load_digits()

    def wrong(chosen: slice) -> np.ndarray:
        part = learning_curves.Digits(
            digits.source, digits.pool, tuple(column[chosen] for column in digits.test)
        )
        document, profiles = measure(
            part, 2, networks.ARCHITECTURES[:1], (LEVELS["prune-50-int8"],)
        )
        assert profiles[0].name == "digits-small"
        return np.array([curve["wrong"] for curve in document["curves"]])

    whole = wrong(slice(None))
    assert whole.shape == (4, 3)
    assert (whole == wrong(slice(250)) + wrong(slice(250, None))).all()
