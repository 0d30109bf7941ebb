"""The checker of the stream: all that can be said against a run."""

from itertools import chain

from tests.streaming.proof.evidence import Evidence
from tests.streaming.proof.final_state import bad_records_are_kept, the_view_states_the_newest
from tests.streaming.proof.history import (
    commits_never_fall,
    committed_is_done,
    every_record_ends,
    little_is_done_again,
)
from tests.streaming.proof.sight import nothing_idles, searches_answer, versions_never_fall
from tests.streaming.proof.violation import Violation
from vitrine.embedding import Embedder


def check(evidence: Evidence, embedder: Embedder) -> list[Violation]:
    """Everything that breaks I1 to I13; the embedder is the one whose vectors the view holds."""
    return list(
        chain(
            the_view_states_the_newest(evidence, embedder),
            bad_records_are_kept(evidence),
            committed_is_done(evidence),
            every_record_ends(evidence),
            commits_never_fall(evidence),
            little_is_done_again(evidence),
            versions_never_fall(evidence),
            searches_answer(evidence),
            nothing_idles(evidence),
        )
    )
