#!/usr/bin/env bash
# What `make setup` runs: installs missing system packages, and edge-app with gi into a virtual environment.
#   deploy/setup.sh [PYTHON]     PYTHON: a command or path; default: what .venv/ has, else python3
#   VENV=.venv                   where the environment goes
#   WITH=dev                     the test tools too
# A second run finds everything in place, changes nothing and takes a fraction of a second.
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=${VENV:-.venv}
WITH=${WITH:-}
STAMP=$VENV/.edge-app-setup
TOOLS_STAMP=$STAMP-dev
DIST_PACKAGES=/usr/lib/python3/dist-packages
MEDIA=(gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
    gstreamer1.0-libav gstreamer1.0-tools gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0
    gir1.2-gst-rtsp-server-1.0 glib-networking libgl1)
TESTING=(ffmpeg openssl systemd gcc libc6-dev)   # what streams and units are held against; the GPU's stand-in compiles

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$@" >&2; exit 1; }

# The interpreter behind a name. A pyenv shim answers for one version only: then look where pyenv keeps the others.
interpreter() {
    local name=$1 found
    if found=$("$name" -c 'import sys; print(sys.executable)' 2>/dev/null) && [ -n "$found" ]; then
        printf '%s\n' "$found"
        return
    fi
    found=$(compgen -G "${PYENV_ROOT:-$HOME/.pyenv}/versions/${name#python}.*/bin/python" | sort -V | tail -n 1 || true)
    [ -n "$found" ] || fail "$name is not installed: name one that is, such as PYTHON=/usr/bin/python3"
    printf '%s\n' "$found"
}

# The path as PYTHON= or the existing environment names it; the environment keeps its Python unless told otherwise.
choose_python() {
    if [ -n "${1:-}" ]; then
        interpreter "$1"
    elif [ -x "$VENV/bin/python" ] && [ -f "$STAMP" ]; then
        sed -n 's/^python //p' "$STAMP"
    else
        interpreter python3
    fi
}

