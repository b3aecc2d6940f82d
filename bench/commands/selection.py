"""What a set of runs is made of, as it stands on the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from splitopt.bench.commands.arguments import instance_source, is_file_name, read_assignments
from splitopt.bench.commands.output import note
from splitopt.instances.core.errors import InputError, did_you_mean

KINDS = ("exact", "approximation", "heuristic", "learner")
_MOST_SEEDS = 100_000
_MOST_BYTES = 1 << 50
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(|B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)")
_UNITS = {
    "": 1,
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}


def select_instances(references: Sequence[str]) -> tuple[str, ...]:
    """Return the instances named: sets of the library become their members, each once."""
    chosen: list[str] = []
    for reference in references:
        if is_file_name(reference):
            chosen.append(reference)
            continue
        from splitopt.instances import library

        if reference in library.sets():
            chosen += library.names(reference)
        else:
            source = instance_source(reference)
            if isinstance(source, str) and not library.knows(source):
                library.load(source)  # says what is wrong, before a folder is made
            # A file without an ending is told from a name by its folder.
            chosen.append(source if isinstance(source, str) else str(source.absolute()))
    return tuple(dict.fromkeys(chosen))


def select_methods(names: Sequence[str], plugins: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the methods named; ``all`` and the kinds become their members, each once.

    A user's own methods count among them: those at `plugins` and those that packages install.
    """
    from splitopt.bench.methods.byfile.names import is_by_file
    from splitopt.bench.methods.plugins import all_entries
    from splitopt.bench.methods.registry import by_file

    entries, broken = all_entries(plugins)
    for line in broken:
        note(f"splitopt: {line}")
    known = [entry.name for entry in entries]
    chosen: list[str] = []
    for name in names:
        if name == "all" or name in KINDS:
            chosen += [entry.name for entry in entries if name in ("all", entry.kind)]
        elif is_by_file(name):
            by_file(name)  # says what is wrong with it
            chosen.append(name)
        elif name in known:
            chosen.append(name)
        else:
            every = dict.fromkeys(["all", *KINDS, *known])
            raise InputError(
                "--methods",
                name,
                "methods, kinds of them, or all",
                did_you_mean(name, every, "splitopt methods lists them"),
            )
    if not chosen:
        raise InputError("--methods", ",".join(names), "at least one method", "name some")
    return tuple(dict.fromkeys(chosen))


def read_numbers(option: str, text: str) -> tuple[int, ...]:
    """Return the numbers in ``0,1,2`` or ``0..4`` or a mixture."""
    wrong = InputError(option, text, "whole numbers >= 0, such as 0,1,2 or 0..4", "correct it")
    numbers: list[int] = []
    for part in text.split(","):
        first, dots, last = part.strip().partition("..")
        if not first.isdecimal() or (dots and not last.isdecimal()) or len(first + last) > 40:
            raise wrong
        low, high = int(first), int(last) if dots else int(first)
        if high < low or high - low >= _MOST_SEEDS or high >= 2**63:
            raise wrong
        numbers += range(low, high + 1)
    return tuple(dict.fromkeys(numbers))


def read_bytes_limit(option: str, text: str | None) -> int | None:
    """Return the bytes in ``2GiB`` or ``500MB`` or a plain number; None for None."""
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InputError(
            option, text, "a size such as 2GiB, 500MB or a number of bytes", "correct it"
        )
    size = float(match[1]) * _UNITS[match[2]]
    if not (1 << 20) <= size <= _MOST_BYTES:
        raise InputError(option, text, "a size from 1 MiB to 1024 TiB", "correct it")
    return int(size)


def read_method_options(
    assignments: Sequence[str], methods: Sequence[str]
) -> Mapping[str, Mapping[str, object]]:
    """Return options by method from ``method.name=value`` texts.

    Raises
    ------
    InputError
        For a text of another form, or a method that is not run.
    """
    given: dict[str, list[str]] = {}
    for text in assignments:
        # Of methods' names one may begin another, and hold dots and signs of equality.
        fitting = [method for method in methods if text.strip().startswith(f"{method}.")]
        if not fitting:
            raise InputError(
                "--option",
                text,
                "METHOD.NAME=VALUE with METHOD one of " + ", ".join(methods),
                "name the method that has the option",
            )
        method = max(fitting, key=len)
        given.setdefault(method, []).append(text.strip().removeprefix(f"{method}."))
    return {method: read_assignments("--option", texts) for method, texts in given.items()}
