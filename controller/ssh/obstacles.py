"""What a person can do about what a machine's kernel says no to, whichever program passes it on."""

from __future__ import annotations

# A host's `connector_data` of its last command: what it printed.
LAST_SAID = "tandem_last_said"
# By what is in the output of a command that has failed; of several, the first.
_REMEDIES = {
    "Read-only file system": "see why that file system is read-only (dmesg), and remount it",
    "Disk quota exceeded": "raise the quota there, or make room",
    "No space left on device": "make room there: df -h and df -i show where",
    "Cannot allocate memory": "it has too little memory: free -m, dmesg",
    "Cannot fork": "it has too little memory, or too many processes: free -m, dmesg",
    # Of a shell's own echo: whatever it could not write.
    "I/O error": "its disk is full (df -h, df -i) or fails (dmesg)",
    "Input/output error": "its disk fails (dmesg)",
}
# Who has said already what to do.
_SAID = ("make room", "remount", "raise the quota", "see why", "replace it")


def remedy(said: str) -> str:
    """What to do about `said`, the output of a command; "" where it says so itself, or tells of
    nothing of the kind."""
    if any(word in said.lower() for word in _SAID):
        return ""
    return next((remedy for sign, remedy in _REMEDIES.items() if sign in said), "")
