#!/bin/sh
# Run one guest: create its network cards, mount its disk, boot it; again after each reboot.
#
# guest.py starts this with all parameters in the environment; CARDS has a line for each card:
# interface, MAC, port, bridge. It ends when the guest powers itself off; a power cut kills it
# together with the guest.
set -eu

# Runs in a mount namespace of its own, so that its mounts end with the guest.
boot() {
    echo 0 > "$CGROUP/cgroup.procs"
    cd "$DISK"
    # Left by an earlier boot, it would make the mount fail.
    rm -rf work
    mkdir work
    # volatile: the disk need not survive a crash of this machine, so no sync is waited for.
    mount -t overlay -o lowerdir=base,upperdir=upper,workdir=work,volatile overlay root || {
        echo "The file system of $DISK cannot carry an overlay (it may be one itself);" \
            "have the checkout on ext4, xfs, btrfs or tmpfs."
        exit 1
    }
    # nspawn needs a plain cgroup2 here, also on a hybrid machine. A bind mount, because a new mount
    # would reset the hierarchy's options for the whole machine.
    [ "$CGROUP2" = /sys/fs/cgroup ] || mount --bind "$CGROUP2" /sys/fs/cgroup
    # nspawn leaves directories here; on a tmpfs they end with the guest.
    mkdir -p /run/systemd/nspawn
    mount -t tmpfs tmpfs /run/systemd/nspawn
    # Otherwise /proc/sys/net is read-only and the guest's sysctl settings are lost.
    export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
    # No lock file beside the disk: the cgroup already tells whether the guest runs.
    export SYSTEMD_NSPAWN_LOCK=0
    exec systemd-nspawn --quiet --directory="$DISK/root" --machine="$NETNS" --hostname="$HOST" \
        --boot --settings=no --register=no --keep-unit --link-journal=no \
        --network-namespace-path="/run/netns/$NETNS" \
        --capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_NICE \
        --resolv-conf=off --timezone=off --console=passive
}

# Kill what is left of the guest and remove its cgroups: one that has delegated its controllers
# accepts no process any more.
remove_cgroup() {
    [ -d "$CGROUP" ] || return 0
    echo 1 > "$CGROUP/cgroup.kill"
    while grep -q 'populated 1' "$CGROUP/cgroup.events"; do sleep 0.01; done
    find "$CGROUP" -depth -type d -exec rmdir {} +
}

remove_cards() {
    while read -r _ _ port _; do
        ip -n "$GATEWAY" link delete "$port" 2> /dev/null || true
    done << END
$CARDS
END
    ip netns delete "$NETNS" 2> /dev/null || true
}

# A new namespace at each boot: addresses, sysctls and firewall rules do not survive a power cut.
create_cards() {
    ip netns add "$NETNS"
    ip -n "$NETNS" link set lo up
    while read -r interface mac port bridge; do
        ip link add "$port" netns "$GATEWAY" type veth \
            peer name "$interface" address "$mac" netns "$NETNS"
        if [ -e "$DISK/unplugged.$interface" ]; then cable=down; else cable=up; fi
        ip -n "$GATEWAY" link set "$port" master "$bridge" "$cable"
    done << END
$CARDS
END
}

# A function that never returns: the shell must not continue reading a file that a newer version
# may have replaced.
main() {
    status=133
    # nspawn exits with 133 when the guest reboots.
    while [ "$status" = 133 ]; do
        remove_cgroup
        remove_cards
        mkdir "$CGROUP"
        create_cards
        status=0
        unshare --mount --propagation slave sh "$0" boot || status=$?
    done
    remove_cgroup
    remove_cards
    exit "$status"
}

if [ "${1:-}" = boot ]; then boot; else main; fi
