"""What is known of Milvus by its version."""

import re

from vitrine.errors import BadInput

Version = tuple[int, int, int]

REST_SINCE: Version = (2, 4, 0)
"""First version with import jobs over REST; their files are lists of lists."""

LOSSY_SINCE: Version = (2, 4, 0)
LOSSY_UNTIL: Version = (2, 6, 16)
"""Import jobs wrote positions by which a later compaction overlooks deletes: milvus#46435. Repaired by milvus#48910
in 2.6.16. The repair of the 2.5 branch, milvus#48909, is of April 2026; which release has it is not known here."""

_NUMBER = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def parse(text: str) -> Version:
    """The version in what a server calls itself, such as `v2.3.5-lite`.

    Raises:
        BadInput: there is none in it.
    """
    found = _NUMBER.search(text)
    if found is None:
        raise BadInput(f"the server calls its version {text!r}, which is none that is known")
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def loses_deletes(version: Version) -> bool:
    """Whether deletes of imported rows are known to come undone."""
    return LOSSY_SINCE <= version < LOSSY_UNTIL


def written(version: Version) -> str:
    """As people write it."""
    return ".".join(map(str, version))
