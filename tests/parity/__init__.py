"""lm-eval's task format against lm-eval itself: generated suites, both programs, one tiny model."""
