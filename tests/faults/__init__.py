"""Whatever strikes a run, nothing is lost: `python -m tests.faults`; see docs/reliability.md."""