# The distribution's default Python takes python3-gi as it is: its binary fits, nothing is compiled, and it follows apt's
# updates. Any other Python compiles PyGObject (pip keeps the wheel), which needs headers.
is_default_python() { [ "$(readlink -f /usr/bin/python3)" = "$(readlink -f "$PYTHON")" ]; }
is_packaged_python() { [[ $(readlink -f "$PYTHON") == /usr/bin/* ]]; }

# Since 2.80 GLib carries girepository 2 itself, which PyGObject 3.52 and later need.
newer_glib() { apt-cache show libgirepository-2.0-dev >/dev/null 2>&1; }

wanted_packages() {
    printf '%s\n' "${MEDIA[@]}"
    [ -z "$WITH" ] || printf '%s\n' "${TESTING[@]}"
    ! is_packaged_python || printf '%s\n' "python$MINOR-venv"
    ! on_ubuntu_18 || packages_of_ubuntu_18
    if is_default_python; then
        printf '%s\n' python3-gi
    else
        printf '%s\n' gcc libc6-dev pkg-config libcairo2-dev libffi-dev
        if newer_glib && [ "$MINOR" != 3.6 ]; then echo libgirepository-2.0-dev; else echo libgirepository1.0-dev; fi
        ! is_packaged_python || printf '%s\n' "python$MINOR-dev"
    fi
    if on_jetpack; then echo libopencv-python; fi   # NVIDIA's, not Ubuntu's 3.2
}

# And JetPack 4: a Python whose venv has no pip without distutils, and for which some of the tests' tools are no wheels.
on_ubuntu_18() { [ "$MINOR" = 3.6 ] && is_packaged_python; }
packages_of_ubuntu_18() {
    echo python3-distutils
    [ -z "$WITH" ] || printf '%s\n' g++ python3.6-dev
}

on_jetpack() { [ "$MINOR" = 3.6 ] && [ "$(uname -m)" = aarch64 ]; }

missing_packages() {
    command -v dpkg-query >/dev/null || return 0
    comm -23 <(wanted_packages | sort -u) \
        <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null | sed -n 's/^ii *//p' | sort -u)
}

# A machine just started may be updating itself.
APT_WAIT_S=300

install_packages() {
    local packages=("$@") root=()
    [ "$(id -u)" = 0 ] || root=(sudo)
    local line="apt-get install --no-install-recommends -y ${packages[*]}"
    if [ "${#root[@]}" -gt 0 ] && ! can_sudo; then
        fail "packages are missing, and this user cannot install them. Ask an administrator to run:" \
            "    sudo $line" "then run make setup again."
    fi
    say "installing ${packages[*]}"
    "${root[@]}" apt-get update -qq || say 'apt-get update failed; continuing with the old lists'
    # shellcheck disable=SC2086  # the line is shown to people as it is run
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive $line -qq -o DPkg::Lock::Timeout=$APT_WAIT_S >/dev/null ||
        fail "apt could not install them, see its output above. By hand:" "    sudo $line"
}

can_sudo() { command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; }

# Everything an installed environment depends on; when none of it has changed there is nothing to do.
fingerprint() {
    echo "python $PYTHON"
    echo "place $PWD"
    cat setup.py edge_app/versions.py edge_app/__init__.py deploy/setup.sh | sha256sum
}

is_ready() {
    [ -x "$VENV/bin/edge-app" ] && [ "$(cat "$STAMP" 2>/dev/null)" = "$(fingerprint)" ] &&
        { [ -z "$WITH" ] || [ "$(cat "$TOOLS_STAMP" 2>/dev/null)" = "$(fingerprint)" ]; }
}

make_environment() {
    if [ -d "$VENV" ] && ! "$VENV/bin/python" -c "import sys; sys.exit(sys.version_info[:2] != (${MINOR/./, }))" 2>/dev/null
    then
        say "$VENV has another Python; creating it again"
        rm -rf "$VENV"
    fi
    [ -x "$VENV/bin/pip" ] || "$PYTHON" -m venv "$VENV"
    # 3.6 comes with a pip that cannot read today's wheels; 21.3.1 and 59.6.0 are the last for it
    if [ "$MINOR" = 3.6 ]; then
        "$VENV/bin/pip" --quiet install 'pip==21.3.1' 'setuptools==59.6.0' 'wheel==0.37.1'
    elif ! has_recent_pip; then   # Debian 11's does not get on with the setuptools that the tests bring
        "$VENV/bin/pip" --quiet install --upgrade pip
    fi
}

# One that installs a checkout in place without asking setuptools to be old (PEP 660).
has_recent_pip() {
    "$VENV/bin/python" -c 'import pip, sys; sys.exit([int(part) for part in pip.__version__.split(".")[:2]] < [21, 3])'
}

install_edge_app() {
    say "installing edge-app and what it needs into $VENV"
    ! on_jetpack || install_numpy
    local extras=${WITH:+,$WITH} limits=()
    if ! link_system_modules; then
        extras+=,gi
        say 'building PyGObject for this Python; it takes a minute the first time'
        pkg-config --exists girepository-2.0 || limits=('PyGObject<3.52')
    fi
    "$VENV/bin/pip" --quiet install --editable ".${extras:+[${extras#,}]}" "${limits[@]}"
    check_gi || fail "gi does not work in $VENV: $("$VENV/bin/python" -c 'import gi' 2>&1 | tail -n 1)"
}

# JetPack's is 1.13; edge-app and install.sh take the last for 3.6, which ends in "Illegal instruction" on a TX2 unless told
# what it runs on: a line of Python's own start-up says so, whoever starts it.
install_numpy() {
    local site
    "$VENV/bin/pip" --quiet install "numpy==$(wanted numpy)"
    site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "import os; os.environ.setdefault('OPENBLAS_CORETYPE', 'ARMV8')" > "$site/edge-app-openblas.pth"
}

# The version edge_app/versions.py has for this Python.
wanted() {
    "$PYTHON" -c "import sys; names = {}; exec(open('edge_app/versions.py').read(), names); print(names['wanted'](sys.argv[1], '$MINOR'))" "$1"
}

# One link per module, not the whole of dist-packages: nothing else of the system's may be importable.
link_system_modules() {
    is_default_python || return 1
    local modules=(gi) site name
    if on_jetpack; then modules+=(cv2 tensorrt onnxruntime); fi
    site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    for name in "${modules[@]}"; do
        for source in "$DIST_PACKAGES/$name" "/usr/lib/python$MINOR/dist-packages/$name"; do
            [ ! -e "$source" ] || ln -sfn "$source" "$site/$name"
        done
    done
    check_gi && return
    rm -f "$site/gi"   # or pip would write PyGObject through the link into the system
    return 1
}

check_gi() {
    "$VENV/bin/python" - 2>/dev/null <<'PYTHON'
import gi
gi.require_version('Gst', '1.0')
gi.require_version('GstRtspServer', '1.0')
from gi.repository import Gst, GstRtspServer
PYTHON
}

PYTHON=$(choose_python "${1:-}")
MINOR=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
mapfile -t MISSING < <(missing_packages)
[ "${#MISSING[@]}" = 0 ] || install_packages "${MISSING[@]}"
if is_ready; then
    exit 0
fi
make_environment
install_edge_app
fingerprint > "$STAMP"
[ -z "$WITH" ] || fingerprint > "$TOOLS_STAMP"
say "ready: $VENV/bin/edge-app, Python $MINOR"
