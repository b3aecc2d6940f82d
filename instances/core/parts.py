"""Parts of documents as frozen dataclasses: numbers checked when built, lists read one by one."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TypeVar

from splitopt.instances.core import fields
from splitopt.instances.core.documents import content_hash
from splitopt.instances.core.errors import InputError

PartT = TypeVar("PartT")


class Plain:
    """A dataclass that is a JSON object with a value for each of its fields."""

    __slots__ = ()

    @classmethod
    def from_document(cls, document: object) -> Self:
        """Return the part in a JSON object."""
        columns = [column.name for column in dataclasses.fields(cls)]  # type: ignore[arg-type]
        return cls(**fields.mapping("", document, columns))

    def to_document(self) -> dict[str, object]:
        """Return the part as a JSON object."""
        return {c.name: getattr(self, c.name) for c in dataclasses.fields(self)}  # type: ignore[arg-type]


class Annotated:
    """An instance: its name and annotations do not change its optimum."""

    name: str
    description: str
    assumptions: tuple[str, ...]

    @abstractmethod
    def to_document(self) -> dict[str, object]:
        """Return the instance as a JSON object."""

    @functools.cached_property
    def content_hash(self) -> str:
        """SHA-256 of what determines the optimum; name and annotations are left out."""
        document = self.to_document()
        for annotation in ("name", "description", "assumptions", "origin"):
            del document[annotation]
        return content_hash(document)

    def keep_annotations(self, *groups: str) -> None:
        """Check name and annotations while the instance is built; keep groups as tuples."""
        fields.name("name", self.name)
        fields.text("description", self.description)
        for group in (*groups, "assumptions"):
            object.__setattr__(self, group, tuple(getattr(self, group)))
        for index, line in enumerate(self.assumptions):
            fields.text(f"assumptions[{index}]", line)


def read_annotations(found: Mapping[str, object]) -> dict[str, Any]:
    """Return name and annotations of an instance in a JSON object."""
    return {
        "name": fields.name("name", found["name"]),
        "description": fields.text("description", found.get("description", "")),
        "assumptions": fields.read_lines(found, "assumptions"),
        "origin": fields.read_origin(found),
    }


def keep_names(part: object, *columns: str) -> None:
    """Check fields of a part that are names."""
    for column in columns:
        fields.name(column, getattr(part, column))


def keep_numbers(part: object, *columns: str, optional: bool = False, **limits: Any) -> None:
    """Check fields of a part that is being built, and keep them as floats; None if `optional`.

    Limits and remedy are those of `splitopt.instances.core.fields.number`.
    """
    for column in columns:
        value = getattr(part, column)
        if not (optional and value is None):
            object.__setattr__(part, column, fields.number(column, value, **limits))


@contextlib.contextmanager
def within(where: str) -> Iterator[None]:
    """Name the place in errors about what stands in it."""
    try:
        yield
    except InputError as error:
        raise error.within(where) from None


def read_parts(
    found: Mapping[str, object], name: str, read: Callable[[object], PartT], *, minimum: int = 0
) -> tuple[PartT, ...]:
    """Return the parts in a list of JSON objects; none where there is no such field."""
    parts = []
    for index, entry in enumerate(fields.sequence(name, found.get(name, ()), minimum=minimum)):
        with within(f"{name}[{index}]"):
            parts.append(read(entry))
    return tuple(parts)
