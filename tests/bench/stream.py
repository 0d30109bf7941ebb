"""The stream on a real Kafka 4.1 and Milvus 2.3.5: saturation, freshness, overload, the loop alone, a backlog.

Reads   ../shared/data/clothing where it is there, else pictures drawn for the purpose.
Writes  bench-results/TIME-stream.json.
Run     .venv/bin/python tests/bench/stream.py [--only CASE ...] [--scale 0.1]
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))

    from tests.bench.stream_program import main

    sys.exit(main())
