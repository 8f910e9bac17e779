"""Self-specialization (arXiv 2310.00160), a stage a file."""

__all__ = ["budgets", "estimate", "specializer"]
