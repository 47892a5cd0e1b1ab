# shellcheck shell=bash disable=SC2034,SC2153   # used, or said, where it is sourced
# The program itself: one folder per version beside the others, and `current`, which points to the one that runs.
# Sourced by install.sh, which says what `inside`, KIND and ENVIRONMENT are; others take the names alone.

USER_NAME=edge-app
PLACE=/opt/edge-app
STATE=/var/lib/edge-app
SETTINGS=/etc/edge-app
SHIPPED=(edge_app models deploy setup.py setup.cfg README.md LICENSE)
PIP=()       # where pip looks, when a bundle brings its own wheels
PREVIOUS=    # the folder that `current` pointed to before this run

# UTF-8, or Python 3.6 takes the pages for ASCII that packages built here read in their setup.py.
pip_install() {
    inside env LC_ALL=C.UTF-8 "${ENVIRONMENT[@]}" "${PIP[@]}" "$VENV/bin/pip" install --quiet --disable-pip-version-check "$@"
}

current_release() { basename "$(readlink "$ROOT$PLACE/current" 2>/dev/null || true)"; }

program_version() { sed -n "s/^__version__ = '\(.*\)'/\1/p" "$HERE/../edge_app/__init__.py"; }

release_name() {
    local content
    content=$(cd "$HERE/.." && find "${SHIPPED[@]}" -type f ! -name '*.pyc' -print0 |
        sort -z | xargs -0 sha256sum | sha256sum | cut -c -8)
    echo "$(program_version)-$content"
}

# What a bundle says of itself: version, for, python.
bundle_fact() { sed -n "s/^$1=//p" "$2/BUNDLE"; }

# FILE FOLDER SIGNER: a bundle unpacked there, everything in it as its SHA256SUMS says and nothing else in it. SIGNER is the public
# key its maker must have signed these with; empty: whoever made it is believed.
open_bundle() {
    local names top others
    names=$(tar -tzf "$1") || fail "$1 is not a bundle, or incomplete: copy it again"
    top=${names%%/*}
    others=$(tar -tvzf "$1" | sed '/^[d-]/d')   # links could lead out of the folder
    if [[ $top != edge-app-* ]] || grep -qvE "^$top(/|\$)" <<< "$names" || grep -qE '(^|/)\.\.(/|$)' <<< "$names" ||
        [ -n "$others" ]; then
        fail "$1 is not a bundle of edge-app: make one with make bundle"
    fi
    run mkdir -p "$2" "$2.signed"
    [ -z "$3" ] || check_signature "$1" "$2.signed" "$3" "$top"     # before anything else of it touches the disk
    # without set-user-ID and other such bits
    run tar -xzf "$1" -C "$2" --strip-components=1 --no-same-owner --no-same-permissions || fail "$1 cannot be unpacked; is there space?"
    [ -z "$3" ] || cmp -s "$2.signed/SHA256SUMS" "$2/SHA256SUMS" || fail "$1 holds two SHA256SUMS: it is not as its maker signed it"
    run rm -r "$2.signed"
    (cd "$2" && sha256sum --quiet --strict -c SHA256SUMS) >&2 || fail "$1: the files above differ from their checksums; copy it again"
    cmp -s <(cd "$2" && find . -type f ! -path ./SHA256SUMS ! -path ./SHA256SUMS.sig | sort) \
        <(sed 's/^[0-9a-f]* [ *]//' "$2/SHA256SUMS" | sort) || fail "$1 holds files that its SHA256SUMS does not name"
}

# BUNDLE FOLDER SIGNER TOP. openssl: ssh-keygen of Ubuntu 18.04 does not sign files yet, and its gpgv is not everywhere.
check_signature() {
    tar -xzf "$1" -C "$2" --strip-components=1 --no-same-owner "$4/SHA256SUMS" "$4/SHA256SUMS.sig" 2>/dev/null ||
        fail "$1 is not signed: make it with make bundle of this version, or take it as it is with --unsigned"
    openssl dgst -sha256 -verify "$3" -signature "$2/SHA256SUMS.sig" "$2/SHA256SUMS" >/dev/null 2>&1 ||
        fail "$1 was not signed by the maker this machine knows ($3): whose is it?" \
            "if the maker has a new key: put its public half there; or take the bundle as it is with --unsigned"
}

# RELEASE RELEASE: whether the first one's version is older. A release is VERSION-CONTENT.
is_older() { [ "${1%-*}" != "${2%-*}" ] && [ "$(printf '%s\n' "${1%-*}" "${2%-*}" | sort -V | sed -n 1p)" = "${1%-*}" ]; }

# A bundle's wheels belong to one kind of machine and one Python; a checkout has none.
check_wheels() {
    local wanted
    [ -d "$HERE/../wheels" ] || return 0
    wanted=$(bundle_fact for "$HERE/..")
    [ "$wanted" = "$KIND" ] || fail "this bundle is for $wanted, this is a $KIND: make one with make bundle FOR=$KIND"
}

# Built under its own name, then `current` points to it: an interrupted or failed build leaves the old one running.
install_program() {
    local release
    release=$(release_name)
    PREVIOUS=$(current_release)
    RELEASE=$PLACE/$release
    VENV=$RELEASE/venv
    SOURCE=$RELEASE/source
    if [ -e "$ROOT$RELEASE/complete" ]; then
        say "$release is there"
    else
        say "building $release; the first time it takes some minutes, on a TX2 up to half an hour"
        run rm -rf "$ROOT$RELEASE"
        run mkdir -p "$ROOT$SOURCE"
        for part in "${SHIPPED[@]}"; do run cp -r "$HERE/../$part" "$ROOT$SOURCE/"; done
        take_wheels
        make_environment
        run rm -rf "$ROOT$RELEASE/wheels"
        run sync -f "$ROOT$RELEASE"   # or a power cut leaves empty files that count as complete
        run touch "$ROOT$RELEASE/complete"
    fi
    [ "$TORCH" = no ] || install_torch
    [ "$TORCH2TRT" = no ] || install_torch2trt
}

take_wheels() {
    [ -d "$HERE/../wheels" ] || return 0
    local here wanted
    wanted=$(bundle_fact python "$HERE/..")
    here=$(chroot "${ROOT:-/}" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true)
    [ "$DRY_RUN" = yes ] || [ "$here" = "$wanted" ] ||
        fail "this bundle is for Python $wanted, here it is $here: make one with make bundle PYTHON=python$here"
    say "from the bundle's wheels, without a network"
    run cp -r "$HERE/../wheels" "$ROOT$RELEASE/wheels"
    PIP=(PIP_NO_INDEX=1 "PIP_FIND_LINKS=$RELEASE/wheels" PIP_CONFIG_FILE=/dev/null)
}

make_environment() {
    inside python3 -m venv "$VENV"
    if [ "$KIND" = tx2 ]; then   # the last for Python 3.6; its own pip cannot read today's wheels
        pip_install 'pip==21.3.1' 'setuptools==59.6.0' 'wheel==0.37.1'
        pip_install 'numpy==1.19.5'
        guard_numpy
    fi
    link_modules
    pip_install "$SOURCE"
    if [ "$KIND" = tx2 ]; then   # without isolation, or it builds against a numpy of its own
        inside env LC_ALL=C.UTF-8 "${ENVIRONMENT[@]}" "${PIP[@]}" PATH=/usr/local/cuda/bin:/usr/bin:/bin CPATH=/usr/local/cuda/include \
            LIBRARY_PATH=/usr/local/cuda/lib64:/usr/local/cuda/lib64/stubs \
            "$VENV/bin/pip" install --quiet --no-build-isolation 'pycuda==2022.1'
    elif [ "$KIND" = jetson ]; then
        pip_install pycuda
    fi
    run ln -sfn venv/bin "$ROOT$RELEASE/bin"
    inside env "${ENVIRONMENT[@]}" "$VENV/bin/python" -c 'import gi, numpy, cv2, edge_app'
}

# numpy 1.19.5 ends in "Illegal instruction" on a TX2 unless told what it runs on: a line of Python's own start-up says so, whoever
# starts it. The service's environment says it too.
guard_numpy() {
    # shellcheck disable=SC2016  # for the shell that runs it
    inside bash -c 'echo "$1" > "$(echo "$0"/lib/python3.*/site-packages)/edge-app-openblas.pth"' "$VENV" \
        "import os; os.environ.setdefault('OPENBLAS_CORETYPE', 'ARMV8')"
}

