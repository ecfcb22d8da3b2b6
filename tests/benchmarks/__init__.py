"""Benchmarks (`make bench`): most are ratios to a simpler operation that is measured in the same run, the floor."""
