"""minLSTM, an LSTM whose gates do not look back."""

from swiftrnn.nn._minimal import Minimal


class MinLSTM(Minimal):
    """A layer with an input and a forget gate that add up to 1, without a product at every step.

        i[t] = sigmoid(W_i x[t] + b_i)
        f[t] = sigmoid(W_f x[t] + b_f)
        h[t] = (f[t] * h[t-1] + i[t] * (W_h x[t] + b_h)) / (f[t] + i[t])

    f / (f + i) is computed in log space: it neither overflows nor divides 0 by 0 where both gates
    are shut. Arguments, input and output are those of torch.nn.GRU; the state is
    h, which is also the cell. Parameters of layer k: `weight_ih_l{k}` (3H, I) and `bias_ih_l{k}`
    (3H), with the rows of i, f and h in this order, that of torch.nn.LSTM. There is no `weight_hh`.

    Args:
        input_size: of the arguments of torch.nn.GRU, as are hidden_size, num_layers, bias,
            batch_first, dropout, bidirectional, device and dtype; see `Recurrent`.
        zoneout: probability that a number of h stays as it was in one time step; drawn while
            training, its mean otherwise.

    Examples:
        >>> import torch
        >>> output, h_n = MinLSTM(8, 16, batch_first=True)(torch.randn(2, 5, 8))
        >>> output.shape, h_n.shape
        (torch.Size([2, 5, 16]), torch.Size([1, 2, 16]))

    Source: Feng et al. (2024), "Were RNNs All We Needed?", arXiv:2410.01201, section 3.2;
    zoneout: Krueger et al. (2017), "Zoneout: Regularizing RNNs by Randomly Preserving Hidden
    Activations", arXiv:1606.01305, equations 3 and 4.
    """

    kind = "min_lstm"
    count = 3
