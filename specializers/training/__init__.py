"""LoRA and QLoRA on a base model, for every specializer that trains."""

__all__ = ["adapter", "examples", "heldout", "parallel", "params", "rank", "rates", "trainer"]
