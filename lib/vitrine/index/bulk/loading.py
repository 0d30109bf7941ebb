"""Row files into a collection by import jobs, which are journalled and waited for."""

import json
import logging
from collections.abc import Callable, Sequence

from vitrine.errors import BadInput, VitrineError
from vitrine.index.bulk.importer import Importer, open_importer
from vitrine.index.bulk.places import server_paths
from vitrine.index.bulk.watching import see_through, watch
from vitrine.settings import Milvus
from vitrine.storage import Directory

MAX_JOBS = 1024
"""Most jobs that Milvus keeps at a time (`dataCoord.import.maxImportJobNum`)."""

logger = logging.getLogger(__name__)


def import_rows(
    milvus: Milvus,
    collection: str,
    files: Sequence[str],
    *,
    journal: Directory,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Have the server import row files into an empty collection; returns how many rows it read.

    The files are complete, lie below `milvus.import_uri` and hold each key once: an import replaces nothing.
    Rows can be counted after `load.finish`. `journal` notes each job, for `outwait`; `progress` hears of rows.

    Raises:
        BadInput: a job failed, with the server's reason, or the files cannot be imported.
        Unavailable: the server did not answer for `milvus.patience_s`, or nothing moved for `milvus.import_stall_s`.
    """
    paths = server_paths(str(milvus.import_uri), files)
    with open_importer(milvus) as importer:
        jobs = submit(importer, collection, paths, journal=journal)
        return see_through(importer, jobs, milvus, collection=collection, progress=progress)


def outwait(milvus: Milvus, journal: Directory) -> int:
    """Wait until the journalled jobs of earlier attempts have ended, so that none writes later; returns their number.

    Raises:
        Unavailable: as `import_rows`.
    """
    jobs = _journalled(journal)
    if jobs:
        logger.info("waiting for import jobs of earlier attempts jobs=%d", len(jobs))
        with open_importer(milvus) as importer:
            for _ in watch(importer, jobs, milvus):
                pass
    return len(jobs)


def still_running(milvus: Milvus, journal: Directory) -> bool:
    """Whether a journalled job may still write: then its collection must not be dropped yet."""
    jobs = _journalled(journal)
    if not jobs:
        return False
    try:
        with open_importer(milvus) as importer:
            return not all(importer.state(job).phase.ended for job in jobs)
    except VitrineError:
        return True


def submit(importer: Importer, collection: str, paths: Sequence[str], *, journal: Directory) -> list[str]:
    """Ask for all files, as many a job as the server takes; each job is noted as soon as its id is known.

    Raises:
        BadInput: that would be more jobs than Milvus keeps.
    """
    size = importer.files_per_job
    if len(paths) > MAX_JOBS * size:
        raise BadInput(f"{len(paths)} files are more than {MAX_JOBS} import jobs: set milvus.load to insert")
    jobs = []
    for number, start in enumerate(range(0, len(paths), size)):
        jobs.append(importer.submit(collection, paths[start : start + size]))
        journal.write(f"{collection}-{number:04}.json", json.dumps({"job": jobs[-1]}).encode())
    logger.info("importing collection=%s files=%d jobs=%d", collection, len(paths), len(jobs))
    return jobs


def _journalled(journal: Directory) -> list[str]:
    return [str(json.loads(journal.read(name))["job"]) for name in journal.names()]
