# shellcheck shell=bash disable=SC2153   # ROOT and RELEASE are said where it is sourced
# What flash.sh writes into a root file system before it goes onto a board. Nothing in there is run: it is another machine's.
# Sourced; ROOT is the root file system.

FIRST_BOOT=$BEFORE/first-boot   # program, wheels and configuration until the board has installed them
GROUPS_OF_USER=(adm sudo audio video plugdev gpio i2c weston-launch)   # those of them that are there
SOC=t186   # of a TX2, in the names of NVIDIA's package lists

# PATH MODE [OWNER], content from stdin
write_file() {
    if [ "$DRY_RUN" = yes ]; then
        cat > /dev/null
        echo "would write into the image: $1 (mode $2)"
        return
    fi
    install -D -m "$2" /dev/null "$ROOT$1"
    cat > "$ROOT$1"
    chown -h "${3:-0:0}" "$ROOT$1"
}

# Colon-separated lines added to a file of accounts.
add_line() {
    [ "$DRY_RUN" = yes ] || [ -e "$ROOT$1" ] || return 0
    if [ "$DRY_RUN" = yes ]; then echo "would add to $1: $2"; else printf '%s\n' "$2" >> "$ROOT$1"; fi
}

# Ubuntu's questions at the first start; and no desktop, which takes 800 MB of memory.
skip_questions() {
    local place=$ROOT/etc/systemd/system
    run rm -rf "$place/nv-oem-config.target" "$place/nv-oem-config.target.wants"
    run mkdir -p "$place"
    run ln -sfn /lib/systemd/system/multi-user.target "$place/default.target"
    if [ -e "$ROOT/etc/apt/sources.list.d/nvidia-l4t-apt-source.list" ]; then
        run sed -i "s/<SOC>/$SOC/" "$ROOT/etc/apt/sources.list.d/nvidia-l4t-apt-source.list"
    fi
}

name_host() {
    echo "$1" | write_file /etc/hostname 644
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost ip6-localhost ip6-loopback\n' "$1" | write_file /etc/hosts 644
}

# A root file system may come with accounts whose passwords everybody knows.
lock_everybody() {
    local open
    [ -e "$ROOT/etc/shadow" ] || return 0
    open=$(awk -F: '$2 !~ /^[!*]/ {print $1}' "$ROOT/etc/shadow" | paste -sd ' ')
    [ -n "$open" ] || return 0
    say "locking accounts that came with a password, or none: $open"
    run sed -i -E 's/^([^:]+):([^!*:][^:]*|):/\1:!\2:/' "$ROOT/etc/shadow"
}

# Who logs in by key alone. The accounts are written as useradd would, for that one would be another machine's.
add_user() {
    local name=$1 key=$2 number own home=/home/$1 group
    [ "$DRY_RUN" = yes ] || ! grep -q "^$name:" "$ROOT/etc/passwd" ||
        fail "--user $name: the root file system has one already; choose another name"
    number=$(free_number)
    own=$(sed -n "s/^$name:[^:]*:\([0-9]*\):.*/\1/p" "$ROOT/etc/group" 2>/dev/null || true)   # Debian has a group "operator"
    add_line /etc/passwd "$name:x:$number:${own:-$number}::$home:/bin/bash"
    add_line /etc/shadow "$name:!:$(($(date +%s) / 86400)):0:99999:7:::"
    if [ -z "$own" ]; then
        own=$number
        add_line /etc/group "$name:x:$own:"
        add_line /etc/gshadow "$name:!::"
    fi
    for group in "${GROUPS_OF_USER[@]}"; do join_group "$name" "$group"; done
    run install -d -m 755 -o "$number" -g "$own" "$ROOT$home"
    [ ! -d "$ROOT/etc/skel" ] || run cp -r "$ROOT/etc/skel/." "$ROOT$home/"
    run install -d -m 700 "$ROOT$home/.ssh"
    write_file "$home/.ssh/authorized_keys" 600 < "$key"
    run chown -R "$number:$own" "$ROOT$home"
    echo "$name ALL=(ALL) NOPASSWD: ALL" | write_file "/etc/sudoers.d/$name" 440
    say "user $name: locked password, $(basename "$key") to log in, sudo without a password"
}

