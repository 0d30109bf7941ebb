"""What a safetensors file says of itself beside its tensors."""

import json
from collections.abc import Mapping
from typing import Any

LONGEST_NOTICE = 2_000
"""Characters of a notice that are kept."""


def notice(facts: Mapping[str, Any]) -> str:
    """What a file says that people must know of it, as one line that a terminal can show."""
    words = "".join(one if one.isprintable() else " " for one in str(facts.get("notice", "")))
    return " ".join(words.split())[:LONGEST_NOTICE]


def metadata(data: bytes) -> dict[str, Any]:
    """Backbone, pooling, input and notice, as far as it says them; `vitrine.vision.weights` checks what they are."""
    length = int.from_bytes(data[:8], "little")
    texts = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    facts = {name: json.loads(texts[name]) for name in ("mean", "std", "input_size", "resize_size") if name in texts}
    if "resize_size" in facts:
        facts["resize"] = facts.pop("resize_size")
    if "notice" in texts:
        facts["notice"] = texts["notice"]
    if "arch" in texts:
        facts["backbone"] = texts["arch"].rpartition(".")[2]
    for pooling in ("gem", "average"):
        if texts.get("pooling", "").startswith(pooling):
            facts["pooling"] = pooling
    return facts
