"""The account of a reindex: every row of the catalogue ends as one thing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vitrine.errors import GateFailed
from vitrine.manifest import Manifest
from vitrine.run import Run, outcomes


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the catalogue's rows: rows = embedded + reused + rejected + duplicates.

    A row is a picture; a product without any counts as one.
    """

    rows: int
    embedded: int
    reused: int
    rejected: int
    duplicates: int
    rejected_by_reason: Mapping[str, int]
    forward_passes: int
    cut_texts: int
    thumbnails: int = 0

    @property
    def loaded(self) -> int:
        """Rows of the new collection."""
        return self.embedded + self.reused


def settle(run: Run, done: Sequence[Manifest], catalog_rows: int, *, max_reject_ratio: float) -> Account:
    """Add the units up and check the sum.

    Raises:
        GateFailed: `account` if a row of the catalogue is unaccounted for, `rejects` if too many were rejected.
    """
    reasons: Counter[str] = Counter()
    for table in outcomes(run, [one for one in done if one.rejected], ["outcome", "reason"]):
        reasons.update(row["reason"] for row in table.to_pylist() if row["outcome"] == "rejected")

    worst = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))

    def total(name: str) -> int:
        return sum(getattr(manifest, name) for manifest in done)

    account = Account(
        rows=total("rows"),
        embedded=total("embedded"),
        reused=total("reused"),
        rejected=total("rejected"),
        duplicates=total("duplicates"),
        rejected_by_reason=dict(worst),
        forward_passes=total("forward_passes"),
        cut_texts=total("cut_texts"),
        thumbnails=total("thumbnails"),
    )
    parts = account.embedded + account.reused + account.rejected + account.duplicates
    if parts != account.rows or total("catalog_rows") != catalog_rows or reasons.total() != account.rejected:
        raise GateFailed(
            "account",
            f"{parts} of {account.rows} pictures accounted for, "
            f"{total('catalog_rows')} of {catalog_rows} rows of the catalogue read",
        )
    if account.rejected > max_reject_ratio * account.rows:
        causes = ", ".join(f"{reason} {count}" for reason, count in worst[:3])
        raise GateFailed(
            "rejects",
            f"{account.rejected} of {account.rows} rows were rejected ({causes}), more than "
            f"max_reject_ratio {max_reject_ratio} allows: mend the catalogue or raise --max-reject-ratio",
        )
    return account
