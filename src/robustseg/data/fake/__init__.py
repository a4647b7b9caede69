"""Made-up trees in the exact layouts of the benchmarks, to try recipes and readers before a download."""
