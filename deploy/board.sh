# shellcheck shell=bash disable=SC2034,SC2016   # used where it is sourced; text for others to expand
# What install.sh does on a Jetson only. Sourced by it; versions and paths are those published for L4T R32.7.

MODEL_FILE=/proc/device-tree/model
RELEASE_FILE=/etc/nv_tegra_release
PREFERENCES=/etc/apt/preferences.d/edge-app-container
PROFILE=/etc/profile.d/edge-app.sh
DAEMON=/etc/docker/daemon.json
JETPACK_PACKAGES=(cuda-toolkit-10-2 libcudnn8 tensorrt python3-libnvinfer build-essential python3-dev)
OPENCV_PACKAGE=libopencv-python   # NVIDIA's 4.1.1; Ubuntu's python3-opencv is 3.2, which has no NMSBoxes
CONTAINER_LISTS=(nvidia-container-csv-cuda nvidia-container-csv-cudnn nvidia-container-csv-tensorrt)   # what is mounted
# The last that read all of the host's csv files; newer ones leave CUDA, cuDNN and TensorRT out of r32 containers, and with
# older ones Docker 20.10.7 and later starts none (clone3 and seccomp).
CONTAINER_PINS=(libnvidia-container0=0.10.0+jetpack libnvidia-container1=1.7.0-1 libnvidia-container-tools=1.7.0-1
    nvidia-container-toolkit=1.7.0-1 nvidia-container-runtime=3.7.0-1 nvidia-docker2=2.8.0-1)
TORCH_WHEEL=torch-1.10.0-cp36-cp36m-linux_aarch64.whl
TORCH_URL=https://nvidia.box.com/shared/static/fjtbno0vpo676a25cgvuqc1wty0fkkg6.whl
TORCH_PACKAGES=(libopenblas-base libopenmpi2 libomp-dev)
TORCH2TRT_URL=https://github.com/NVIDIA-AI-IOT/torch2trt/archive/refs/tags/v0.5.0.tar.gz
DIGESTS=$BEFORE/downloads.sha256

# KIND: tx2 (R32, Python 3.6), jetson (any other) or pc; L4T: 32.7.6 and the like
look_at_board() {
    MODULE='' L4T='' KIND=pc
    [ ! -e "$ROOT$MODEL_FILE" ] || MODULE=$(tr -d '\0' < "$ROOT$MODEL_FILE")
    [ ! -e "$ROOT$RELEASE_FILE" ] ||
        L4T=$(sed -nE 's/^# R([0-9]+) \(release\), REVISION: ([0-9.]+),.*/\1.\2/p' "$ROOT$RELEASE_FILE" | head -n 1)
    case $L4T in
        32.*) KIND=tx2 ;;
        [0-9]*) KIND=jetson ;;
        *) [ ! -e "$ROOT$RELEASE_FILE" ] || fail "$RELEASE_FILE does not say which L4T this is: flash the board again" ;;
    esac
}

check_board() {
    case $KIND in
        pc) say 'not a Jetson: power modes, clocks, CUDA paths, container pins and swap are left out' ;;
        jetson) say "${MODULE:-a Jetson}, L4T R$L4T: not the board this was written for; steps for R32 are left out" ;;
        tx2)
            say "${MODULE:-a Jetson of unknown name}, L4T R$L4T"
            [[ $L4T == 32.7.* ]] || fail "L4T R$L4T is too old: TensorRT 8.2 and the pinned packages need R32.7.1 to R32.7.6" \
                'flash the board with JetPack 4.6.1 or later of the 4.6 line; there is no 5 for a TX2'
            [[ $MODULE == *TX2* || $MODULE == *quill* ]] ||
                say "this is no TX2; R32.7 is the same on it, its power mode 0 may not be: see /etc/nvpmodel.conf"
            ;;
    esac
}

# -- packages that must not change ----------------------------------------------------------------------------------

