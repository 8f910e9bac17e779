"""What a number allows to claim: above its floor, told apart, held elsewhere, and over what."""

__all__ = ["answers", "floors", "held", "retention", "signal"]
