#!/bin/sh
# Installs the grader below /opt/autograder, one step per layer of the image:
#
#   install.sh python                            find or install Python 3.11 or newer
#   install.sh packages REQUIREMENTS CONSTRAINTS [PACKAGE…]
#                                                the virtual environment with torch and the rest
#   install.sh course FOLDER                     the package and the course, from a laid-out folder
#
# The Dockerfile runs them one by one, setup.sh of an uploaded archive all at once. As root.
set -eu

HOME_OF_GRADER=/opt/autograder
OLDEST="3, 11"
NEWEST="3, 14"

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

suits() {
    "$1" -c "import sys; sys.exit(not ($OLDEST) <= sys.version_info[:2] <= ($NEWEST))" 2>/dev/null
}

find_python() {
    for name in python3 python3.13 python3.12 python3.11 python3.14; do
        if suits "$name"; then
            command -v "$name"
            return
        fi
    done
    return 1
}

from_apt() {
    command -v apt-get >/dev/null || fail "needs $*, and this base has no apt-get to install it; \
choose another BASE_IMAGE, such as debian:bookworm-slim or ubuntu:24.04"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

forget_apt() {
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
}

python() {
    if ! found=$(find_python); then
        # What the distribution calls python3 first; Ubuntu 22.04 has a newer one beside it.
        from_apt python3
        found=$(find_python) || for name in python3.13 python3.12 python3.11; do
            from_apt "$name" 2>/dev/null && break
        done
        found=$(find_python) || fail "this base offers no Python 3.11 or newer; \
choose another BASE_IMAGE, such as debian:bookworm-slim or ubuntu:24.04"
        forget_apt
    fi
    mkdir -p "$HOME_OF_GRADER"
    ln -sf "$found" "$HOME_OF_GRADER/python"
    "$found" --version
}

packages() {
    requirements=$1 constraints=$2
    shift 2
    base=$HOME_OF_GRADER/python
    venv=$HOME_OF_GRADER/venv
    if ! "$base" -c 'import ensurepip, venv' 2>/dev/null; then
        from_apt "$("$base" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
        forget_apt
    fi
    "$(readlink -f "$base")" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --no-cache-dir --no-compile --no-input \
        --root-user-action=ignore --disable-pip-version-check \
        -c "$constraints" -r "$requirements" "$@"
    site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    # What only building against torch and testing torch itself need: 200 MB of the image.
    rm -rf "$site/torch/include" "$site/torch/test" "$site/torch/share"
    find "$site/torch/bin" -type f ! -name torch_shm_manager -delete
    find "$site/torch/lib" -name '*.a' -delete
    "$venv/bin/python" -m pip uninstall --quiet --yes --root-user-action=ignore pip setuptools
    echo "$HOME_OF_GRADER/lib" >"$site/autograder.pth"
    # Without .pyc each start would compile torch anew: a second on a whole core.
    "$venv/bin/python" -m compileall -q -j 0 "$site" >/dev/null || true
    "$venv/bin/python" -c 'import torch; print("torch", torch.__version__)'
}

course() {
    cp -R "$1/." "$HOME_OF_GRADER/"
    "$HOME_OF_GRADER/venv/bin/python" -m compileall -q "$HOME_OF_GRADER/lib" >/dev/null
    # Suites, solutions and configs are for the grader only, also where no other layer holds.
    chown -R "${GRADER_UID:-0}:${GRADER_UID:-0}" "$HOME_OF_GRADER/course"
    chmod -R u=rwX,go= "$HOME_OF_GRADER/course"
}

case "${1:-}" in
python | packages | course) "$@" ;;
*) fail "say python, packages or course" ;;
esac
