"""Stands for the work of one task."""

import sys

import tensorflow as tf

print("task", sys.argv[1], "TensorFlow", tf.__version__, "in", sys.prefix)
