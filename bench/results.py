"""What they return: Runs, Leaderboard, Comparison."""
