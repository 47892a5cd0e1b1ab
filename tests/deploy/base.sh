#!/usr/bin/env bash
# The bare Debian 12 that debian_12.sh and container.sh install into, made before they run beside each other.
#   tests/deploy/base.sh FOLDER     where they look for it
# Needs root, debootstrap and Debian's mirror; a minute. CI runs it.
# shellcheck source=tests/deploy/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh"
check 'a bare Debian 12' make_base "${DEBIAN_12[@]}"
