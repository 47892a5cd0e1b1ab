# shellcheck shell=bash disable=SC2034,SC2153   # names said, or used, where it is sourced
# Whether the service is well, asked of it over HTTP as anybody may. Sourced by install.sh and update.sh, after release.sh.

READY_S=${EDGE_APP_READY_S:-120}   # a model loaded, cameras connected
PAGE=yes
ADDRESS=

# UTF-8, or Python 3.6 stumbles over the first path with an accent in site.yaml. THROUGH: `run` or `run_aloud`.
as_service() { ${THROUGH:-} runuser -u "$USER_NAME" -- env HOME="$STATE" LC_ALL=C.UTF-8 "${ENVIRONMENT[@]}" "$@"; }

# Whether it has a page, as this RELEASE reads site.yaml, into PAGE; 1 when site.yaml has a mistake.
# Of the environment itself: through the link bin/ Python does not see that it is one.
find_page() { PAGE=$(as_service "$RELEASE/venv/bin/python" -c "$PAGE_WORDS"); }
PAGE_WORDS="
from edge_app.config import load
print('yes' if load('$SETTINGS/site.yaml').web.enabled else 'no')
"

# Where the page is, as the service that runs has announced it, into ADDRESS: a port that is not set is the next free one.
find_address() {
    local pid
    pid=$(systemctl show -p MainPID --value edge-app.service)
    ADDRESS=$(sed -n 's|.*"url": "\(https\{0,1\}://[^"]*\)".*|\1|p' "/dev/shm/edge-app-$pid"{,-*}/web.json 2>/dev/null | head -n 1) || true
    [ -n "$ADDRESS" ]
}

# -k: whom it is asked of is known, it is this machine
ask() { find_address && curl -fsSk --max-time 5 "$ADDRESS$1" 2>/dev/null; }
is_up() { systemctl is-active --quiet edge-app.service && { [ "$PAGE" = no ] || ask healthz >/dev/null; }; }
is_ready() { is_up && { [ "$PAGE" = no ] || ask readyz >/dev/null; }; }

# SECONDS COMMAND...
within() {
    local left=$1
    shift
    until "$@"; do
        [ "$left" -gt 0 ] || return 1
        left=$((left - 1))
        sleep 1
    done
}
