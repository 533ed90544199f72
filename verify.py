"""Ask every machine, judge its answers, report. Changes nothing, and asks you nothing.

pyinfra inventory.py verify.py               exit 0: all holds; 1: something does not;
                                             3: something is not known
    --data only=NGX-01,X                     ids, or whole areas
    --data skip=TIME
    --data wait=30                           ask again until all holds, for 30 s at most
    --data report=DIR                        report.html, .json, .xml (JUnit), tandem.prom
    --data replay=DIR/gathering.json         judge that snapshot again, without any machine
    --data list=1  --data explain=X-01       what is checked, and why
"""

from pyinfra import host

from verify import verify_run

verify_run.verify(host.state)
