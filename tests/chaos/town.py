"""Who does something in a round, and by what they are known: what is theirs, a family's, and everybody's."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final, NamedTuple
from zlib import crc32

TENANT: Final = "demo"
PEOPLE: Final = 24
REGULARS: Final = 5  # who come again for a generation: their portraits are folded onto old snapshots
GENERATION: Final = 20  # rounds
FAMILY: Final = 3  # people with one telephone
STREET: Final = 5  # people with one tablet, which is more than a device may have
SESSIONS: Final = 3  # of a person at a machine that is not theirs
MAILBOX: Final = "info@shop.cn"


class Person(NamedTuple):
    """Somebody; the account is what no two people have."""

    account: str
    family: str
    street: str
    generation: str

    @property
    def cookie(self) -> str:
        return f"cookie of {self.account}"

    @property
    def device(self) -> str:
        return f"device of {self.account}"

    @property
    def member(self) -> str:
        return f"member {self.account}"

    @property
    def email(self) -> str:
        return f"{self.account}@example.cn"

    @property
    def phone(self) -> str:
        return f"+86138{crc32(self.family.encode()) % 10**8:08}"

    @property
    def tablet(self) -> str:
        return f"tablet of {self.street}"

    @property
    def kiosk(self) -> str:
        return f"kiosk {self.generation}"


class Known(NamedTuple):
    """An identifier as it is sent."""

    type: str
    value: str
    verified: bool = False


class Visit(NamedTuple):
    """By what somebody is known at an interaction."""

    identifiers: tuple[Known, ...]
    session: str = ""
    login: bool = False

    def document(self) -> dict[str, Any]:
        """The part of an interaction that says so."""
        said: dict[str, Any] = {"type": "identify" if self.login else "track"}
        said["identifiers"] = [one._asdict() for one in self.identifiers]
        if self.session:
            said["context"] = {"session_id": self.session}
        return said


def generation_of(seed: int) -> int:
    """The rounds that have regulars in common, and a town."""
    return (seed - 1) // GENERATION


def people_of(seed: int) -> list[Person]:
    """Who does something in a round."""
    generation = str(generation_of(seed))
    regulars = [_person("regular", generation, generation, number) for number in range(REGULARS)]
    return regulars + [_person("person", str(seed), generation, number) for number in range(PEOPLE)]


def greeting(person: Person) -> Visit:
    """Somebody is there, known by their account alone."""
    return Visit((_account(person),))


def visit(person: Person, chance: Random) -> Visit:
    """Somebody comes by, in one of the ways in which people do."""
    (come,) = chance.choices(list(_WAYS), list(_WAYS.values()))
    return come(person, chance)


def _person(kind: str, of: str, generation: str, number: int) -> Person:
    name = f"{kind}-{of}"
    return Person(f"{name}-{number}", f"{name} family {number // FAMILY}", f"{name} {number // STREET}", generation)


def _account(person: Person) -> Known:
    return Known("user_id", person.account)


def _by_account(person: Person, chance: Random) -> Visit:
    return Visit((_account(person),), login=chance.random() < 0.3)


def _at_home(person: Person, chance: Random) -> Visit:
    """With a browser that may not know yet who it is, or is being told."""
    machine = chance.choice((Known("cookie", person.cookie), Known("device_id", person.device)))
    match chance.randrange(3):
        case 0:
            return Visit((machine,))
        case 1:
            return Visit((machine, _account(person)))
        case _:
            return Visit((machine, _account(person)), login=True)


def _at_a_shared_machine(person: Person, chance: Random) -> Visit:
    """Each session is somebody's, and at a login it shows whose."""
    machine = Known("device_id", chance.choice((person.tablet, person.tablet, person.kiosk)))
    session = f"{person.account} {chance.randrange(SESSIONS)}"
    if chance.random() < 0.5:
        return Visit((machine,), session)
    return Visit((machine, _account(person)), session, login=True)


def _by_phone(person: Person, chance: Random) -> Visit:
    """The number is the family's, and whoever verified it last has it."""
    phone = Known("phone", person.phone, chance.random() < 0.3)
    match chance.randrange(3):
        case 0:
            return Visit((phone,))
        case 1:
            return Visit((phone, Known("member_no", person.member)))
        case _:
            return Visit((phone, _account(person)))


def _by_mail(person: Person, chance: Random) -> Visit:
    """From an address of one's own, or from that of the whole shop."""
    own = Known("email", person.email, chance.random() < 0.2)
    match chance.randrange(4):
        case 0:
            return Visit((Known("email", MAILBOX), _account(person)))
        case 1:
            return Visit((own, Known("member_no", person.member)))
        case _:
            return Visit((own, _account(person)))


_WAYS: Final[dict[Callable[[Person, Random], Visit], int]] = {
    _by_account: 4,
    _at_home: 4,
    _at_a_shared_machine: 4,
    _by_phone: 3,
    _by_mail: 2,
}


def pairs(people: Sequence[Person], chance: Random) -> tuple[Known, Known]:
    """Two identifiers that somebody may decide about: of one person, or of two who have to do with each other."""
    one = chance.choice(people)
    other = one if chance.random() < 0.5 else chance.choice(people)
    first = chance.choice((_account(one), Known("member_no", one.member), Known("email", one.email)))
    second = chance.choice(
        (
            Known("phone", other.phone),
            Known("device_id", other.device),
            Known("cookie", other.cookie),
            Known("member_no", other.member),
        )
    )
    return (first, second) if first != second else pairs(people, chance)


def whatever_may_be_blocked(people: Sequence[Person], chance: Random) -> Known:
    """An identifier that may turn out to name nobody."""
    one = chance.choice(people)
    return chance.choice((Known("device_id", one.tablet), Known("device_id", one.kiosk), Known("phone", one.phone)))
