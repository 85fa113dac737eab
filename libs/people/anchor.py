"""From the identifiers of one interaction to its anchor, the identifier under which it is filed for ever."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from phonenumbers import SUPPORTED_REGIONS

from libs.people.compose import composed
from libs.people.generations import Generations
from libs.people.identifiers import Claimed, Identified, IdentifierRules, Refused
from libs.people.keys import Keyring
from libs.people.normalise import NO_REGION, digits, normal_form
from libs.people.screen import Unusable
from libs.runtime.errors import InvalidArgument

NOT_A_PERSON: Final = "NOT_A_PERSON"
"""Why an identifier of an outlet or a household names nobody where people are asked for; beside `Reason`."""

_LONGEST_SHOWN: Final = 64
_LONGEST_KEPT: Final = 600  # characters of type and value; what is refused for its length may be megabytes


class Anchoring:
    """Reads the identifiers of one tenant under one version of its rules.

    The same people come again and again and a phone costs up to 33 µs to read, so up to `cache_size` answers are kept.
    """

    def __init__(
        self, rules: IdentifierRules, keyring: Keyring, default_region: str = "CN", cache_size: int = 200_000
    ) -> None:
        """`default_region` reads phones without a country code; raises `InvalidArgument` if there is no such."""
        if default_region != NO_REGION and default_region not in SUPPORTED_REGIONS:
            raise InvalidArgument("default_region", f"{default_region!r} is not an ISO 3166 country code")
        self.rules = rules
        self.composes = any(type_.parts for type_ in rules.types.values())
        """Whether there are identifiers that nobody sends."""
        self._keyring = keyring
        self._region = default_region
        self._blocked = frozenset(self._blocked_values())
        self._answers: Generations[tuple[str, str, bool], Identified | Refused] = Generations(cache_size)

    def identify(self, claimed: Iterable[Claimed]) -> tuple[list[Identified], list[Refused]]:
        """The usable identifiers and the refused ones, each in the order sent; bad values never raise."""
        return self._parted((claim.type, claim.value, claim.verified) for claim in claimed)

    def identify_all(
        self, claimed: Iterable[Claimed], traits: Callable[[], Mapping[str, object]]
    ) -> tuple[list[Identified], list[Refused]]:
        """The same with the identifiers that the rules compose of the usable ones and of traits.

        What an interaction says is read by this in every service, so that they find the same. `traits` are asked for
        only where anything is composed.
        """
        identified, refused = self.identify(claimed)
        if self.composes:
            more, no_more = self.identify(composed(self.rules, identified, traits()))
            identified += more
            refused += no_more
        return identified, refused

    def anchor(self, identified: Sequence[Identified]) -> Identified | None:
        """The strongest by kind (persons first), strength, priority, verified, smallest key; None where there is none.

        It depends on the set of identifiers alone, not on their order.
        """
        if len(identified) == 1:
            return identified[0]
        return min(identified, key=_weakness, default=None)

    def anchor_of(self, pairs: Iterable[tuple[str, str | int]]) -> tuple[Identified | None, list[Refused]]:
        """The anchor of unverified (type, value) pairs, and what of them was refused."""
        identified, refused = self._parted((type_, value, False) for type_, value in pairs)
        return self.anchor(identified), refused

    def named(self, claimed: Claimed, field: str) -> Identified:
        """The identifier by which a request names somebody; raises `InvalidArgument` if it can name nobody."""
        identified, refused = self.identify([claimed])
        if refused:
            raise InvalidArgument(field, f"{refused[0].type} names nobody: {refused[0].reason}", refused[0].reason)
        return identified[0]

    def person_named(self, claimed: Claimed, field: str) -> Identified:
        """The same, if it names a person; raises `InvalidArgument` for an outlet, a household or an account, too."""
        found = self.named(claimed, field)
        if found.type.kind != "person":
            raise InvalidArgument(field, f"{found.type.name} names an {found.type.kind}, not a person", NOT_A_PERSON)
        return found

    def _parted(self, claims: Iterable[tuple[str, str | int, bool]]) -> tuple[list[Identified], list[Refused]]:
        identified: list[Identified] = []
        refused: list[Refused] = []
        for type_, value, verified in claims:
            text = value if isinstance(value, str) else digits(value)
            claim = (type_, text, verified)
            answer = self._answers.get(claim)
            if answer is None:
                answer = self._read(type_, text, verified)
                if len(type_) + len(text) <= _LONGEST_KEPT:
                    self._answers.put(claim, answer)
            if isinstance(answer, Identified):
                identified.append(answer)
            else:
                refused.append(answer)
        return identified, refused

    def _read(self, name: str, value: str, verified: bool) -> Identified | Refused:
        type_ = self.rules.types.get(name)
        if type_ is None:
            return Refused(_shown(name), _shown(value), "UNKNOWN_TYPE")
        try:
            normal = normal_form(type_, value, self._region)
        except Unusable as unusable:
            return Refused(name, _shown(value), unusable.reason)
        if (name, normal) in self._blocked:
            return Refused(name, _shown(value), "BLOCKED_VALUE")
        return Identified(type_, normal, verified, self._keyring.key(type_.kind, name, normal))

    def _blocked_values(self) -> Iterator[tuple[str, str]]:
        for type_ in self.rules.types.values():
            for value in type_.blocked:
                # A value that can't be read is refused anyway.
                with suppress(Unusable):
                    yield type_.name, normal_form(replace(type_, blocked_patterns=()), value, self._region)


def _weakness(identified: Identified) -> tuple[tuple[bool, int, int], bool, bytes]:
    return identified.type.rank, not identified.verified, identified.key


def _shown(text: str) -> str:
    """What was sent, cut short and with escapes for what can't be shown or encoded."""
    text = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    return text if text.isprintable() else text.encode("unicode_escape").decode()
