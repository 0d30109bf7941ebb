"""What a safetensors file says of itself beside its tensors."""

import json
from typing import Any

LONGEST_NOTICE = 2_000
"""Characters of a notice that are kept."""


def metadata(data: bytes) -> dict[str, Any]:
    """Backbone, pooling, input and notice, as far as it says them; `vitrine.vision.weights` checks what they are.

    The notice, which people must know, is one line that a terminal can show.
    """
    texts = header_of(data)[0].get("__metadata__", {})
    facts = {name: json.loads(texts[name]) for name in ("mean", "std", "input_size", "resize_size") if name in texts}
    if "resize_size" in facts:
        facts["resize"] = facts.pop("resize_size")
    if "notice" in texts:
        facts["notice"] = _line(texts["notice"])
    if "arch" in texts:
        facts["backbone"] = texts["arch"].rpartition(".")[2]
    for pooling in ("gem", "average"):
        if texts.get("pooling", "").startswith(pooling):
            facts["pooling"] = pooling
    return facts


def header_of(data: bytes) -> tuple[dict[str, Any], int]:
    """A safetensors file's header, and where the bytes of its tensors begin."""
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), end


def _line(text: str) -> str:
    words = "".join(one if one.isprintable() else " " for one in text)
    return " ".join(words.split())[:LONGEST_NOTICE]
