#!/usr/bin/env bash
# Builds the wheel, installs it into an environment of its own and uses it from another folder: what it ships must be enough.
# Dependencies come from the environment that runs this script, so that nothing is downloaded.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset PYTHONPATH

fail() {
  echo "wheel: $*" >&2
  exit 1
}

python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$folder" "$root"
wheel=$(echo "$folder"/qphys-*.whl)
python -m venv --without-pip "$folder/venv"
python -m pip --python "$folder/venv/bin/python" install --quiet --no-deps --no-index "$wheel"
python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$folder/dependencies"
site=$("$folder/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cp "$folder/dependencies" "$site/dependencies.pth"

mkdir "$folder/elsewhere"
cd "$folder/elsewhere"
export PATH="$folder/venv/bin:$PATH"
python -c '
import sys, qphys, qphys.core._ufuncs as kernels
assert all(f.startswith(sys.prefix) for f in (qphys.__file__, kernels.__file__)), (qphys.__file__, kernels.__file__)
'
qphys --version
qphys models list --json | python -c '
import json, sys
rooms = {row["room"] for row in json.load(sys.stdin)}
assert {"satellites", "stations", "terminals", "launches", "sources", "channels", "atmospheres", "receivers", "detectors",
        "experiments", "tables"} <= rooms, rooms
'
qphys compare micius-2017 --json --quiet >comparison.json
python -c '
import json
tables = json.load(open("comparison.json"))
closure = {row["published number"]: row for title, rows in tables.items() if ": closure" in title for row in rows}
assert closure["detections"]["verdict"] == closure["sifted key"]["verdict"] == "agrees", closure
'
test -s micius-2017.png || fail "compare drew no picture"

code=0
qphys compare micius-2018 2>message || code=$?
test "$code" = 2 || fail "an unknown experiment gives exit code $code, not 2"
grep -q "did you mean 'micius-2017'" message || fail "an unknown experiment is not told: $(cat message)"
code=0
qphys info gone.h5 2>/dev/null || code=$?
test "$code" = 2 || fail "a missing file gives exit code $code, not 2"

if python -m zipfile --list "$wheel" | grep -E '^(tests|runs)/|__pycache__|\.c '; then
  fail "the wheel holds what belongs to the checkout"
fi
echo "wheel: $(basename "$wheel"), $(du -k "$wheel" | cut -f1) kB, works from another folder"
