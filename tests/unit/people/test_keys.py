import hmac
import os
import subprocess
import sys

import pytest

from libs.people.keys import KEY_BYTES, Keyring
from libs.runtime.errors import InvalidArgument

SECRET = b"golden-secret"

# Logs are filed under these for ever: a change here makes every known person a stranger.
GOLDEN = {
    ("person", "phone", "+8613800138000"): "4db6e23b58d992d990c60322fe1d1d91",
    ("person", "member_no", "2375"): "8f626118e6789dc8fa6d48fb503f5ae4",
    ("outlet", "outlet_id", "上海-01"): "81edd8fc06d94154da28f3fb5e176d85",
}


@pytest.mark.parametrize(("identifier", "key"), GOLDEN.items())
def test_a_key_is_the_same_in_every_release(identifier: tuple[str, str, str], key: str) -> None:
    assert Keyring(SECRET).key(*identifier).hex() == key


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
def test_a_key_is_the_hmac_of_what_it_stands_for_however_long_the_secret(length: int) -> None:
    secret = bytes(range(length))
    told = hmac.digest(secret, b"identifier\0person\0phone\0+8613800138000", "sha256")
    assert Keyring(secret).key("person", "phone", "+8613800138000") == told[:KEY_BYTES]


def test_a_key_is_sixteen_bytes() -> None:
    assert len(Keyring(SECRET).key("person", "phone", "+8613800138000")) == KEY_BYTES == 16


def test_kind_type_value_and_secret_each_make_another_key() -> None:
    keys = {
        Keyring(SECRET).key("person", "user_id", "1"),
        Keyring(SECRET).key("outlet", "user_id", "1"),
        Keyring(SECRET).key("person", "member_no", "1"),
        Keyring(SECRET).key("person", "user_id", "2"),
        Keyring(b"another").key("person", "user_id", "1"),
    }
    assert len(keys) == 5


def test_text_that_moves_between_type_and_value_makes_another_key() -> None:
    keyring = Keyring(SECRET)
    assert keyring.key("person", "user", "_id1") != keyring.key("person", "user_id", "1")


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="secret"):
        Keyring(b"")


def test_two_processes_agree_on_keys() -> None:
    program = (
        "from libs.people.keys import Keyring\n"
        "keys = [Keyring(b'secret').key('person', 'user_id', str(n)) for n in range(50)]\n"
        "print([key.hex() for key in keys])"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]
    assert said[0].count("'") == 100
