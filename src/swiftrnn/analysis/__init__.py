"""Measuring instruments for networks and samples; each stands alone: arrays in, numbers out.

`hsic`: how far samples depend on one another. `information`: the information plane of a network.
`angles`: angles between random vectors. `landscape`: what a loss looks like along a step. NumPy
arrays and tensors come in alike; what draws takes the matplotlib Axes to draw on.
"""