has_docker() { [ -e "$ROOT/usr/bin/docker" ] || [ -e "$ROOT/usr/bin/dockerd" ]; }

# "ii curl curl=7.88.1" for each package installed, "hi ..." for one held
package_table() {
    dpkg-query --admindir="$ROOT/var/lib/dpkg" -W -f '${db:Status-Abbrev} ${Package} ${Package}=${Version}\n' 2>/dev/null |
        grep '^[ih]i' || true
}
installed_packages() { package_table | awk '{print $2}'; }

pin_containers() {
    local pin wanted
    if ! has_docker; then
        say 'no Docker: no container packages to pin'
        return
    fi
    say "the container runtime is pinned: newer ones leave CUDA and TensorRT out of R32's containers"
    for pin in "${CONTAINER_PINS[@]}"; do
        printf 'Package: %s\nPin: version %s\nPin-Priority: 1001\n\n' "${pin%%=*}" "${pin#*=}"
    done | put_file "$PREFERENCES" 644
    mapfile -t wanted < <(comm -23 <(printf '%s\n' "${CONTAINER_PINS[@]}" | sort) <(package_table | awk '{print $3}' | sort))
    [ "${#wanted[@]}" -gt 0 ] || return 0
    apt_install --allow-downgrades --allow-change-held-packages "${wanted[@]}" || fail \
        "the pinned container packages cannot be had; is $ROOT/etc/apt/sources.list.d/nvidia-l4t-apt-source.list there?"
}

# Whatever belongs to the board's system or its containers stays at its version; what was held before is not ours.
hold_packages() {
    local packages
    mapfile -t packages < <(package_table | awk '$1 ~ /^i/ {print $2}' |
        grep -xE 'nvidia-l4t-.*|docker\.io|containerd|libnvidia-container.*|nvidia-(container|docker).*' || true)
    [ "${#packages[@]}" -gt 0 ] || return 0
    say "${#packages[@]} packages are held at their version"
    remember held "${packages[@]}"
    inside apt-mark hold "${packages[@]}"
}

stop_automatic_upgrades() {
    local unit units=()
    [ "$(installed_packages | grep -cx unattended-upgrades)" != 0 ] || return 0   # not grep -q, which ends before all is written
    # the first two start upgrades, the last one is there for the time of shutting down
    for unit in apt-daily-upgrade.timer apt-daily-upgrade.service unattended-upgrades.service; do
        [ "$(readlink "$ROOT/etc/systemd/system/$unit" || true)" = /dev/null ] || units+=("$unit")
    done
    [ "${#units[@]}" -gt 0 ] || return 0
    say 'automatic upgrades off: unattended-upgrades and its timer are masked'
    remember masked "${units[@]}"
    ! has_systemd || run systemctl stop apt-daily-upgrade.timer || true
    inside systemctl mask "${units[@]}"
}

# What is in daemon.json stays; only what is missing is added. A runtime by default is what docker build needs to see CUDA.
merge_daemon() {
    local merged
    has_docker || return 0
    merged=$(PYTHONIOENCODING=utf-8 python3 - "$ROOT$DAEMON" <<'PYTHON'
import json, os, sys
path = sys.argv[1]
text = open(path, encoding='utf-8').read() if os.path.exists(path) else ''
try:
    settings = json.loads(text or '{}')
    assert isinstance(settings, dict), 'not an object'
except (ValueError, AssertionError) as error:   # a comment or a comma too many
    sys.exit('%s: %s' % (path, error))
merged = json.loads(text or '{}')
merged.setdefault('runtimes', {}).setdefault('nvidia', {'path': 'nvidia-container-runtime', 'runtimeArgs': []})
merged.setdefault('default-runtime', 'nvidia')
if merged.setdefault('log-driver', 'json-file') == 'json-file':
    for name, value in (('max-size', '10m'), ('max-file', '3')):
        merged.setdefault('log-opts', {}).setdefault(name, value)
print(text if merged == settings else json.dumps(merged, indent=4) + '\n', end='')
PYTHON
    ) || fail "$DAEMON is not valid JSON (see the line above): correct it, then run this again; it was not changed"
    if [ -e "$ROOT$DAEMON" ] && [ "$(cat "$ROOT$DAEMON")" = "$merged" ]; then return 0; fi
    say "$DAEMON: nvidia runtime and log rotation added; other settings kept"
    printf '%s\n' "$merged" | put_file "$DAEMON" 644
    if runs_services; then
        say 'restarting Docker'
        inside systemctl restart docker
    fi
}

