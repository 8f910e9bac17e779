"""What a machine has, what a model lacks, what mends it."""
