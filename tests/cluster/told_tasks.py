"""What four tasks at once see on their executors, as JSON: `told_tasks.py DIRECTORY PROPERTIES`."""

import json
import sys
import time
from pathlib import Path

import vitrine
from vitrine.spark import assigned_device, run_units, session, slots


def tell(directory, unit):
    """Wait until all four run, so that none takes the slot of another."""
    (directory / unit).touch()
    while len(list(directory.iterdir())) < 4:
        time.sleep(0.02)
    return json.dumps([assigned_device(), str(Path(vitrine.__file__).absolute())])


if __name__ == "__main__":
    directory, properties = Path(sys.argv[1]), json.loads(sys.argv[2])
    with session("told", properties) as spark:
        at_once = slots(spark)
        told = run_units(spark, list("abcd"), lambda unit: tell(directory, unit), meanwhile=lambda: None)
        sys.stdout.write(json.dumps({"slots": at_once, "tasks": [json.loads(one) for one in told]}))
