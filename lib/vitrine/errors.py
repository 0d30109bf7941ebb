"""The error tree: a branch for each answer to the question who must act.

```
VitrineError
├── BadRecord     set the record aside with its reason and go on
├── BadSettings   the caller must change a setting or flag        (exit code 2)
├── BadInput      the caller must change what a setting points at (exit code 1)
│   └── ModelMismatch
├── GateFailed    the new collection is not good enough to serve  (exit code 1)
└── Unavailable   try again later                                 (exit code 1)
```
"""


class VitrineError(Exception):
    """Base of all errors that Vitrine raises on purpose; its text is one line for people."""

    exit_code = 1
    retriable = False


class BadRecord(VitrineError, ValueError):
    """One picture, row or event cannot be used.

    `reason` is a value of `vitrine.product.Reason`; `detail` says more, for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class BadSettings(VitrineError, ValueError):
    """A setting is unknown, out of range or contradicts another one."""

    exit_code = 2


class BadInput(VitrineError, ValueError):
    """A catalogue, weights file, collection or directory is not what the program needs."""


class ModelMismatch(BadInput):
    """Vectors of one model were about to meet vectors of another."""

    def __init__(self, place: str, found: str, wanted: str) -> None:
        super().__init__(
            f"{place} holds vectors of model {found}, not of model {wanted}: "
            "reindex into another alias or name the weights of that model"
        )
        self.found = found
        self.wanted = wanted


class GateFailed(VitrineError):
    """A check of the new collection failed; the alias was left where it was."""

    def __init__(self, gate: str, detail: str) -> None:
        super().__init__(f"gate {gate} failed: {detail}")
        self.gate = gate


class Unavailable(VitrineError, ConnectionError):
    """A server or store did not answer; the same call may pass later."""

    retriable = True
