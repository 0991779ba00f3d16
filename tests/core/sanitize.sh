#!/usr/bin/env bash
# The kernels and their binding under AddressSanitizer and UndefinedBehaviorSanitizer: builds the extension aside with
# both, then runs the core's tests on it. Needs gcc or clang with libasan; under a minute.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$(command -v python)
aside=$(mktemp -d)
trap 'rm -rf "$aside"' EXIT

flags="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g"
exact="-std=c11 -Wall -Wextra -Werror -fno-math-errno -fno-trapping-math -ffp-contract=off -fopenmp-simd -fPIC"
cc=${CC:-cc}
include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
numpy=$("$python" -c 'import numpy; print(numpy.get_include())')
suffix=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')

# The whole package, since a few of the core's tests take what a room makes for them; its extension is the one built here.
find qphys -name '*.py' -exec cp --parents {} "$aside" \;
cp qphys/core/*.h "$aside/qphys/core/"
objects=()
for source in qphys/core/*.c; do
    name=$(basename "$source" .c)
    case $name in
    _*) # shellcheck disable=SC2086
        $cc $flags $exact -isystem "$include" -isystem "$numpy" -DNPY_NO_DEPRECATED_API=NPY_2_0_API_VERSION \
            -DNPY_TARGET_VERSION=NPY_2_0_API_VERSION -c "$source" -o "$aside/$name.o" ;;
    *) # shellcheck disable=SC2086
        $cc $flags $exact -DQPHYS_LEVEL=baseline -c "$source" -o "$aside/$name.o"
        objects+=("$aside/$name.o") ;;
    esac
done
for binding in "$aside"/_*.o; do
    # shellcheck disable=SC2086
    $cc $flags -shared "$binding" "${objects[@]}" -lm -o "$aside/qphys/core/$(basename "$binding" .o)$suffix"
done

# Python itself leaks at exit and is not built with the sanitizer, so the library goes in first and leaks are not counted.
cat >"$aside/conftest.py" <<EOF
import sys
from pathlib import Path

sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in type(finder).__module__]
from qphys import core

assert Path(core.__file__).is_relative_to("$aside"), core.__file__
EOF
mkdir "$aside/tests"
cp -r tests/core "$aside/tests/core"
LD_PRELOAD="$($cc -print-file-name=libasan.so) $($cc -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 \
    PYTHONPATH="$aside" "$python" -P -m pytest -q -p no:cacheprovider --rootdir "$aside" -c pyproject.toml \
    --import-mode=importlib -k "not environment" "$aside/tests"
