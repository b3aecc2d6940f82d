"""Bring the stores of several machines together, and believe none of them."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from splitopt.bench.store.checksums import checksum
from splitopt.bench.store.records import check_payload, decode, plan_and_trajectory, unpack
from splitopt.bench.store.rows import Row
from splitopt.bench.store.schema import COLUMNS, VERDICT_COLUMNS
from splitopt.bench.store.store import FILE_NAME, BestKnown, Store, making, uncollected
from splitopt.bench.verdicts.again import Again, instances_of
from splitopt.instances.core import fields
from splitopt.instances.core.errors import InputError

# What a verdict rests on beside the plan: rows that agree in it are judged together.
_JUDGED = (
    "instance_hash",
    "problem",
    "method",
    "method_source",
    "termination",
    "status",
    "objective",
    "objective_claimed",
    "bound",
    "gap",
    "relative_gap",
    "guarantee",
    "verdict",
    "violations",
)
_judged = operator.itemgetter(*map(COLUMNS.index, _JUDGED))
_key, _instance = (COLUMNS.index(name) for name in ("key", "instance_hash"))
_claims = operator.itemgetter(*map(COLUMNS.index, ("status", "verdict", "objective", "bound")))
_NOTHING = ("none", "not claimed", None, None)
_CLAIMS_HELD = 100_000


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did.

    Attributes
    ----------
    added, there
        Rows added, and rows whose run was there already.
    refuted
        Of those added, the rows that say what the judge denies; they are called wrong now.
    unjudged
        Of those added, the rows that claim something of an instance that no store holds.
    """

    added: int
    there: int
    refuted: tuple[Row, ...] = ()
    unjudged: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What the judge says of the rows of a store: by key those it refutes, and how many it cannot.

    A row that claims nothing is not counted.
    """

    refuted: Mapping[str, Row]
    unjudged: int


def judged_again(store: Store, again: Again, but: Collection[str] = ()) -> Standing:
    """Judge the rows of a store again, but those with a key in `but`.

    Each distinct claim on a distinct plan is judged once.
    """
    like: dict[tuple[object, bytes], Row | None] = {}
    refuted: dict[str, Row] = {}
    judged: dict[str, bool] = {}
    unjudged = 0
    where = f"{store.path.parent}: "
    for values, payload in store.records(wholly=True):  # it is copied as it stands
        key = values[_key]
        if key in but or _claims(values) == _NOTHING:
            check_payload(where, key, payload, ("document",))
            continue
        instance = values[_instance]
        if instance not in judged:
            judged[instance] = again.instance_of(instance) is not None
        unjudged += not judged[instance]
        plan, _ = plan_and_trajectory(where, key, payload)  # as it was stored, too
        claim = (_judged(values), checksum(plan))
        if claim not in like:
            if len(like) >= _CLAIMS_HELD:
                like.clear()
            like[claim] = again.refuted(
                decode(where, values, unpack(where, key, payload, output=False))
            )
        found = like[claim]
        if found is not None:
            own = decode(where, values)
            same = {name: getattr(found, name) for name in VERDICT_COLUMNS}
            refuted[own.key] = dataclasses.replace(own, **same)
    return Standing(refuted, unjudged)


def merge(out: Path, sources: Sequence[Path], *, trust: bool = False) -> Merged:
    """Add the rows of other stores to the one at `out`, made if missing.

    Of two rows of the same run the first stays, whichever machine it is from. Nothing in the
    sources changes. Rows are checked and judged again: one that says what the judge denies is
    called wrong.

    Parameters
    ----------
    trust
        Take rows whose checksum fits as they are, verdicts too; of others types and ranges are
        checked. Take as well what a store says is best known of its instances, which no plan
        stands behind, from the first that says it.

    Raises
    ------
    InputError
        When a source is no store, or is `out` itself, or holds what no store of ours would.
    """
    for source in sources:
        if source.resolve() == out.resolve():
            raise InputError("source", str(source), "a store other than --out", "leave it out")
    known: set[str] = set()
    if (out / FILE_NAME).is_file():
        with Store(out, readonly=True) as target:
            known |= target.keys().keys()
    # All of them are there, and right, before anything is written.
    standings = []
    own: dict[str, bytes] = {}
    for source in sources:
        with uncollected(), Store(source, readonly=True) as store:
            last = store.last
            store.check(ranges=not trust, each=trust)
            _best_known(store)
            standing = Standing({}, 0)
            if not trust:
                standing = judged_again(store, Again(instances_of(store, own)), known)
                known |= store.keys().keys()
            standings.append((last, standing))
    added = there = 0
    with making(out) as target:
        for source, (last, standing) in zip(sources, standings, strict=True):
            with Store(source, readonly=True) as store, target.taking(store):
                _take_rest(store, target, own)
                if trust:
                    _take_best_known(store, target)
                new, old = target.take(standing.refuted, last)
                added += new
                there += old
    refuted = [row for _, standing in standings for row in standing.refuted.values()]
    return Merged(added, there, tuple(refuted), sum(one.unjudged for _, one in standings))


def _best_known(store: Store) -> dict[str, BestKnown]:
    """Return what a store knows from elsewhere, checked."""
    found = store.best_known()
    for key, known in found.items():
        for name in ("objective", "bound"):
            value = getattr(known, name)
            if value is not None:
                fields.number(f"{store.path.parent}: best_known: {key[:12]}: {name}", value)
        fields.text("best_known: source", known.source)
    return found


def _take_rest(store: Store, target: Store, own: Mapping[str, bytes]) -> None:
    """Take what rows refer to; an instance without its document where that is not its own.

    `own` has the checksums of documents that were found to be.
    """
    for environment in store.environments().values():
        target.put_environment(environment)
    instance_of = instances_of(store)
    for entry in store.instances():
        key = entry["hash"]
        document = None if target.has_instance(key) else store.instance_document(key)
        if document is not None and own.get(key) != checksum(document) and instance_of(key) is None:
            document = None
        target.put_instance(key, entry["name"], entry["problem"], entry["source"], document)
    calls = target.calls()
    for call in store.calls():
        if call not in calls:
            document_ = {k: v for k, v in call.items() if k != "started_at"}
            target.put_call(call["started_at"], document_)


def _take_best_known(store: Store, target: Store) -> None:
    known = target.best_known()
    for key, best in _best_known(store).items():
        if key not in known:
            target.put_best_known(key, best)
