"""Install the four folders below the one name `splitopt`; `bench/face` is `splitopt` itself."""

from setuptools import find_namespace_packages, setup

ROOMS = ("instances", "formulations", "heuristics", "bench")
FACE = "bench.face"

setup(
    packages=[
        "splitopt",
        *(
            f"splitopt.{name}"
            for room in ROOMS
            for name in find_namespace_packages(
                include=[room, f"{room}.*"], exclude=[FACE, "*.__pycache__"]
            )
        ),
    ],
    package_dir={"splitopt": FACE.replace(".", "/")} | {f"splitopt.{room}": room for room in ROOMS},
)
