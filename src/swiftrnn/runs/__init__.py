"""Run folders, settings, claims and verdicts, results, the machine; knows no recipe."""
