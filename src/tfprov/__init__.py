"""tfprov: a profile becomes a TensorFlow environment that has proved itself, or a reason why it cannot."""

__version__ = "0.1.0"
