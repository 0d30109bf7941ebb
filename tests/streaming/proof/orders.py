"""What a member is told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Orders:
    """It dies when it comes `after` times to the seam `kill_at`, and stands still at its write of number `freeze_at`.

    Each write is `slow_s` late; `plant` is the rule left out; `real` is the real model; `static` its name in the group.
    """

    kill_at: str = ""
    after: int = 1
    slow_s: float = 0.0
    freeze_at: int = 0
    plant: str = "none"
    real: bool = False
    dim: int = 16
    static: str = ""
