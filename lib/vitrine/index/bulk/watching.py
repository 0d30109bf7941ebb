"""Import jobs that run: all are asked for together until each has ended."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from vitrine.errors import BadInput, Unavailable
from vitrine.index.bulk.importer import Importer, JobState, Phase
from vitrine.settings import Milvus

POLL_S = 0.5
LONGEST_POLL_S = 10.0
BACK_OFF = 1.5
ASKED_AT_ONCE = 8

logger = logging.getLogger(__name__)


def see_through(
    importer: Importer,
    jobs: Sequence[str],
    milvus: Milvus,
    *,
    collection: str,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Wait until all jobs have ended; returns how many rows they read, of which `progress` hears as they come.

    A failed job is logged at once and raised at the end: 2.3 imports nothing more for a quarter of an hour once a
    collection is dropped under a job that runs.

    Raises:
        BadInput: a job failed, with the server's reason.
        Unavailable: jobs were lost, and none failed otherwise; or as `watch`.
    """
    told = 0
    failed: dict[str, JobState] = {}
    for states in watch(importer, jobs, milvus):
        for job, state in states.items():
            if state.phase in {Phase.FAILED, Phase.LOST} and job not in failed:
                failed[job] = state
                logger.warning("import failed collection=%s job=%s reason=%s", collection, job, _line(state.reason))
        rows = sum(state.rows for state in states.values())
        if progress and rows > told:
            progress(rows - told)
        told = rows
    for job, state in sorted(failed.items(), key=lambda item: item[1].phase is Phase.LOST):
        kind = Unavailable if state.phase is Phase.LOST else BadInput
        raise kind(f"import job {job} into {collection} failed: {_line(state.reason)}")
    return told


def _line(text: str) -> str:
    return " ".join(text.split())


def watch(importer: Importer, jobs: Sequence[str], milvus: Milvus) -> Iterator[Mapping[str, JobState]]:
    """What is known of the jobs, by id, after each round of asking for all that run; the last time all have ended.

    Raises:
        Unavailable: the server did not answer for `milvus.patience_s`, or nothing moved for `milvus.import_stall_s`.
    """
    known = {job: JobState(Phase.PENDING) for job in jobs}
    answered = moved = time.monotonic()
    wait_s = 0.0
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        while running := [job for job, state in known.items() if not state.phase.ended]:
            time.sleep(wait_s)
            answers = dict(zip(running, pool.map(partial(_ask, importer), running), strict=True))
            now = time.monotonic()
            states = {job: answer for job, answer in answers.items() if isinstance(answer, JobState)}
            news = any(state != known[job] for job, state in states.items())
            known |= states
            yield known
            answered = now if states else answered
            moved = now if news else moved
            silent = [answer for answer in answers.values() if isinstance(answer, Unavailable)]
            if silent and now - answered > milvus.patience_s:
                raise silent[0]
            if now - moved > milvus.import_stall_s:
                raise Unavailable(f"import jobs {', '.join(running)} have not moved for {milvus.import_stall_s:.0f} s")
            wait_s = POLL_S if news else min(max(wait_s, POLL_S) * BACK_OFF, LONGEST_POLL_S)


def _ask(importer: Importer, job: str) -> JobState | Unavailable:
    try:
        return importer.state(job)
    except Unavailable as error:
        return error
