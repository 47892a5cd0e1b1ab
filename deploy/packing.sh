# shellcheck shell=bash disable=SC2153   # names said where it is sourced
# What packs the program up shares: bundle.sh and docker/image.sh. Sourced, after steps.sh and release.sh.
#   HERE   a folder of the checkout, one below its top
#   WORK   a temporary folder

# OPTION=VARIABLE... -- ARGUMENTS: options that take a value, each into its variable.
read_options() {
    local -A variables=()
    while [ "$1" != -- ]; do
        variables[--${1%%=*}]=${1#*=}
        shift
    done
    shift
    while [ $# -gt 0 ]; do
        case $1 in -h | --help) print_help "$0"; exit 0 ;; esac
        [[ $1 == --* && -n ${variables[$1]:-} ]] || misuse "'$1' is no option"
        [ $# -ge 2 ] || misuse "$1 needs a value"
        printf -v "${variables[$1]}" %s "$2"
        shift 2
    done
}

check_target() { [[ $1 == tx2 || $1 == pc ]] || misuse "--for '$1': tx2 or pc"; }

# FOLDER PART...: the program as a machine gets it, and nothing that was built here.
copy_program() {
    local folder=$1
    shift
    mkdir -p "$folder"
    tar -C "$HERE/.." --exclude=__pycache__ --exclude='*.pyc' -cf - "$@" | tar -C "$folder" -xf -
}

# PYTHON PROGRAM WHEELS WHAT...: what that Python's pip fetches, without edge-app itself. PROGRAM is copied, for pip builds where it lies;
# in WHAT the copy is SOURCE.
fetch_wheels() {
    local python=$1 program=$2 wheels=$3
    shift 3
    cp -r "$program" "$WORK/source"
    run "$python" -m pip download --quiet --dest "$wheels" "${@/#SOURCE/$WORK/source}" ||
        fail 'pip could not download all of them; see its output above'
    rm -rf "$WORK/source" "$wheels"/edge[-_]app-*
}
