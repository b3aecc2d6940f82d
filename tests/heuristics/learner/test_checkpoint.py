"""Checkpoints: exact, atomic, and closed to what is not theirs."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from splitopt.heuristics.learner import checkpoint
from splitopt.instances.core.errors import InputError


def test_bits_survive(tmp_path):
    odd = np.array([np.nan, -0.0, np.inf, 1e-45, 1 / 3], dtype=np.float32)
    arrays = {"a": odd, "b/c": np.arange(6).reshape(2, 3), "scalar": np.array(7, dtype=np.uint32)}
    path = tmp_path / "x.npz"
    checkpoint.write_arrays(path, arrays, {"seed": 3, "words": ["ä", "b"]})
    found, document = checkpoint.read_arrays(path)
    assert document == {"seed": 3, "words": ["ä", "b"]}
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()
    first = path.read_bytes()
    checkpoint.write_arrays(path, dict(reversed(arrays.items())), document)
    assert path.read_bytes() == first


def test_numpy_reads_it_too(tmp_path):
    path = tmp_path / "x.npz"
    checkpoint.write_arrays(path, {"a": np.arange(3)}, {})
    with np.load(path, allow_pickle=False) as archive:
        assert archive["a"].tolist() == [0, 1, 2]


def _pickled(path):
    np.savez(path, a=np.array([{"an": "object"}], dtype=object))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("document.json", "{}")


def _cut(path):
    checkpoint.write_arrays(path, {"a": np.arange(1000)}, {})
    path.write_bytes(path.read_bytes()[:-40])


def _flipped(path):
    checkpoint.write_arrays(path, {"a": np.random.default_rng(0).random(1000)}, {})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


def _list(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("document.json", "[1]")


@pytest.mark.parametrize(
    "spoil",
    [_pickled, _cut, _flipped, _list, lambda p: np.savez(p, a=1), lambda p: p.write_text("no")],
)
def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path, spoil):
    path = tmp_path / "x.npz"
    spoil(path)
    with pytest.raises(InputError) as caught:
        checkpoint.read_arrays(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="file that exists"):
        checkpoint.read_arrays(tmp_path / "none.npz")


def test_another_structure_is_refused(tmp_path):
    jax = pytest.importorskip("jax")
    path = tmp_path / "x.npz"
    tree = {"w": np.zeros((2, 3), np.float32), "b": np.ones(3, np.float32)}
    checkpoint.save(path, tree, {"k": 1})
    back, document = checkpoint.restore(path, tree)
    assert document == {"k": 1}
    assert all((np.asarray(back[k]) == tree[k]).all() for k in tree)
    assert jax.tree.structure(back) == jax.tree.structure(tree)
    for other in (
        {"w": np.zeros((3, 2), np.float32), "b": tree["b"]},
        {"w": np.zeros((2, 3), np.int32), "b": tree["b"]},
        {"w": tree["w"]},
    ):
        with pytest.raises(InputError, match="checkpoint"):
            checkpoint.restore(path, other)