# -- CUDA and torch -------------------------------------------------------------------------------------------------

# name=value lines for the service and, with export, for people who log in
board_environment() {
    case $KIND in
        tx2)
            echo OPENBLAS_CORETYPE=ARMV8   # or importing numpy 1.19.5 ends in "Illegal instruction"
            echo LD_PRELOAD=/usr/lib/aarch64-linux-gnu/libgomp.so.1   # or "cannot allocate memory in static TLS block"
            ;;&
        tx2 | jetson)
            echo CUDA_ROOT=/usr/local/cuda
            echo LD_LIBRARY_PATH=/usr/local/cuda/lib64
            ;;
    esac | sed 's/ *#.*//'
}

write_cuda_paths() {
    say 'CUDA paths and the workaround for numpy, for the service and for login shells'
    {
        echo '# written by edge-app: CUDA, and what numpy and OpenCV need on this board'
        board_environment | grep -v ^LD_ | sed 's/^/export /'   # LD_PRELOAD for everything would be too much
        echo 'case ":$PATH:" in *:/usr/local/cuda/bin:*) ;; *) export PATH=/usr/local/cuda/bin:$PATH ;; esac'
    } | put_file "$PROFILE" 644
}

# A file from the net, the same as the first time: nobody publishes digests of these.
download() {
    local url=$1 target=$2 digest known
    run curl --fail --location --silent --show-error --retry 3 --output "$ROOT$target" "$url"
    [ "$DRY_RUN" = no ] || return 0
    digest=$(digest "$ROOT$target")
    known=$(sed -n "s|^\([0-9a-f]*\) $url\$|\1|p" "$ROOT$DIGESTS" 2>/dev/null || true)
    if [ -z "$known" ]; then
        say "first download of $url, sha256 $digest: recorded in $DIGESTS; none is published to compare it with"
        echo "$digest $url" >> "$ROOT$DIGESTS"
    elif [ "$known" != "$digest" ]; then
        rm -f "$ROOT$target"
        fail "$url has changed: sha256 $digest, was $known; if that is intended, remove its line from $DIGESTS"
    fi
}

install_torch() {
    say 'torch: about 1 GB on disk, and 1 GB of memory while it runs; no engine of edge-app needs it for ONNX models'
    case $KIND in
        pc) pip_install "${SOURCE}[torch]" ;;
        tx2)
            apt_install "${TORCH_PACKAGES[@]}"
            download "$TORCH_URL" "$BEFORE/$TORCH_WHEEL"   # pip must see the name
            pip_install "$BEFORE/$TORCH_WHEEL"
            ;;
        *) fail "torch for L4T R$L4T is not known to this script: install NVIDIA's wheel into $VENV yourself" ;;
    esac
}

install_torch2trt() {
    [ "$KIND" = tx2 ] || fail '--with-torch2trt: TensorRT belongs to the board; on this machine there is none to convert for'
    say 'torch2trt 0.5.0: little on disk; converting a model takes 2 GB of memory and more, best with the swap file on'
    local PIP=()   # this comes from the net, and a bundle's wheels are without packaging
    download "$TORCH2TRT_URL" "$BEFORE/torch2trt-0.5.0.tar.gz"
    pip_install packaging
    pip_install --no-build-isolation --no-deps "$BEFORE/torch2trt-0.5.0.tar.gz"
}
