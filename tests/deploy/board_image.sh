#!/usr/bin/env bash
# docker/Dockerfile, the one for a Jetson TX2, as far as it can be run without a Jetson: its steps, one after the other, in an
# Ubuntu 18.04 of its own, which is what the base image is made of; then the demo from it, on Python 3.6 and GStreamer 1.14; and
# what that Ubuntu's systemd 237 says of the service's unit.
# Other than on a board: the processor is this machine's (so the wheels of the lock are, too, by version and without their sha256),
# nvcc is a stand-in, and pycuda, which it would compile, is left out. ONNX Runtime infers in place of TensorRT.
#   tests/deploy/board_image.sh [FOLDER]     FOLDER keeps the bare Ubuntu for the next time; without it everything is temporary
# Needs root, debootstrap, Ubuntu's mirror and PyPI; 5 minutes.
# shellcheck source=tests/deploy/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh"
UBUNTU=http://archive.ubuntu.com/ubuntu
SETTINGS=()   # what ENV says

# Ubuntu's keys are seldom at hand on another distribution: then fetched by TLS instead, which names the server.
ubuntu() {
    local options=('--components=main,universe') mirror=$UBUNTU
    if [ ! -e "$KEPT/bionic" ]; then
        [ -e /usr/share/keyrings/ubuntu-archive-keyring.gpg ] || { options+=(--no-check-gpg); mirror=${UBUNTU/http/https}; }
        mkdir -p "$KEPT"
        rm -rf "$KEPT/bionic.new"
        debootstrap --variant=minbase "${options[@]}" bionic "$KEPT/bionic.new" "$mirror"
        mv "$KEPT/bionic.new" "$KEPT/bionic"
    fi
    make_root bionic bionic
    printf "deb $UBUNTU bionic%s main universe\n" '' -updates -security > "$ROOT/etc/apt/sources.list"
    inside apt-get update -qq
    inside env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates
    trust_as_here
    [ -e "$ROOT/etc/pip.conf" ] || echo '[global]' > "$ROOT/etc/pip.conf"
    echo 'index-url = https://pypi.org/simple' >> "$ROOT/etc/pip.conf"   # pip 9 knows it by an older name
}

# One line per instruction.
instructions() { sed '/^#/d' "$HERE/docker/Dockerfile" | sed -e ':a' -e '/\\$/ {N; s/\\\n */ /; ta' -e '}'; }

# FROM... TO
put_in() {
    local target=$ROOT${*: -1}
    mkdir -p "$(if [[ $target == */ ]]; then echo "$target"; else dirname "$target"; fi)"
    (cd "$HERE" && cp -r "${@:1:$#-1}" "$target")
}

stand_in_for_cuda() { mkdir -p "$ROOT/usr/local/cuda/bin" && cp "$ROOT/bin/true" "$ROOT/usr/local/cuda/bin/nvcc"; }

run_step() {
    local line=$1
    if [[ $line == *last.lock* ]]; then
        sed -i 's/ --hash=.*//' "$ROOT/source/tx2.lock"
        line=${line//--require-hashes/}
        line=${line% && *}   # pycuda
    fi
    inside env LC_ALL=C.UTF-8 sh -ec "$line"
}

steps() {
    local line words number=0
    while IFS= read -r -u 3 line; do
        read -ra words <<< "$line"
        case $line in
            RUN*) number=$((number + 1)); check "step $number: ${line:4:60}..." run_step "${line#RUN }" ;;
            'COPY --from'*) ;;   # all stages are one system here
            COPY*) put_in "${words[@]:1}" ;;
            ENV*) SETTINGS+=("${words[@]:1}") ;;
        esac
    done 3< <(instructions)
    [ "$number" -ge 7 ]
}

# The version that edge-app takes on a PC with that Python
other_engine() {
    local version
    version=$(cd "$HERE" && python3 -c "from edge_app.versions import wanted; print(wanted('onnxruntime', '3.6'))")
    inside env LC_ALL=C.UTF-8 /opt/edge-app/bin/pip install "onnxruntime==$version"
}

# As its user and in its environment, for this machine's processor
as_image() {
    inside runuser -u edge-app -- env HOME=/var/lib/edge-app "${SETTINGS[@]//aarch64/$(uname -m)}" "$@"
}
versions() { as_image /opt/edge-app/bin/python -c 'import gi; gi.require_version("Gst", "1.0"); from gi.repository import Gst; import sys, numpy, cv2
print("Python %d.%d.%d" % sys.version_info[:3], "GStreamer %d.%d.%d" % Gst.version()[:3], "numpy", numpy.__version__, "OpenCV", cv2.__version__)'; }

its_systemd() {
    inside env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends systemd
    mount -t sysfs -o ro sysfs "$ROOT/sys"
    mount -t cgroup2 cgroup2 "$ROOT/sys/fs/cgroup"
    mkdir -p "$ROOT/opt/edge-app/current"
    ln -s ../bin "$ROOT/opt/edge-app/current/bin"   # where the unit has it
    put_in deploy/units/edge-app.service /etc/systemd/system/
    inside systemctl --version | grep '^systemd 237$' && inside systemd-analyze verify edge-app.service
}
passed_over() { sed -n "s/.*: Unknown lvalue '\(.*\)' in section .*/\1/p" "$WORK/check.log" | sort | paste -sd ' '; }

copy_checkout
check 'an Ubuntu 18.04' ubuntu
check 'a stand-in for CUDA' stand_in_for_cuda
steps
check 'it is what a board has' is "$(versions 2> "$WORK/check.log")" 'Python 3.6.9 GStreamer 1.14.5 numpy 1.19.5 OpenCV 4.6.0'
check 'it says its version' is "$(as_image edge-app --version 2> "$WORK/check.log" | cut -d ' ' -f 1)" edge-app
check 'ONNX Runtime in place of TensorRT' other_engine
check 'the demo runs from it' as_image edge-app demo --cameras 2 --size 320x180 --fps 5 --duration 10
check 'its service runs' as_image edge-app run /etc/edge-app/site.yaml --duration 10
check 'its health check is there, and says no once nothing runs' bash -c "! chroot '$ROOT' edge-app-health"
check 'its systemd takes the unit' its_systemd
check 'and passes over what is known' is "$(passed_over)" 'OOMPolicy PrivateMounts ProtectHostname ProtectKernelLogs WatchdogSignal'
echo "$PASSED checks passed"
