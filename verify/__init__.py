"""Asks the machines themselves and says whether they are what the inventory wants.

probes (observe) → values (read) → checks (judge, pure) → findings → report → exit code. Imports go
in that direction only, and nothing here believes what a deploy believes. Others use `verify.api`.
"""
