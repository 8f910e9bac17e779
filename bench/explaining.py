"""Changed answers, and the training examples near them."""
