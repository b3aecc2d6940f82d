"""``splitopt epochs``: how well epochs are predicted, and what it costs when they are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from splitopt.bench.commands.arguments import (
    FOLDER,
    SEED,
    Figure,
    SetOrInstance,
    Whole,
    open_instance,
)
from splitopt.bench.commands.output import echo_json, echo_table, json_option, note, say
from splitopt.bench.commands.selection import select_instances

if TYPE_CHECKING:
    from splitopt.bench.studies.epochs.records import Record
    from splitopt.bench.studies.epochs.regret import Regret


@click.command(
    epilog="""\b
Examples:
  splitopt epochs
  splitopt epochs --protocol seeds --protocol fractions --resamples 40 --out epochs
  splitopt epochs --pair digits-medium/prune-50 --regret none --json
  splitopt epochs --protocol none --regret quick --draws 20
\b
Predicted against measured epochs on the committed learning curves, by what the predictor was
given; then energy regret: plans made under a wrong K, at the true one.
"""
)
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    metavar="NAME",
    help="epochs-5, epochs-10, epochs-20, seeds, runs, fractions, compressions, models, or none; "
    "may be repeated.  [default: all]",
)
@click.option(
    "--pair",
    "pairs",
    multiple=True,
    metavar="MODEL/LEVEL",
    help="A measured pair such as digits-small/int8; may be repeated.  [default: all]",
)
@click.option(
    "--resamples",
    type=Whole(),
    default=20,
    metavar="N",
    help="Bootstrap fits behind each interval; 0 for none.",
)
@click.option(
    "--regret",
    "references",
    multiple=True,
    type=SetOrInstance(),
    default=("quick",),
    metavar="SET|INSTANCE|none",
    help="CIFT instances for energy regret; may be repeated.",
)
@click.option(
    "--draws",
    type=Whole(),
    default=10,
    metavar="N",
    help="Resamples of K for energy regret, besides both ends of the interval; at most 40.",
)
@click.option(
    "--time-limit",
    type=Figure(),
    default=60.0,
    metavar="S",
    help="Seconds for each optimum of energy regret.",
)
@click.option("--seed", type=SEED, default=0, help="Of the bootstrap.")
@click.option(
    "--out",
    type=FOLDER,
    metavar="DIR",
    help="Write epochs.json, the tables as epochs.md, scores of calibration, and figures into DIR.",
)
@json_option
def epochs(
    protocols: tuple[str, ...],
    pairs: tuple[str, ...],
    resamples: int,
    references: tuple[str, ...],
    draws: int,
    time_limit: float,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Judge the predictor of epochs, and the energy lost when it is wrong."""
    from splitopt.bench.studies.epochs.study import PROTOCOLS, study
    from splitopt.instances.core.errors import InputError

    for option, number, most in (("--resamples", resamples, 10_000), ("--draws", draws, 40)):
        if not 0 <= number <= most:
            raise InputError(option, number, f"a number from 0 to {most}", "leave it out")
    if seed < 0:
        raise InputError("--seed", seed, "a number >= 0", "leave it out for 0")
    if not time_limit > 0:
        raise InputError("--time-limit", time_limit, "seconds > 0", "leave it out for 60")
    names = [] if references == ("none",) else select_instances(references)
    wanted = () if protocols == ("none",) else protocols or PROTOCOLS
    chosen = [_read_pair(pair) for pair in pairs] or None
    records = list(study(wanted, chosen, resamples=resamples, seed=seed))
    skipped: dict[str, str] = {}
    found = _regrets(names, draws, time_limit, skipped)
    document = _document(records, found) | {"regret_skipped": skipped}
    written = [] if out is None else _write(out, document, records)
    if as_json:
        echo_json(document)
        return
    _tell(document)
    for name, reason in skipped.items():
        note(f"no regret: {name}: {reason}")
    for path in written:
        note(f"written: {path}")


def _read_pair(text: str) -> tuple[str, str]:
    model, _, level = text.partition("/")
    return model, level


def _regrets(
    names: Sequence[str], draws: int, time_limit: float, skipped: dict[str, str]
) -> list[Regret]:
    from splitopt.bench.studies.epochs.regret import regrets
    from splitopt.instances.cift.model import CiftInstance

    instances = [open_instance(name) for name in names]
    mine = [instance for instance in instances if isinstance(instance, CiftInstance)]
    return list(regrets(mine, draws=draws, time_limit_s=time_limit, skipped=skipped))


def _document(records: list[Record], found: list[Regret]) -> dict[str, Any]:
    from dataclasses import asdict

    from splitopt.bench.studies.epochs.calibrated import calibrated, other_networks
    from splitopt.bench.studies.epochs.tables import (
        coverage,
        regret_by_instance,
        regret_summary,
        summary,
    )

    return {
        "prediction": summary(records),
        "prediction_easy_targets": summary(records, strict=False),
        "coverage": coverage(records),
        "calibrated": calibrated(records),
        "other_networks": other_networks(records),
        "regret": regret_summary(found),
        "regret_by_instance": regret_by_instance(found),
        "records": [record.to_document() for record in records],
        "plans": [asdict(one) for one in found],
    }


def _tables() -> list[tuple[str, str, dict[str, str]]]:
    """Return key of the document, heading and columns of each table."""
    from splitopt.bench.studies.epochs.calibrated import CALIBRATED_COLUMNS, NETWORK_COLUMNS
    from splitopt.bench.studies.epochs.tables import COLUMNS, COVERAGE_COLUMNS, REGRET_COLUMNS

    by_instance = {"instance": "instance"} | {
        key: label for key, label in REGRET_COLUMNS.items() if key not in ("wrong", "scenario")
    }
    return [
        ("prediction", "Targets of at most 0.2", COLUMNS),
        ("prediction_easy_targets", "Targets above 0.2", COLUMNS),
        ("coverage", "Intervals of the suite's form", COVERAGE_COLUMNS),
        ("calibrated", "Calibrated intervals and bounds", CALIBRATED_COLUMNS),
        ("other_networks", "Calibrated on other networks", NETWORK_COLUMNS),
        ("regret", "Energy regret", REGRET_COLUMNS),
        ("regret_by_instance", "Energy regret by instance", by_instance),
    ]


def _tell(document: dict[str, Any]) -> None:
    from splitopt.bench.studies.epochs.tables import as_text

    first = True
    for key, heading, columns in _tables():
        if not document[key]:
            continue
        if not first:
            say("")
        first = False
        say(heading)
        echo_table(columns, as_text(document[key]))


def _write(out: Path, document: dict[str, Any], records: list[Record]) -> list[Path]:
    from splitopt.bench.studies.epochs.calibrated import calibration_document, write_price
    from splitopt.bench.studies.epochs.tables import markdown, write_profile
    from splitopt.instances.core.documents import write_bytes, write_json
    from splitopt.instances.networks.curve_data import write_learning_data

    written = [out / "epochs.json", out / "epochs.md"]
    write_json(written[0], document)
    parts = [
        f"### {heading}\n\n{markdown(columns, document[key])}"
        for key, heading, columns in _tables()
        if document[key]
    ]
    write_bytes(written[1], "\n".join(parts).encode())
    for protocol in dict.fromkeys(record.protocol for record in records):
        written.append(out / f"{protocol}.svg")
        write_profile(records, protocol, written[-1])
    if records:
        written += [out / "calibration.svg", out / "digits-calibration.json"]
        write_price(document["calibrated"], written[-2])
        write_learning_data(written[-1], calibration_document(records))
    return written
