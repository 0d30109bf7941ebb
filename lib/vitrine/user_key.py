"""User ids as keyed hashes: the only form in which Vitrine writes them."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vitrine.errors import BadSettings

VARIABLE = "VITRINE_USER_KEY"
FILE_VARIABLE = "VITRINE_USER_KEY_FILE"
HASH_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class UserKey:
    """The secret behind the hashes; whoever has it can tell which hash belongs to a user id."""

    secret: bytes = field(repr=False)

    def hashed(self, user_id: str) -> str:
        """HMAC-SHA256 of the id in UTF-8, its first 128 bits as 32 hexadecimal characters."""
        message = user_id.encode("utf-8", "surrogatepass")
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()[:HASH_CHARACTERS]


def read(environment: Mapping[str, str]) -> UserKey:
    """The key that VITRINE_USER_KEY holds, or the file that VITRINE_USER_KEY_FILE names.

    White space around it does not count, since files end with a line break.

    Raises:
        BadSettings: neither or both are set, the file cannot be read, or the key is empty.
    """
    given, file = environment.get(VARIABLE, "").strip(), environment.get(FILE_VARIABLE, "")
    if given and file:
        raise BadSettings(f"set {VARIABLE} or {FILE_VARIABLE}, not both")
    if not given and not file:
        raise BadSettings(
            f"user ids are written only as keyed hashes: set {VARIABLE} to a long random text, "
            f"or {FILE_VARIABLE} to a file that holds one"
        )
    secret = given.encode("utf-8", "surrogateescape") or _content(Path(file))
    return UserKey(secret)


def _content(path: Path) -> bytes:
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise BadSettings(f"cannot read {FILE_VARIABLE} {path}: {error.strerror}") from error
    if not secret:
        raise BadSettings(f"{FILE_VARIABLE} {path} is empty: write a long random text into it")
    return secret
