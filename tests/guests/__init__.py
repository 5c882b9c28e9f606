"""Real kernels under emulation, and the checks that run inside them."""
