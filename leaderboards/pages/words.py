"""What templates call: bars, verdicts, facts."""
