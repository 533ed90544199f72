"""Benchmarks: Tandem beside what people use for the same purpose, on one machine in one run."""
