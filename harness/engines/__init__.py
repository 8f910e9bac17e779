"""Engines compute answers; here is their contract, the choice, and what they share."""
