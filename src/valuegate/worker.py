"""A worker process: measures a list of measurements of one model, printing its progress as JSON.

Started by `runner`, here or on a cluster node, as `python -m valuegate.worker JOB.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from valuegate.errors import ValueGateError
from valuegate.measure import Measurement, Store, device_and_dtype


def main(job: Path) -> int:
    """Return the exit status after measuring everything in a job file."""
    from valuegate import models, scoring

    content = json.loads(job.read_text(encoding="utf-8"))
    try:
        if models.device_and_dtype() != device_and_dtype():
            raise ValueGateError(
                f"this machine looks like {device_and_dtype()[0]} but torch says "
                f"{models.device_and_dtype()[0]}; check the GPU's driver"
            )
        measurements = [Measurement(**entry) for entry in content["measurements"]]
        lm = models.load(measurements[0].model)
        store = Store.of(content["run"])
        for measurement in measurements:

            def report(done: int, total: int, label: str = measurement.label) -> None:
                print(json.dumps({"label": label, "done": done, "total": total}), flush=True)

            store.compute(measurement, lm, report, lambda: scoring.METER.tokens)
    except ValueGateError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
