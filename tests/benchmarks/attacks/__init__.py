"""Attacks on a served process, and the figures that other users see meanwhile.

``python -m tests.benchmarks attacks`` plays one attack after the other against ``serve --http``. The server,
the simulated API, the well-behaved users and the attacker are processes of their own. Everything stays on
loopback addresses and is bounded in count and time; a server that takes more memory than the machine can
spare is ended.
"""