# One link per module that only apt has, nothing else of the system's.
link_modules() {
    local name link modules=(gi)
    # shellcheck disable=SC2016  # for the shell that runs it
    link='for from in /usr/lib/python3/dist-packages /usr/lib/python3.*/dist-packages; do
        for found in "$from/$1" "$from/$1".*.so; do
            if [ -e "$found" ]; then ln -sfn "$found" "$0"/lib/python3.*/site-packages/; fi
        done
    done'
    [ "$KIND" = pc ] || modules+=(tensorrt)
    [ "$KIND" != tx2 ] || modules+=(cv2)
    for name in "${modules[@]}"; do
        inside bash -c "$link" "$VENV" "$name"
    done
}

point_to() {
    run ln -sfn "$1" "$ROOT$PLACE/current.new"
    run mv -T "$ROOT$PLACE/current.new" "$ROOT$PLACE/current"
}

# The one that runs, the one that ran before it and those that update.sh may go back to stay, and no half ones: the eMMC is small.
remove_old_releases() {
    local folder stay
    [ -d "$ROOT$PLACE" ] || return 0
    stay=$(printf '%s\n' current "$(basename "$RELEASE")" "$(release_before)"; cat "$ROOT$BEFORE"/update{,.before}/release 2>/dev/null || true)
    for folder in "$ROOT$PLACE"/*/; do
        [ -e "$folder" ] || continue
        grep -qxF "$(basename "$folder")" <<< "$stay" || run rm -rf "${folder%/}"
    done
}

# The one that ran when this run began; where that is the same, the newest of the others.
release_before() {
    if [ -n "$PREVIOUS" ] && [ "$PREVIOUS" != "$(basename "$RELEASE")" ]; then
        echo "$PREVIOUS"
    else
        find "$ROOT$PLACE" -mindepth 2 -maxdepth 2 -name complete ! -path "*$RELEASE/*" -printf '%T@ %h\n' |
            sort -rn | sed -n '1s/.*\///p'
    fi
}
