#!/usr/bin/env bash
# Speed of scoring beside lm-evaluation-harness, in an environment of its own (.venv-bench).
set -euo pipefail
if [ ! -e .venv-bench/ready ] || [ requirements-bench.lock -nt .venv-bench/ready ]; then
  [ -x .venv-bench/bin/python ] || "${PYTHON:-python3}" -m venv .venv-bench
  pip=(.venv-bench/bin/python -m pip --disable-pip-version-check --quiet)
  "${pip[@]}" install "$(grep '^torch==' requirements-bench.lock)" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
  "${pip[@]}" install -r requirements-bench.lock
  "${pip[@]}" install --no-deps --editable .
  touch .venv-bench/ready
fi
exec .venv-bench/bin/python tests/bench/bench_yes_no.py "$@"
