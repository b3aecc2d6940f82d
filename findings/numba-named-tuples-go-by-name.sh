#!/usr/bin/env bash
# Numba's compiled calls tell named tuples apart by name and fields, not by class.
#
# Expected: two classes made by `namedtuple("Point", "x y")`, in two modules say, are two types, as
#   they are to Python and to `numba.typeof`: a compiled function that returns its argument returns
#   what it was given, and one compiled for the signature of one class takes that class.
# Happens: what a compiled function is called with is looked up by a fingerprint, which has the name
#   and the fields of the class. Whichever class was seen first stands for both: the identity turns
#   a tuple of the second class into one of the first, without a word, and a function compiled for
#   the second class alone says that nothing matches its own signature.
# Versions: numba 0.68.1; Python 3.11 or newer.
# Why it matters here: kernels take records (instances/core/kernels.py) and are compiled for their
#   signatures alone. Tests that import a module anew with one figure changed have a second class of
#   each record: kernels of the changed module raised, which counted as a change that was noticed,
#   or ours did afterwards, where such tests came first. Kernels are interpreted meanwhile
#   (tests/formulations/test_mutations.py), and no two records of kernels have one name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/names.py" <<'PYTHON'
import sys
from collections import namedtuple

import numba
from numba import types

First, Second = namedtuple("Point", "x y"), namedtuple("Point", "x y")


@numba.njit
def identity(point):
    return point


def made_for(kind):
    """Return a function compiled for tuples of one class alone."""
    of = types.BaseTuple.from_types((types.float64, types.float64), kind)
    found = numba.njit(lambda point: point.x)
    found.compile((of,))
    found.disable_compile()
    return found


first, second = First(1.0, 2.0), Second(1.0, 2.0)
apart = numba.typeof(first) != numba.typeof(second)
print(f"  numba.typeof tells the classes apart: {apart}")
kept = type(identity(first)) is First
turned = type(identity(second)) is First
print(f"  the identity of a First is a First: {kept}; that of a Second is a First: {turned}")
try:
    print(f"  a function for a Second gives {made_for(Second)(second)} of one")
    refused = False
except TypeError as error:
    refused = True
    print(f"  a function for a Second, given one: {str(error)[:60]}")
sys.exit(0 if apart and kept and turned and refused else "this has changed")
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numba==0.68.1 numpy==2.4.6
"$folder/venv/bin/python" "$folder/names.py"
