"""`make bench`: images per CPU-second of decoding, model, engine and Spark, beside the naive way.

Reads   ../shared/data/clothing where it is there, else pictures drawn for the purpose.
Writes  bench-results/TIME.json.
Run     .venv/bin/python tests/bench/run.py [--pictures N] [--rounds N] [--only CASE]
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":  # the processes that the bench spawns import this file too, and want none of it
    sys.path[0] = str(ROOT)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))

    from tests.bench.program import main

    sys.exit(main())
