"""Looks at the machines themselves and says whether they are what the inventory wants.

facts (observe) → seen (read) → checks (judge, pure) → findings → report → exit code. Imports go in
that direction only, and nothing here knows what the deploy believes it did.
"""