free_number() {
    local number=1000
    while [ -e "$ROOT/etc/passwd" ] && cut -d : -f 3 "$ROOT/etc/passwd" "$ROOT/etc/group" | grep -qx "$number"; do
        number=$((number + 1))
    done
    echo "$number"
}

join_group() {
    local file
    for file in /etc/group /etc/gshadow; do
        grep -qs "^$2:" "$ROOT$file" || continue
        run sed -i -E "s/^($2:[^:]*:[^:]*:)(.+)\$/\1\2,$1/; t; s/^($2:[^:]*:[^:]*:)\$/\1$1/" "$ROOT$file"
    done
}

check_key() {
    local bad
    [ -n "$1" ] || fail '--ssh-key is needed: nobody can log in without one'
    [ -r "$1" ] || fail "--ssh-key $1 cannot be read"
    ! grep -q 'PRIVATE KEY' "$1" || fail "$1 is a private key: give the public one, $1.pub"
    grep -qE '^(ssh-|ecdsa-)' "$1" || fail "$1 holds no public key that a board's OpenSSH 7.6 knows (ssh-ed25519, ecdsa-, ssh-rsa)"
    bad=$(grep -nvE '^ *(#|$)|^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp[0-9]+) [A-Za-z0-9+/=]+( |$)' "$1" |
        cut -d : -f 1 | head -n 1 || true)
    [ -z "$bad" ] || fail "$1, line $bad is no key that a board's OpenSSH 7.6 knows (ssh-ed25519, ecdsa-, ssh-rsa)"
}

check_network() {
    [ -r "$1" ] || fail "--network $1 cannot be read"
    grep -q '^\[connection\]' "$1" || fail "$1 is not a NetworkManager keyfile: it has no [connection]; nmcli connection creates one"
}

# For root alone, or NetworkManager passes it over; it may hold a password.
add_network() {
    [ "$DRY_RUN" = yes ] || [ -d "$ROOT/etc/NetworkManager" ] || fail 'the root file system has no NetworkManager'
    local name
    name=$(basename "$1")
    write_file "/etc/NetworkManager/system-connections/$name" 600 < "$1"
}

# A bundle opened by open_bundle, or this checkout; a unit that installs it at the first start.
add_program() {
    local from=${1:-$HERE/..} part what='this checkout, without wheels'
    if [ -n "$1" ] && [ "$DRY_RUN" = yes ]; then what=$1; elif [ -n "$1" ]; then what=$(bundle_fact release "$1"); fi
    say "the program: $what"
    if [ "$DRY_RUN" = no ] && [ -n "$1" ] && [ -e "$ROOT/etc/nv_tegra_release" ] && [ "$(bundle_fact for "$1")" != tx2 ]; then
        fail "the bundle is for $(bundle_fact for "$1"), the board is a TX2: make one with make bundle FOR=tx2"
    fi
    run mkdir -p "$ROOT$FIRST_BOOT"
    run chmod 700 "$ROOT$BEFORE" "$ROOT$FIRST_BOOT"
    for part in "${SHIPPED[@]}"; do run cp -r "$from/$part" "$ROOT$FIRST_BOOT/"; done
    for part in wheels BUNDLE bundle.pub site.yaml; do [ ! -e "$from/$part" ] || [ -z "$1" ] || run cp -r "$from/$part" "$ROOT$FIRST_BOOT/"; done
    [ -z "$2" ] || write_file "$FIRST_BOOT/site.yaml" 600 < "$2"
    run chown -R 0:0 "$ROOT$FIRST_BOOT"
    write_file /etc/systemd/system/edge-app-first-boot.service 644 < "$HERE/units/edge-app-first-boot.service"
    run mkdir -p "$ROOT/etc/systemd/system/multi-user.target.wants"
    run ln -sfn ../edge-app-first-boot.service "$ROOT/etc/systemd/system/multi-user.target.wants/edge-app-first-boot.service"
}
