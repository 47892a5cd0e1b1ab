# shellcheck shell=bash
# What the scripts in this folder share: words, a log, commands that can be shown instead of run, and files that are
# put in place whole and can be taken back byte for byte. Sourced, never run.
#   NAME      what each line begins with
#   DRY_RUN   yes: say what would be done, change nothing
#   ROOT      prefix of every path written, for building an image; empty on the machine itself
export LC_ALL=C   # sizes, errors and dates as programs read them
DRY_RUN=no
ROOT=
LOG=
BEFORE=/var/lib/edge-app-deploy   # what was there before us, one copy of each file; for root alone

say() { printf '%s: %s\n' "$NAME" "$*"; note "$*"; }
note() { [ -z "$LOG" ] || printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >> "$LOG"; }

# Words and the end: 1 refused or failed, 2 wrong arguments.
fail() {
    local line
    for line in "$@"; do printf '%s: %s\n' "$NAME" "$line" >&2; note "$line"; done
    exit 1
}
misuse() { printf '%s: %s\n' "$NAME" "$1; --help lists the options" >&2; exit 2; }

# The comment at the head of a script is its help.
print_help() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$1"; }

# From here on every word and every command is also in /var/log/edge-app/NAME.log.
open_log() {
    [ "$DRY_RUN" = no ] || return 0
    mkdir -p "$ROOT/var/log/edge-app"
    LOG=$ROOT/var/log/edge-app/$NAME.log
    note "---- $NAME $*"
}

need_root() {
    [ "$DRY_RUN" = yes ] || [ "$(id -u)" = 0 ] || fail "this changes the system: run it as root (sudo $0 ...), or with --dry-run"
}

# Run a command, its output in the log and on the screen only when it failed; or show it.
run() {
    if [ "$DRY_RUN" = yes ]; then
        printf 'would run:%s\n' "$(printf ' %q' "$@")"
        return 0
    fi
    note "+$(printf ' %q' "$@")"
    local output status=0
    output=$("$@" 2>&1) || status=$?
    [ -z "$output" ] || note "$output"
    if [ "$status" != 0 ]; then
        printf '%s\n' "$output" | tail -n 20 >&2
        printf '%s: that was:%s, exit code %d\n' "$NAME" "$(printf ' %q' "$@")" "$status" | tee -a "${LOG:-/dev/null}" >&2
    fi
    return "$status"
}

# The same for what takes minutes: its own words as they come, in the log too.
run_aloud() {
    if [ "$DRY_RUN" = yes ]; then
        run "$@"
        return
    fi
    note "+$(printf ' %q' "$@")"
    "$@" 2>&1 | tee -a "${LOG:-/dev/null}"
}

# 6G, 512M, 65536: bytes
bytes_of() {
    [[ $1 =~ ^[0-9]{1,15}[KMGT]?$ ]] || misuse "'$1' is not a size: give one like 6G or 512M"
    numfmt --from=iec "$1"
}

megabytes() { echo "$((($1 + 1048575) / 1048576)) MB"; }

# -- files ----------------------------------------------------------------------------------------------------------

kept() { printf '%s' "$ROOT$BEFORE/${1//\//%}"; }   # /etc/fstab is kept as %etc%fstab
digest() { sha256sum < "$1" | cut -d ' ' -f 1; }

# Whether the file is as it was before us, or as we wrote it: then nobody else's change can be lost.
is_ours() {
    local kept
    kept=$(kept "$1")
    [ ! -e "$kept.edited" ] || return 1
    if [ -e "$ROOT$1" ]; then
        { [ -e "$kept.before" ] && cmp -s "$kept.before" "$ROOT$1"; } ||
            grep -qsx "$(digest "$ROOT$1")" "$kept.written"
    else
        [ -e "$kept.absent" ]
    fi
}

# Keep what is there now, once, before the first change.
keep() {
    local kept
    kept=$(kept "$1")
    if [ -e "$kept.before" ] || [ -e "$kept.absent" ]; then
        is_ours "$1" || touch "$kept.edited"
    elif [ -e "$ROOT$1" ]; then
        cp -p "$ROOT$1" "$kept.new"
        sync "$kept.new"
        mv "$kept.new" "$kept.before"
    else
        touch "$kept.absent"
    fi
}

is_kept() { [ -e "$(kept "$1").before" ] || [ -e "$(kept "$1").absent" ]; }

# Write stdin to PATH, whole or not at all; an existing file keeps its mode and owner.
put_file() {
    local path=$1 mode=$2 content
    content=$(cat; printf x)   # the x keeps the newlines at the end
    if [ -f "$ROOT$path" ] && [ "$(cat "$ROOT$path"; printf x)" = "$content" ]; then
        return 0
    fi
    if [ "$DRY_RUN" = yes ]; then
        echo "would write: $path"
        return 0
    fi
    note "writing $path"
    mkdir -p "$ROOT$BEFORE" "$(dirname "$ROOT$path")"
    chmod 700 "$ROOT$BEFORE"   # what is kept may be more private here than where it was
    keep "$path"
    if [ -e "$ROOT$path" ]; then
        cp -p "$ROOT$path" "$ROOT$path.edge-app-new"
    else
        install -m "$mode" /dev/null "$ROOT$path.edge-app-new"
    fi
    printf '%s' "${content%x}" > "$ROOT$path.edge-app-new"
    digest "$ROOT$path.edge-app-new" >> "$(kept "$path").written"
    sync "$ROOT$path.edge-app-new"
    mv "$ROOT$path.edge-app-new" "$ROOT$path"
}

# Put PATH back as it was before us, byte for byte. 1 when it cannot be: nothing kept, or somebody else changed it since.
take_back() {
    local kept
    kept=$(kept "$1")
    is_kept "$1" && is_ours "$1" || return 1
    if [ "$DRY_RUN" = yes ]; then
        echo "would put back: $1"
    elif [ -e "$kept.before" ]; then
        note "putting back $1"
        cmp -s "$kept.before" "$ROOT$1" || {
            cp -p "$kept.before" "$ROOT$1.edge-app-new"
            sync "$ROOT$1.edge-app-new"
            mv "$ROOT$1.edge-app-new" "$ROOT$1"
        }
    else
        note "removing $1"
        rm -f "$ROOT$1"
    fi
    forget "$1"
}

forget() { [ "$DRY_RUN" = yes ] || rm -f "$(kept "$1")".{before,absent,written,edited,new}; }

# Whether services are started here; a dry run shows it.
runs_services() { has_systemd || { [ "$DRY_RUN" = yes ] && [ -z "$ROOT" ]; }; }
has_systemd() { [ -z "$ROOT" ] && [ -d /run/systemd/system ]; }
