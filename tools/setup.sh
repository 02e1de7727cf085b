#!/usr/bin/env bash
# Makes .venv from requirements.lock: torch first, so that no other package picks a build of it.
set -euo pipefail
python="${PYTHON:-python3}"

fail() { echo "setup: $1" >&2; exit 2; }

command -v "$python" >/dev/null || fail "no $python; install Python 3.11 or newer"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || fail "$("$python" --version) is too old; install Python 3.11 or newer, or set PYTHON="
"$python" -c 'import venv, ensurepip' 2>/dev/null \
  || fail "this Python has no venv; on Debian or Ubuntu: apt-get install python3-venv"

echo "setup: a virtual environment in .venv (about 3 minutes and 2.5 GB)"
[ -x .venv/bin/python ] || "$python" -m venv .venv
pip=(.venv/bin/python -m pip --disable-pip-version-check --quiet)
note() { echo "setup: $1"; }
note "1 of 4: torch"
"${pip[@]}" install "$(grep '^torch==' requirements.lock)" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
note "2 of 4: $(grep -c . requirements.lock) locked packages"
"${pip[@]}" install -r requirements.lock
note "3 of 4: valuegate"
"${pip[@]}" install --no-deps --editable .
note "4 of 4: the Jupyter kernel"
.venv/bin/python -m ipykernel install --sys-prefix --name valuegate --display-name valuegate >/dev/null
# A double click on the .py half of a notebook opens it as a notebook, too.
mkdir -p .venv/share/jupyter/lab/settings
echo '{"@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"python": "Jupytext Notebook"}}}' \
  > .venv/share/jupyter/lab/settings/overrides.json
touch .venv/ready
