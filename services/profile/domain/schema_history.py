"""Every revision of a tenant's schemas, so that an old interaction is read as it was when it came."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from libs.runtime.clock import Micros
from libs.runtime.errors import EtagMismatch, InvalidArgument, NotFound
from services.profile.domain.schema import TRAITS, PropertySchema, Role, Schema
from services.profile.domain.schema_defaults import SHIPPED
from services.profile.domain.schema_set import SchemaSet


@dataclass(frozen=True, slots=True)
class SchemaPublished:
    """A schema has a new version, and the tenant a new revision."""

    schema: Schema


@dataclass(frozen=True, slots=True)
class SchemaHistory:
    """All revisions; the first, 0, is what Portrait ships."""

    revisions: tuple[SchemaSet, ...] = field(default_factory=lambda: (SchemaSet(0, SHIPPED),))

    @property
    def current(self) -> SchemaSet:
        return self.revisions[-1]

    def at(self, revision: int) -> SchemaSet:
        """The schemas as of that revision; raises `NotFound` for one that is not known (yet)."""
        if not 0 <= revision < len(self.revisions):
            raise NotFound("schema revision", str(revision))
        return self.revisions[revision]

    def get(self, name: str, version: int = 0) -> Schema:
        """One schema, in its current version if none is named; raises `NotFound`."""
        for revision in reversed(self.revisions):
            schema = revision.schemas.get(name)
            if schema is not None and version in (0, schema.version):
                return schema
        raise NotFound("schema", f"{name} version {version}" if version else name)

    def publish(
        self, schema: Schema, published_at: Micros, etag: str = ""
    ) -> tuple["SchemaHistory", Schema, list[str]]:
        """The history that follows, the schema as it then stands, and what changes, one line each.

        Publishing what stands already changes nothing. Raises `EtagMismatch` and `InvalidArgument`.
        """
        before = self.current.schemas.get(schema.name)
        history = self
        for event in decide(self, schema, published_at, etag):
            history = evolve(history, event)
        after = history.current.schemas[schema.name]
        return history, after, list(_changes(before, after))


def evolve(history: SchemaHistory, event: SchemaPublished) -> SchemaHistory:
    """The history with one more revision."""
    schemas = {**history.current.schemas, event.schema.name: event.schema}
    return SchemaHistory((*history.revisions, SchemaSet(event.schema.revision, schemas)))


def decide(history: SchemaHistory, schema: Schema, published_at: Micros, etag: str = "") -> list[SchemaPublished]:
    """What publishing a schema leads to; an etag that is given must be the current version's."""
    _check(schema)
    current = history.current.schemas.get(schema.name)
    if current is not None and current.version and _content(current) == _content(schema):
        return []
    if etag and (current is None or current.etag != etag):
        raise EtagMismatch(etag, current.etag if current else "")
    return [
        SchemaPublished(
            replace(
                schema,
                version=current.version + 1 if current else 1,
                revision=history.current.revision + 1,
                published_at=published_at,
            )
        )
    ]


def _content(schema: Schema) -> Schema:
    return replace(schema, version=0, revision=0, published_at=None)


def _check(schema: Schema) -> None:
    """Raise for what no reading could be made of."""
    if (schema.kind == "traits") != (schema.name == TRAITS):
        raise InvalidArgument("schema.name", f"{TRAITS!r} is the name of the traits' schema, and of nothing else")
    if schema.kind == "traits" and (schema.money_flow or schema.weight):
        raise InvalidArgument("schema.kind", "traits have neither weight nor money flow")
    names: set[str] = set()
    lists: set[str] = set()
    for index, one in enumerate(schema.properties):
        at = f"schema.properties[{index}]"
        inside, name = one.place
        if not name or "[]" in name or "[]" in inside or (not inside and one.name.startswith("[].")):
            raise InvalidArgument(f"{at}.name", 'is neither a name nor of the form "list[].name"')
        if one.name in names:
            raise InvalidArgument(f"{at}.name", f"{one.name!r} is listed twice")
        names.add(one.name)
        if one.role is None:
            continue
        if schema.kind == "traits":
            raise InvalidArgument(f"{at}.role", "traits play no role")
        if inside and one.role == "currency":
            raise InvalidArgument(f"{at}.role", "an event has one currency, which stands outside of its lines")
        lists |= {inside} - {""}
        if len(lists) > 1:
            raise InvalidArgument(f"{at}.role", f"only one list can have roles, {' or '.join(sorted(lists))}")


def _changes(before: Schema | None, after: Schema) -> Iterator[str]:
    if before is None:
        yield f"{after.name} is new: it is no longer read by the usual property names but by those listed"
        before = Schema(after.name, after.kind)
    if before.description != after.description:
        yield "the description changes"
    if before.unknown_properties != after.unknown_properties:
        yield f"unknown properties: {before.unknown_properties} → {after.unknown_properties}"
    if before.reading().weight != after.reading().weight:
        yield f"weight: {before.reading().weight} → {after.reading().weight}"
    if before.money_flow != after.money_flow:
        yield f"money flow: {before.money_flow or 'none'} → {after.money_flow or 'none'}"
    yield from _property_changes(before.properties, after.properties)


def _property_changes(before: Sequence[PropertySchema], after: Sequence[PropertySchema]) -> Iterator[str]:
    olds, news = _by_name(before), _by_name(after)
    for name in sorted(olds.keys() | news.keys()):
        if name not in news:
            yield f"{name}: no longer described{_played(olds[name].role)}"
        elif name not in olds:
            yield f"{name}: {_told(news[name])}"
        elif olds[name] != news[name]:
            yield f"{name}: {_told(olds[name])} → {_told(news[name])}"
    preferred_before, preferred_after = [p.name for p in before if p.role], [p.name for p in after if p.role]
    if preferred_before != preferred_after and sorted(preferred_before) == sorted(preferred_after):
        yield "the order of preference among properties of one role changes"


def _by_name(properties: Iterable[PropertySchema]) -> dict[str, PropertySchema]:
    return {one.name: one for one in properties}


def _told(one: PropertySchema) -> str:
    role = f" as {one.role}" if one.role else ""
    return f"{'required ' if one.required else ''}{one.type}{role}, {one.sensitivity}"


def _played(role: Role | None) -> str:
    return f", nor read as {role}" if role else ""
