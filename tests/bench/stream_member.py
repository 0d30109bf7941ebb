"""`python -m streaming` with an embedder without a network: what the loop itself can do.

Run     .venv/bin/python tests/bench/stream_member.py DIM [flags of python -m streaming]
"""

import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    sys.path[0] = str(ROOT)

    from streaming.operating import stop_on_signals
    from streaming.service import run
    from vitrine import flags
    from vitrine.telemetry import configure_logging
    from vitrine.testing import FakeEmbedder

    configure_logging()
    dim = int(sys.argv[1])
    settings = flags.load(sys.argv[2:], program="python -m streaming", story=__doc__ or "", home="stream")
    embedder = partial(FakeEmbedder, dim=dim, batch_size=64)
    sys.exit(flags.exit_code(lambda: run(settings, make_embedder=embedder, stop=stop_on_signals())))
