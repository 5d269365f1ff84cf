"""Benchmarks: what the promises about speed, memory and size are worth, in figures.

``python -m tests.benchmarks`` measures every figure against a reference in the same run and prints one table.
A missed target is a result, not a failure; nothing here asserts a time.
"""
