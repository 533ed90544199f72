# Holds a machine's lock for one run, over the connection of that run. In front of this stand:
#   token    what names the run; its parts, like the deploys of a drill, have the same
#   owner    who it is, as one line of JSON
#   breaks   any: end whoever has the lock; own: only what is left of this same run; nothing else
#   drain    the file with which a run drains this machine, the token in it
#   silence  after so many seconds without a line from the controller it gives up
# It says, on lines of their own that begin with "tandem-lock":
#   held                     the lock is this run's
#   inherited                a run that this one is a part of has it
#   broken NOW THEN RECORD   it was somebody else's, and that run has lost it
#   refused NOW THEN RECORD  it is somebody else's; NOW and THEN are seconds of this machine's uptime,
#                            as is the end of RECORD, when that controller was last heard
#   alive                    to each line of the controller, which says what it is doing
# The lock is the kernel's (flock), so that whatever ends this process ends the lock. The file is
# root's alone, since who can open a file can lock it; and none of /run/tandem, which teardown removes.
lock=/run/tandem.lock
umask 077

say() { printf '%s\n' "tandem-lock $*"; }
record() { tr '\n' '\t' <"$lock"; }
ours() { grep -qsF "\"$token\"" "$lock"; }
# Whether what is open here is still what others find there.
there() { [ "$lock" -ef /proc/self/fd/9 ]; }
uptime() {
    read -r now _ </proc/uptime
    echo "$now"
}
holders() {
    for open in $(find /proc/[0-9]*/fd -lname "$lock" 2>/dev/null 9>&-); do
        # That of a container beside, or of this one's host, has the same name.
        [ "$open" -ef "$lock" ] || continue
        open=${open#/proc/}
        [ "${open%%/*}" = $$ ] || echo "${open%%/*}"
    done
}

command -v flock >/dev/null || {
    echo "flock is not there: install util-linux"
    exit 1
}
# Before the shell says of it only that it cannot be written.
if [ ! -w "${lock%/*}" ] && [ "$(id -u)" != 0 ]; then
    echo "$(id -un) is not root there"
    exit 1
fi
part=
while :; do
    # What was put in its place to be written elsewhere, or never to be opened.
    if [ -L "$lock" ] || [ -p "$lock" ]; then rm -f "$lock"; fi
    exec 9<>"$lock" || exit
    if flock -n 9; then
        if there; then break; fi
        continue # whoever had it has just removed it
    fi
    there || continue # whoever has it is just going
    if [ "$breaks" = any ] || { [ "$breaks" = own ] && ours; }; then
        [ "$breaks" = own ] || say broken "$(uptime)" "$(record)"
        kill -9 $(holders) 2>/dev/null
        flock -w 5 9 || :
        # That run drains nothing any more.
        [ "$breaks" = own ] || rm -f "$drain"
        breaks=
        continue
    fi
    if ours; then
        part=1
        break
    fi
    say refused "$(uptime)" "$(record)"
    exit 0
done

if [ "$part" ]; then
    say inherited
else
    taken="$(uptime) $owner"
    printf '%s\n' "$taken" >"$lock"
    say held
fi

# What reads has to end when the time is up, and has none of what is open here.
while doing=$(timeout "$silence" sh -c 'read -r line && printf "%s\n" "$line"' 2>/dev/null 9>&-); do
    there || break # removed by hand, and perhaps another's by now
    if [ "$part" ]; then
        ours || break
    else
        printf '%s\n%s\n%s\n' "$taken" "$doing" "$(uptime)" >"$lock"
    fi
    say alive
done

# A run that is cut off leaves no machine drained. Before the lock goes: another's drain is another's.
if grep -qsxF "$token" "$drain"; then rm -f "$drain"; fi
if [ -z "$part" ] && there; then rm -f "$lock"; fi
