"""Values that name nobody. Every one of these has joined strangers in some customer database."""

import re
from fnmatch import fnmatchcase
from typing import Final

from libs.people.identifiers import IdentifierType, Reason

_QUOTES: Final = " \t\"'`´‘’“”()[]{}<>（）【】「」,;."
_SEPARATORS: Final = " -_:.+/"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PLACEHOLDERS: Final = _words("""
    - -- ? -1 null nil none nan void undefined undef unknown unset missing empty blank nothing invalid error
    n/a na #n/a #na #null! #ref! #value! #name? #div/0! no yes true false not_set not_available not_authenticated
    not_applicable anonymous anon guest visitor nobody user customer member default distinct_id distinctid id
    object_object object function 匿名 匿名用户 游客 访客 未知 无 空 暂无 没有
""")
_TEST_VALUES: Final = _words("""
    test test1 test123 tests testing tester testuser test_user dummy sample example foo foobar asdf asdfgh qwer qwerty
    string xxx xxxx xxxxxx 测试 测试用户
""")
_EMPTY_MAILBOXES: Final = _words("""
    null none nan undefined unknown anonymous guest nobody noemail no-email no_email nomail no-mail no_mail
    noreply no-reply no_reply donotreply do-not-reply
""")
_TEST_ADDRESSES: Final = _words("""
    a@a.com a@b.com a@b.c aa@aa.com aaa@aaa.com abc@abc.com x@x.com xx@xx.com 1@1.com 123@123.com qwe@qwe.com
    email@email.com mail@mail.com your@email.com you@example.com user@example.com name@example.com email@example.com
""")
_FACTORY_DEFAULTS: Final = frozenset(
    [
        "9774d56d682e549c",  # ANDROID_ID of a whole Android release
        "020000000000",  # the MAC address that Android and iOS show to apps
        "004999010640000",  # IMEI of phones flashed without one
        "012345678912345",  # IMEI of cloned phones
        "358240051111110",  # IMEI of the Android emulator
        "03000200040005000006000700080009",  # UUID of mainboards shipped unset
        "0123456789abcdef",
    ]
)
_TEMPLATE: Final = re.compile(
    r"\{\{.*\}\}|\$\{.*\}|\{\w+\}|%7b.*%7d|<%.*%>|%%.*%%|\*\|.*\|\*|%[sd]|__[a-z0-9_]+__|\$\w+\$|:\w+_id", re.IGNORECASE
)
_MASK: Final = re.compile(r".*[*•●]{2}.*|[\d +-]+[xX]{3,}[\d -]*")
_ODD: Final = re.compile(r"[{%<*_$:•●xX]")
"""No template and no mask does without one of these, and most values do without all."""

_ASCENDING: Final = "0123456789" * 8
_DESCENDING: Final = _ASCENDING[::-1]
_TELLING_LENGTH: Final = 8
_TELLING_LENGTH_OF_MACHINES: Final = 6


class Unusable(Exception):
    """A value that can't name anybody, with the reason; it never leaves this package."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


def text(type_: IdentifierType, value: str) -> None:
    """Refuse a tidied value of any type that stands for nothing; raises `Unusable`."""
    if _ODD.search(value):
        if _TEMPLATE.fullmatch(value):
            raise Unusable("UNFILLED_TEMPLATE")
        if _MASK.fullmatch(value):
            raise Unusable("MASKED")
    # '"null"', '(null)', '[object Object]': what printing an absent value gives in some language.
    bare = value.strip(_QUOTES).casefold().replace(" ", "_")
    if not bare or bare in _PLACEHOLDERS or bare == type_.name:
        raise Unusable("PLACEHOLDER")
    if bare in _TEST_VALUES:
        raise Unusable("TEST_VALUE")
    # Numbers given out in turn reach 7777 one day, machine-made ones practically never.
    run(value, _TELLING_LENGTH_OF_MACHINES if type_.strength == "weak" else _TELLING_LENGTH)
    if type_.strength == "weak" and _joined(bare) in _FACTORY_DEFAULTS:
        raise Unusable("FACTORY_DEFAULT")


def patterns(type_: IdentifierType, normal: str) -> None:
    """Refuse a normal form that the tenant's own patterns refuse; raises `Unusable`.

    Patterns are those of a shell and not regular expressions, of which a careless one can take a value of 512 bytes
    hours to refuse.
    """
    if type_.matches and not any(fnmatchcase(normal, pattern) for pattern in type_.matches):
        raise Unusable("MALFORMED")
    if type_.blocked_patterns and any(fnmatchcase(normal, pattern) for pattern in type_.blocked_patterns):
        raise Unusable("BLOCKED_VALUE")


def run(value: str, least: int = _TELLING_LENGTH) -> None:
    """Refuse zeros alone, and from `least` characters one character repeated or digits in a row; raises `Unusable`."""
    bare = _joined(value).casefold()
    if not bare.strip("0"):
        raise Unusable("NO_INFORMATION")
    if len(bare) >= least and (bare == bare[0] * len(bare) or bare in _ASCENDING or bare in _DESCENDING):
        raise Unusable("NO_INFORMATION")


def email(address: str) -> None:
    """Refuse an address that is nobody's mailbox; raises `Unusable`."""
    mailbox = address.partition("@")[0]
    if mailbox in _EMPTY_MAILBOXES:
        raise Unusable("PLACEHOLDER")
    if mailbox in _TEST_VALUES or address in _TEST_ADDRESSES:
        raise Unusable("TEST_VALUE")
    run(mailbox)


def _joined(value: str) -> str:
    for separator in _SEPARATORS:  # less than half the time of str.translate
        value = value.replace(separator, "")
    return value
