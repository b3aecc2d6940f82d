"""The file formats as a reference page, read off the published JSON schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from splitopt.instances.core.documents import parse_json


def schemas() -> dict[str, Mapping[str, Any]]:
    """Return the schemas by name of the file, in alphabetical order."""
    folder = resources.files("splitopt.instances") / "schema"
    found: dict[str, Mapping[str, Any]] = {}
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.name.endswith(".schema.json"):
            document = parse_json(entry.read_bytes(), entry.name)
            assert isinstance(document, dict)
            found[entry.name] = document
    return found


def _kind(schema: Mapping[str, Any]) -> str:
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return " or ".join(dict.fromkeys(_kind(part) for part in schema[choice]))
    kind = schema.get("type", "any")
    name = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if name == "array" and isinstance(schema.get("items"), dict):
        return f"array of {_kind(schema['items'])}"
    signs = (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="))
    limits = [f"{sign} {schema[key]:g}" for key, sign in signs if key in schema]
    # Limits that only say "an integer a double holds" tell a reader nothing.
    return " ".join([name, *(limit for limit in limits if "e+15" not in limit)])


def _rows(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str, str, str]]:
    required = set(schema.get("required", ()))
    for name, part in schema.get("properties", {}).items():
        where = f"{path}{name}"
        said = " ".join(str(part.get("description", "")).replace("|", "or").split())
        yield where, _kind(part), "yes" if name in required else "", said
        inner = part.get("items", part) if isinstance(part.get("items", part), dict) else part
        mark = f"{where}[]." if "items" in part else f"{where}."
        yield from _rows(inner, mark)


def formats_page() -> str:
    """Return one table a schema: field, type, whether it has to be there, meaning."""
    parts = [
        "# File formats",
        "Written from the JSON schemas in `instances/schema`. What a schema cannot say "
        "(references, acyclic links, sums, the epochs rule) is checked on loading.",
    ]
    for name, schema in schemas().items():
        parts.append(f"## {schema.get('title', name)}")
        parts.append(f"`{name}`. {schema.get('description', '')}")
        lines = ["| field | type | required | meaning |", "|---|---|---|---|"]
        lines += [f"| `{a}` | {b} | {c} | {d} |" for a, b, c, d in _rows(schema)]
        parts.append("\n".join(lines))
        for definition, part in schema.get("$defs", {}).items():
            parts.append(f"### {definition}")
            if part.get("description"):
                parts.append(str(part["description"]))
            lines = ["| field | type | required | meaning |", "|---|---|---|---|"]
            found = [f"| `{a}` | {b} | {c} | {d} |" for a, b, c, d in _rows(part)]
            parts.append("\n".join(lines + found) if found else _kind(part))
    return "\n\n".join(parts) + "\n"
