"""User ids leave Vitrine only as keyed hashes."""

import hashlib
import hmac
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine import user_key
from vitrine.errors import BadSettings
from vitrine.user_key import UserKey

SECRET = "a key that nobody knows"


def test_a_hash_is_the_first_half_of_hmac_sha256_in_hexadecimal():
    # RFC 4231, test case 2
    assert UserKey(b"Jefe").hashed("what do ya want for nothing?") == "5bdcc146bf60754e6a042426089575c7"


@given(st.text(st.characters(codec=None)), st.binary(min_size=1, max_size=200))
def test_any_id_has_a_hash_of_32_characters_which_other_keys_do_not_give(user_id, secret):
    found = UserKey(secret).hashed(user_id)

    whole = hmac.new(secret, user_id.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    assert (found, len(found)) == (whole[:32], 32)
    assert found != UserKey(secret + b"x").hashed(user_id)


def test_the_key_comes_from_the_environment():
    assert user_key.read({"VITRINE_USER_KEY": SECRET}) == UserKey(SECRET.encode())


def test_the_key_comes_from_a_file_without_its_line_break(tmp_path):
    (tmp_path / "key").write_text(f"{SECRET}\n")

    assert user_key.read({"VITRINE_USER_KEY_FILE": str(tmp_path / "key")}) == UserKey(SECRET.encode())


@pytest.mark.parametrize("environment", [{}, {"VITRINE_USER_KEY": ""}, {"VITRINE_USER_KEY": " \n"}])
def test_a_missing_key_says_what_to_set_and_is_wrong_usage(environment):
    with pytest.raises(BadSettings, match="set VITRINE_USER_KEY to a long random text, or VITRINE_USER_KEY_FILE") as no:
        user_key.read(environment)

    assert no.value.exit_code == 2


def test_a_key_is_given_once(tmp_path):
    with pytest.raises(BadSettings, match="not both") as refused:
        user_key.read({"VITRINE_USER_KEY": SECRET, "VITRINE_USER_KEY_FILE": str(tmp_path)})

    assert SECRET not in str(refused.value)


def test_a_file_without_a_key_is_named(tmp_path):
    (tmp_path / "empty").write_bytes(b"\n")

    for name, complaint in (("empty", "empty is empty"), ("absent", "absent: No such file")):
        with pytest.raises(BadSettings, match=complaint):
            user_key.read({"VITRINE_USER_KEY_FILE": str(tmp_path / name)})


def test_a_key_is_never_shown_and_travels_to_executors():
    key = UserKey(SECRET.encode())

    assert SECRET not in f"{key} {key!r}"
    assert pickle.loads(pickle.dumps(key)) == key
