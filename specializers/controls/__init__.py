"""What a claim needs beside the method: each takes one thing away."""

__all__ = ["dapt", "distil", "generic", "rag", "readcomp", "seedsft", "seedshots"]
