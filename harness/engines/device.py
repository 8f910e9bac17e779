"""Torch, or how to install it; where and in which numbers."""
