#!/usr/bin/env bash
# An editable install with package_dir runs, while mypy and grimp do not see what is mapped.
#
# Expected: where `import house.rooms` works in an environment, the tools that read source in that
#   environment find the same modules: PEP 660 says that an editable install behaves as an installed
#   package does, and mypy and grimp look packages up by the interpreter's own means.
# Happens: setuptools maps a folder outside the package by an import hook at run time. Python, pytest
#   and `importlib.util.find_spec` follow it. mypy reads no hooks and says that there is no such module;
#   grimp (behind import-linter) takes the folder of `house` from the hook, then walks that folder alone
#   and reports a package of one module without a word: a contract on it is kept for want of imports.
#   A folder of links laid out as the package is, put first on the path, shows both the whole tree.
# Versions: setuptools 82.0.1, mypy 2.3.0, grimp 3.20; Python 3.11 or newer.
# Why it matters here: the suite's four folders are mapped below one name. Types and the direction of
#   imports are checked through such links (`.typing`, written by `make setup`), and a test counts that
#   the graph is not empty.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p project/face project/rooms
echo '"""The package itself."""' >project/face/__init__.py
: >project/face/py.typed
printf 'VALUE: int = 1\n' >project/rooms/__init__.py
printf 'from house.rooms import VALUE\n\nTWICE: str = 2 * VALUE\n' >project/rooms/wrong.py
cat >project/pyproject.toml <<'TOML'
[build-system]
requires = ["setuptools==82.0.1"]
build-backend = "setuptools.build_meta"

[project]
name = "house"
version = "1"
TOML
cat >project/setup.py <<'PYTHON'
from setuptools import setup

setup(packages=["house", "house.rooms"], package_dir={"house": "face", "house.rooms": "rooms"})
PYTHON
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check "mypy==2.3.0" "grimp==3.20" \
  --editable ./project 2>/dev/null

ran=$(venv/bin/python -c 'import house.rooms as r; print(r.VALUE)')
echo "python imports house.rooms: VALUE is $ran"
typed=$(venv/bin/mypy -p house.rooms 2>&1 || true)
echo "mypy: $typed"
graph='import grimp; print(*sorted(grimp.build_graph("house", cache_dir=None).modules))'
seen=$(venv/bin/python -c "$graph")
echo "grimp: $seen"

mkdir -p links/house
ln -s ../../project/rooms ../../project/face/__init__.py ../../project/face/py.typed links/house/
linked_types=$(MYPYPATH=links venv/bin/mypy -p house.rooms 2>&1 || true)
echo "mypy through links: $linked_types"
linked=$(PYTHONPATH=links venv/bin/python -c "$graph")
echo "grimp through links: $linked"

[ "$ran" = 1 ]
[[ $typed == *"Can't find package 'house.rooms'"* ]]
[ "$seen" = "house" ]
[[ $linked_types == *"Incompatible types in assignment"* ]]
[ "$linked" = "house house.rooms house.rooms.wrong" ]
echo "as described"
