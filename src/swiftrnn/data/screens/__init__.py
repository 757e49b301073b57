"""Programs of graphical user interfaces: three platforms, their grammar, compilers, a generator."""
