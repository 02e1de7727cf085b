"""Executes one notebook in a process of its own; started by `runner`.

`python -m valuegate.notebook_worker SECTION OUT PROFILE MODELS` prints "done" as its last line.
"""

from __future__ import annotations

import sys
from pathlib import Path

from papermill import PapermillExecutionError

from valuegate import notebook_files, paths


def main(section: str, out: Path, profile: str, models: str) -> int:
    """Return the exit status of one execution."""
    try:
        notebook_files.execute(
            paths.NOTEBOOKS / f"{section}.py", out, {"profile": profile, "models": models}
        )
    except PapermillExecutionError as error:
        print("\n".join(error.traceback))
        print(f"cell {error.exec_count}: {error.ename}: {error.evalue}")
        return 1
    print("done")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4]))
