"""minGRU, a GRU whose gate does not look back."""

from swiftrnn.nn._minimal import Minimal


class MinGRU(Minimal):
    """A drop-in for torch.nn.GRU without the matrix product at every step.

        z[t] = sigmoid(W_z x[t] + b_z)
        h[t] = (1 - z[t]) * h[t-1] + z[t] * (W_h x[t] + b_h)

    Arguments, input, output and states are those of torch.nn.GRU; the parameters of layer k are
    `weight_ih_l{k}` (2H, I) and `bias_ih_l{k}` (2H), with the rows of z first. There is no
    `weight_hh`.

    Args:
        input_size: of the arguments of torch.nn.GRU, as are hidden_size, num_layers, bias,
            batch_first, dropout, bidirectional, device and dtype; see `Recurrent`.
        zoneout: probability that a number of h stays as it was in one time step; drawn while
            training, its mean otherwise.

    Examples:
        >>> import torch
        >>> output, h_n = MinGRU(8, 16, batch_first=True)(torch.randn(2, 5, 8))
        >>> output.shape, h_n.shape
        (torch.Size([2, 5, 16]), torch.Size([1, 2, 16]))

    Source: Feng et al. (2024), "Were RNNs All We Needed?", arXiv:2410.01201, section 3.1;
    zoneout: Krueger et al. (2017), "Zoneout: Regularizing RNNs by Randomly Preserving Hidden
    Activations", arXiv:1606.01305, equations 3 and 4.
    """

    kind = "min_gru"
    count = 2
