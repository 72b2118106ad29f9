#!/bin/sh
# Installs Keyturn into a virtual environment of its own, with exactly the packages it needs:
#
#   deploy/install.sh /opt/keyturn
#
# PYTHON names another Python than python3. An environment that stands there already is replaced.
#
# There is one lock, and it holds the tools of development as well. So all of it is fetched, checked against its
# hashes and put aside; what Keyturn asks for is then installed from there, without a network. The extra package for
# traces is included, so that [telemetry] in the settings needs no other installation.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: deploy/install.sh FOLDER" >&2
    exit 2
fi
prefix=$1
source=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3}" -m venv "$work/tools"
pip() {
    "$work/tools/bin/python" -m pip --quiet --disable-pip-version-check "$@"
}

pip download --require-hashes --only-binary :all: --requirement "$source/requirements.lock" --dest "$work/wheels"
pip wheel --no-index --find-links "$work/wheels" --no-deps --wheel-dir "$work/wheels" "$source"

"${PYTHON:-python3}" -m venv --clear --without-pip "$prefix"
pip --python "$prefix/bin/python" install --no-index --find-links "$work/wheels" "keyturn[telemetry]"
"$prefix/bin/keyturn" --version
