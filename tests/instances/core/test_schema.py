"""The published schemas: they take what loading takes, and refuse what is wrong in structure."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from splitopt.instances import library, sources
from splitopt.instances.core.documents import read_json
from splitopt.instances.core.errors import InputError
from splitopt.instances.generators import generate
from splitopt.instances.generators.families import FAMILIES
from splitopt.instances.judge import instance_from_document, plan_from_document
from splitopt.instances.library.crafted_cift import CRAFTED_CIFT
from splitopt.instances.library.crafted_mepra import CRAFTED_MEPRA
from splitopt.instances.networks.profiles import load_profile, profile_names

DATA = Path(__file__).parents[2] / "data"
EXPECTED = json.loads((DATA / "malformed" / "expected.json").read_text())
KINDS = ("cift", "mepra", "cift-plan", "mepra-plan", "profile")


def schema(kind: str):
    text = (resources.files("splitopt.instances") / "schema" / f"{kind}.schema.json").read_text()
    return json.loads(text)


VALIDATORS = {kind: jsonschema.Draft202012Validator(schema(kind)) for kind in KINDS}


def problems(document, kind: str) -> list[str]:
    return [error.message for error in VALIDATORS[kind].iter_errors(document)]


@pytest.mark.parametrize("kind", KINDS)
def test_schema_is_sound_and_described(kind):
    document = schema(kind)
    jsonschema.Draft202012Validator.check_schema(document)
    assert document["$schema"].endswith("2020-12/schema")

    def walk(part, where):
        if isinstance(part, dict):
            for name, entry in part.get("properties", {}).items():
                if entry is False or "if" in where:
                    continue
                described = "description" in entry or "$ref" in entry
                assert described or "const" in entry, f"{where}.{name}"
            if part.get("type") == "object" and "properties" in part:
                assert part.get("additionalProperties") is False, where
            for key, entry in part.items():
                if key not in ("if", "then", "else"):
                    walk(entry, f"{where}.{key}")

    walk(document, kind)


def instances():
    yield from (build(name) for name, build in {**CRAFTED_CIFT, **CRAFTED_MEPRA}.items())
    for family in FAMILIES:
        yield generate(family, 3)
    for name in ("mepra-image-10mbps", "mepra-video-sparse-10mbps", "mepra-image-free-10mbps"):
        yield sources.load(name)
    for kind in (6, 22, 35):  # epochs and scenarios, scenarios, means and variances
        yield library.load(f"cift-uncertain-{kind:03d}")


def test_instances_and_their_schema_agree():
    count = 0
    for instance in instances():
        document = json.loads(json.dumps(instance.to_document()))
        assert problems(document, instance.problem) == [], instance.name
        assert instance_from_document(document).content_hash == instance.content_hash
        count += 1
    assert count >= 40


@pytest.mark.parametrize("name", profile_names())
def test_profiles_and_their_schema_agree(name):
    path = resources.files("splitopt.instances") / "data" / "profiles" / f"{name}.json"
    assert problems(json.loads(path.read_text()), "profile") == []
    assert problems(load_profile(name).to_document(), "profile") == []


@pytest.mark.parametrize("kind", ["cift", "mepra", "cift-plan", "mepra-plan"])
def test_committed_files_and_their_schema_agree(kind):
    assert problems(read_json(DATA / f"small-{kind}.json"), kind) == []


STRUCTURAL = [row["file"] for row in EXPECTED if row["structural"]]
OTHER = [row["file"] for row in EXPECTED if not row["structural"]]


def kind_of(file: str) -> str:
    return next(
        kind for kind in ("cift-plan", "mepra-plan", "cift", "mepra") if file.startswith(kind)
    )


@pytest.mark.parametrize("file", STRUCTURAL)
def test_structural_errors_are_refused(file):
    assert problems(read_json(DATA / "malformed" / file), kind_of(file)) != []


@pytest.mark.parametrize("file", OTHER)
def test_what_a_schema_cannot_say_is_left_to_loading(file):
    """Not JSON at all, or well formed and wrong: were the schema to see it, say so there."""
    try:
        document = read_json(DATA / "malformed" / file)
    except InputError:
        return
    assert problems(document, kind_of(file)) == []


@pytest.mark.parametrize("kind", ["cift", "mepra", "cift-plan", "mepra-plan"])
def test_every_field_of_the_schema_is_read_and_no_other(kind):
    """Leave out each field, one at a time: schema and loading agree on whether it is needed."""
    document = read_json(DATA / f"small-{kind}.json")
    load = plan_from_document if kind.endswith("plan") else instance_from_document
    load(document)
    tried = 0
    for path in objects(document):
        holder = document
        for key in path:
            holder = holder[key]
        for field in list(holder):
            value = holder.pop(field)
            try:
                load(document)
                loads = True
            except InputError as error:
                loads = "this field" not in error.allowed and error.field != "format"
            assert loads == (problems(document, kind) == []), (path, field)
            holder[field] = value
            tried += 1
    assert tried >= 4


def objects(value, path=()):
    """Yield the path of every object in a document, ``origin`` aside."""
    if isinstance(value, dict):
        yield path
        for key, entry in value.items():
            if key != "origin":
                yield from objects(entry, (*path, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from objects(entry, (*path, index))
