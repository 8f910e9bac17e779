"""What a GPU of a known kind may do with a shape: computed from its data sheet, not measured.

    prefill   products / (2 x parameters beside the embedding) x PRODUCTS
    a step    bytes of the weights / bandwidth / READING
    a row     2 x parameters / products / PRODUCTS

Peaks are from data sheets. The shares of them, PRODUCTS and READING, are assumed: on CPUs,
where the engine was measured, raw prefill reached 0.5 to 0.65 of the speed of the matrix
products alone, the engine took 1.1 to 1.25 times raw prefill, and a step of decoding was
near what reading the weights takes. On a GPU nothing was measured yet.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.forecast.footprint import ModelShape, weights
from harness.forecast.requests import Throughput

PRODUCTS, READING = 0.5, 0.6
# 4-bit weights are made whole again before each product of several rows (bitsandbytes):
# products at this share of their speed. Assumed, not measured.
FOUR_BITS = 0.5


@dataclass(frozen=True)
class Gpu:
    """Bytes, dense bfloat16 operations a second, bytes a second, by the maker's data sheet."""

    memory: int
    products: float
    bandwidth: float


GB = 10**9
# NVIDIA's data sheets: H100 and H200 SXM, A100 SXM, A10, L4 (without sparsity).
GPUS = {
    "H200": Gpu(141 * GB, 989e12, 4.8e12),
    "H100": Gpu(80 * GB, 989e12, 3.35e12),
    "A100-80": Gpu(80 * GB, 312e12, 2.04e12),
    "A100-40": Gpu(40 * GB, 312e12, 1.56e12),
    "A10": Gpu(24 * GB, 125e12, 0.6e12),
    "L4": Gpu(24 * GB, 121e12, 0.3e12),
}


def computed(shape: ModelShape, dtype: str, quantisation: str, kind: str) -> Throughput:
    """Speeds of one device of a kind; several hold larger models and are no faster."""
    gpu = GPUS[kind]
    body = 2 * max(shape.parameters - shape.embeddings // 2, 1)
    products = gpu.products * PRODUCTS * (FOUR_BITS if quantisation else 1.0)
    if dtype == "float32":
        products /= 2  # the data sheets' TF32, which is off unless asked for, would be this
    step = weights(shape, dtype, quantisation) / (gpu.bandwidth * READING)
    return Throughput(
        prefill=products / body, decode=products / body, step=step, source=f"computed for {kind}"
    )
