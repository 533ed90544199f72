#!/bin/sh
# One guest under power: its card, its disk, its boot; again after each reboot.
#
# guest.py starts this and gives everything in the environment. It ends when the guest powers
# itself off; a power cut ends it together with the guest.
set -eu

# In a mount namespace of the guest's own: what is mounted here ends with the guest.
boot() {
    echo 0 > "$CGROUP/cgroup.procs"
    cd "$DISK"
    # What an earlier boot left here would keep this one from mounting.
    rm -rf work
    mkdir work
    # volatile: this disk need not survive the machine it is on, so nothing waits for it.
    mount -t overlay -o lowerdir=base,upperdir=upper,workdir=work,volatile overlay root || {
        echo "The file system of $DISK cannot carry an overlay (it may be one itself);" \
            "have the checkout on ext4, xfs, btrfs or tmpfs."
        exit 1
    }
    # nspawn has to find a plain cgroup2 here, also where the machine has the old hierarchies. Not
    # a mount of its own: that would reset the hierarchy's options for the whole machine.
    [ "$CGROUP2" = /sys/fs/cgroup ] || mount --bind "$CGROUP2" /sys/fs/cgroup
    # nspawn leaves directories of its own in this place; a lab that goes down takes it away.
    mkdir -p /run/systemd/nspawn
    mount -t tmpfs tmpfs /run/systemd/nspawn
    # Without this /proc/sys/net is read-only and the guest's sysctl settings are lost.
    export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
    # A lock would be one more file beside the disk; the cgroup already tells who runs.
    export SYSTEMD_NSPAWN_LOCK=0
    exec systemd-nspawn --quiet --directory="$DISK/root" --machine="$NETNS" --hostname="$HOST" \
        --boot --settings=no --register=no --keep-unit --link-journal=no \
        --network-namespace-path="/run/netns/$NETNS" \
        --capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_NICE \
        --resolv-conf=off --timezone=off --console=passive
}

# No process of the guest is left, nor are cgroups with controllers: a cgroup that has passed its
# controllers on takes no process any more.
remove_cgroup() {
    [ -d "$CGROUP" ] || return 0
    echo 1 > "$CGROUP/cgroup.kill"
    while grep -q 'populated 1' "$CGROUP/cgroup.events"; do sleep 0.01; done
    find "$CGROUP" -depth -type d -exec rmdir {} +
}

remove_card() {
    ip -n "$GATEWAY" link delete "$PORT" 2> /dev/null || true
    ip netns delete "$NETNS" 2> /dev/null || true
}

# A new namespace at each boot: addresses, sysctls and firewall rules go when the power goes.
create_card() {
    ip netns add "$NETNS"
    ip -n "$NETNS" link set lo up
    ip link add "$PORT" netns "$GATEWAY" type veth \
        peer name "$INTERFACE" address "$MAC" netns "$NETNS"
    if [ -e "$DISK/unplugged" ]; then cable=down; else cable=up; fi
    ip -n "$GATEWAY" link set "$PORT" master "$BRIDGE" "$cable"
}

# A function that never returns: a running shell must not read on in a file that a newer version
# has replaced.
main() {
    status=133
    # 133 is nspawn's way to say that the guest has rebooted.
    while [ "$status" = 133 ]; do
        remove_cgroup
        remove_card
        mkdir "$CGROUP"
        create_card
        status=0
        unshare --mount --propagation slave sh "$0" boot || status=$?
    done
    remove_cgroup
    remove_card
    exit "$status"
}

if [ "${1:-}" = boot ]; then boot; else main; fi
