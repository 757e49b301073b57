"""swiftrnn: recurrent networks that train as fast as convolutions, and systems built from them."""

__version__ = "0.1.0"
