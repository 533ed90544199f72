"""What a machine is made of: a folder per concern, under the same names in files/ and templates/.

Each concern places what it needs, keeps its services running what is installed, and names what it
leaves on a machine (its `FOOTPRINT`), which is what teardown removes. Imports go one way (an import
contract in pyproject.toml keeps it so):

    machine ← sysv ← bird, keepalived, watch ← nginx, handover, metrics ← change
"""
