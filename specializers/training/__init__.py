"""LoRA and QLoRA on a base model, for every specializer that trains."""
