"""LoRA adapters over one model, switched in place."""
