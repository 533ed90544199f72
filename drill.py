"""Break the cluster on purpose, or change it under load, measure, put it back, report.

    pyinfra inventory.py drill.py                lists the drills
        --data drills=nginx-crash,link-cut       these; all: every fault; quick: a handful of
                                                 them; changes: every planned change
        --data repeats=5  --data rate=200        how often each; requests per second
        --data moves=10                          how often a switchover goes there and back
        --data idle=10000  --data hold=60        idle-connections: how many, for how many seconds
        --data drilled_vip=ADDRESS               another of a cluster's VIPs than its first
        --data report=DIR                        drills.json, samples/*.csv
        --data against=DIR                       beside another profile's report, as ratios
        --data timing=show                       a busy controller: time is shown, not judged
        --data profile=NAME                      what the report calls these settings
        --data yes=1                             without asking, on machines that are no lab's
        --data undo=1                            only puts back what a killed run has left
        --data break_lock=1                      ends another run that has the machines' lock

Exit 0: every drill that was done passed, and one was; 1: something failed, or could not be put back
(the last lines say what, and how it is done by hand) or written; 3: nothing failed, but not
everything is known; 130: interrupted. What that is based on: docs/drills.md.
"""

from pyinfra import host

from drills import drill_run

drill_run.drill(host.state)
