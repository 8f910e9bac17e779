"""LoRA and QLoRA on a base model, for every specializer that trains."""

__all__ = ["examples", "heldout", "parallel", "params", "rank", "rates", "trainer"]
