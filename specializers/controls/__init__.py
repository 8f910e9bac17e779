"""What a claim needs beside the method: each takes one thing away."""
