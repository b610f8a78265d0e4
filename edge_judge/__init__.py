"""Judging language-model answers with quantized models on a laptop."""

__version__ = "0.1.0"
