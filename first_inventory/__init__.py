"""A first inventory: asks a person little, the machines the rest, and writes a file that is right.

Nothing is changed on any machine. `given_answers`, `findings`, `shared_networks`, `vip_choice`,
`proposal` and `readiness` are pure: what a person and the machines have said in, what is proposed
out.
"""
