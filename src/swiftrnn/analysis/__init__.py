"""Measuring instruments for networks and samples; each stands alone: arrays in, numbers out.

`hsic`, `independence`, `large_samples`, `kernels`: how far samples depend on one another.
`information`, `neighbours`, `plane`, `recorder`, `linear_gaussian`: what layers know. `angles`,
`isotropy`: angles between random vectors. `landscape`, `curvature`, `normalization`: what a loss
looks like along a step. `rate_map`, `grid`, `border`, `tuning`, `null`: what units of a network,
or of a brain, respond to. NumPy arrays and tensors come in alike; what draws takes the matplotlib
Axes to draw on.
"""
