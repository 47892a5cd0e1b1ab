#!/usr/bin/env bash
# What somebody does with a machine that knows nothing of edge-app: a clone, `make demo` as a user who may sudo, `make test`. On a
# distribution of one's choice, for each brings another Python and GStreamer, and calls its packages what it likes. Ubuntu 18.04 has
# what JetPack 4 is made of, Python 3.6.9 and GStreamer 1.14.5; Debian 11 has 3.9 and 1.18, Debian 13 has 3.13 and 1.26.
#   SUITE=bullseye tests/deploy/fresh_machine.sh [FOLDER]     FOLDER keeps the bare system for the next time, the demo's picture and what it said
#   SUITE    Debian's bullseye (default), bookworm, trixie or Ubuntu's bionic, jammy, noble
#   TESTS    what of the suite is run there; default: tests/unit tests/contract; empty: nothing
# Needs root, debootstrap and the distribution's mirror, and downloads 700 MB; a quarter of an hour.
# shellcheck source=tests/deploy/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh"
SUITE=${SUITE:-bullseye}
TESTS=${TESTS-tests/unit tests/contract}
PERSON=somebody
PLACE=/home/$PERSON/edge_app

is_ubuntu() { [[ $SUITE == bionic || $SUITE == jammy || $SUITE == noble ]]; }

# Ubuntu's is checked where its keys are at hand, else fetched by TLS; the script named last is what all of its suites are made with.
bootstrap() {
    local options=()
    if ! is_ubuntu; then
        debootstrap --variant=minbase "$SUITE" "$1"
        return
    fi
    [ -e /usr/share/keyrings/ubuntu-archive-keyring.gpg ] || options=(--no-check-gpg)
    debootstrap --variant=minbase "${options[@]}" "$SUITE" "$1" https://archive.ubuntu.com/ubuntu gutsy
}

sources() {
    local debian=http://deb.debian.org/debian ubuntu=http://archive.ubuntu.com/ubuntu
    case $SUITE in
        bionic | jammy | noble) printf "deb $ubuntu $SUITE%s main universe\n" '' -updates -security ;;
        bullseye) echo "deb $debian bullseye main" ;;   # its updates go to the archive: the list still names what is gone
        *) printf '%s\n' "deb $debian $SUITE main" "deb $debian $SUITE-updates main" "deb $debian-security $SUITE-security main" ;;
    esac
}

bare_system() {
    if [ ! -e "$KEPT/$SUITE" ]; then
        rm -rf "$KEPT/$SUITE.new"
        mkdir -p "$KEPT"
        bootstrap "$KEPT/$SUITE.new"
        mv "$KEPT/$SUITE.new" "$KEPT/$SUITE"
    fi
    make_root "$SUITE" "$SUITE"
    rm -f "$ROOT"/etc/apt/sources.list.d/*
    sources > "$ROOT/etc/apt/sources.list"
    echo '127.0.0.1 localhost' "$(hostname)" > "$ROOT/etc/hosts"
}

# What its own installer would have put there, and `sudo apt install make git`.
usual_packages() {
    inside apt-get update -qq
    inside env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates git make python3 sudo
    inside useradd --create-home --shell /bin/bash "$PERSON"
    echo "$PERSON ALL=(ALL) NOPASSWD: ALL" > "$ROOT/etc/sudoers.d/$PERSON"
    trust_as_here
    if [ "$SUITE" = bionic ]; then   # its pip asks at a name of former times, which not everybody may ask
        [ -s "$ROOT/etc/pip.conf" ] || echo '[global]' > "$ROOT/etc/pip.conf"
        echo 'index-url = https://pypi.org/simple' >> "$ROOT/etc/pip.conf"
    fi
}

clone() { git clone --quiet "$HERE" "$ROOT$PLACE" && inside chown -R "$PERSON:" "$PLACE"; }
as_somebody() { inside runuser -u "$PERSON" -- env HOME="/home/$PERSON" LC_ALL=C.UTF-8 "$@"; }
in_clone() { as_somebody make --no-print-directory -C "$PLACE" "$@"; }
demo() { in_clone demo ARGS="--duration $1 --json report.json --snapshot mosaic.png"; }

every_camera_was_seen() { as_somebody bash -c "cd $PLACE && .venv/bin/python tests/deploy/demo_report.py report.json"; }

case $SUITE in
    bullseye | bookworm | trixie | bionic | jammy | noble) ;;
    *) echo "SUITE=$SUITE: bullseye, bookworm, trixie, bionic, jammy or noble" >&2; exit 1 ;;
esac
check "a bare $SUITE" bare_system
check 'what it usually has' usual_packages
check 'a clone' clone
check 'make demo, packages and all' demo 10
cp "$ROOT$PLACE/mosaic.png" "$KEPT/$SUITE-mosaic.png"
cp "$WORK/check.log" "$KEPT/$SUITE-demo.log"
check 'make setup finds nothing to do' is "$(in_clone setup)" ''
check 'it saw every camera, and every frame is accounted for' every_camera_was_seen
cat "$WORK/check.log"
if [ -n "$TESTS" ]; then
    check "make test: $TESTS" in_clone test ARGS="$TESTS -q"
    tail -n 1 "$WORK/check.log"
fi
echo "$PASSED checks passed"
