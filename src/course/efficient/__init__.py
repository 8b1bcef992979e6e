"""Nets that cost less: smaller heads, separable convolutions, pruning, quantisation, distillation."""
