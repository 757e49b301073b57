"""A recurrent network in continuous time, with leak and noise."""

import math

import torch
from torch import Tensor, nn

from swiftrnn.nn._options import at_least, flag, number
from swiftrnn.ops import leaky_rnn


class CTRNN(nn.Module):
    """A continuous-time recurrent network, as models of the brain use it.

        x[t] = (1 - a) x[t-1] + a (W_hh f(x[t-1]) + W_ih i[t] + b + noise[t])
        h[t] = f(x[t])

    That is tau dx/dt = -x + W_hh f(x) + W_ih i + b + noise, in steps of a * tau; f is tanh or relu.
    All steps run in one call of `ops.leaky_rnn`.

    Args:
        input_size: I.
        hidden_size: H.
        leak: a, the step of time over the time constant, above 0 and at most 1.
        nonlinearity: f, "tanh" or "relu".
        noise: standard deviation of the noise that each unit gets at each step, while training.
        bias: whether there is b.
        batch_first: whether input and output are (B, T, ...).
        device: where the parameters lie.
        dtype: of the parameters.

    Shapes:
        Input (T, B, I), or (T, I) without a batch; state x (1, B, H), or (1, H); returns h
        (T, B, H) and the last x (1, B, H), in the layout of the input.

    Raises:
        ValueError, TypeError: an argument is out of range or of another kind.

    Examples:
        >>> layer = CTRNN(2, 100, leak=0.1)
        >>> output, state = layer(torch.randn(500, 8, 2))
        >>> output.shape, state.shape
        (torch.Size([500, 8, 100]), torch.Size([1, 8, 100]))

    Source: Cueva and Wei (2018), "Emergence of grid-like representations by training recurrent
    neural networks to perform spatial localization", equation 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        leak: float = 0.1,
        nonlinearity: str = "tanh",
        noise: float = 0.0,
        bias: bool = True,
        batch_first: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size = at_least(1)("CTRNN", "input_size", input_size)
        self.hidden_size = at_least(1)("CTRNN", "hidden_size", hidden_size)
        self.leak, self.noise = number("CTRNN", "leak", leak), number("CTRNN", "noise", noise)
        self.batch_first = flag("CTRNN", "batch_first", batch_first)
        if not 0 < self.leak <= 1:
            raise ValueError(f"CTRNN needs leak above 0 and at most 1; got {leak!r}")
        if self.noise < 0:
            raise ValueError(f"CTRNN needs noise of at least 0; got {noise!r}")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"CTRNN needs nonlinearity tanh or relu; got {nonlinearity!r}")
        self.nonlinearity = nonlinearity
        kind = {"device": device, "dtype": dtype}
        self.weight_ih_l0 = nn.Parameter(torch.empty(hidden_size, input_size, **kind))
        self.weight_hh_l0 = nn.Parameter(torch.empty(hidden_size, hidden_size, **kind))
        self.bias_ih_l0 = None
        if flag("CTRNN", "bias", bias):
            self.bias_ih_l0 = nn.Parameter(torch.empty(hidden_size, **kind))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """W_ih of N(0, 1 / I), W_hh orthogonal, b zero: as Cueva and Wei begin."""
        nn.init.normal_(self.weight_ih_l0, std=1 / math.sqrt(self.input_size))
        nn.init.orthogonal_(self.weight_hh_l0)
        if self.bias_ih_l0 is not None:
            nn.init.zeros_(self.bias_ih_l0)

    def rates(self, x: Tensor) -> Tensor:
        """f of a state."""
        return x.relu() if self.nonlinearity == "relu" else x.tanh()

    def forward(
        self, input: Tensor, hx: Tensor | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Input and the state before it to h and the state after it.

        Args:
            input: (T, B, I), (B, T, I) with `batch_first`, or (T, I).
            hx: x (1, B, H), or (1, H) without a batch; zeros by default.
            lengths: (B); beyond a sequence's length h is 0, and its state stays as it was.

        Raises:
            ValueError: the shapes do not fit.
        """
        alone = input.dim() == 2
        if input.dim() not in (2, 3) or input.shape[-1] != self.input_size:
            raise ValueError(
                f"CTRNN needs input (T, B, I) or (T, I) with I = {self.input_size}; got "
                f"{tuple(input.shape)}; check the order of its dimensions"
            )
        given = input[:, None] if alone else input.transpose(0, 1) if self.batch_first else input
        initial = None if hx is None else (hx if alone else hx[0])
        x, final = self._run(given, initial, lengths)
        output = self.rates(x)
        if lengths is not None:
            inside = torch.arange(len(x), device=x.device)[:, None] < lengths.to(x.device)
            output = torch.where(inside[..., None], output, 0)
        if alone:
            return output[:, 0], final
        return output.transpose(0, 1) if self.batch_first else output, final[None]

    def _run(
        self, given: Tensor, initial: Tensor | None, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        drive = nn.functional.linear(given, self.weight_ih_l0, self.bias_ih_l0)
        if self.noise and self.training:
            drive = drive + self.noise * torch.randn_like(drive)
        relu = self.nonlinearity == "relu"
        return leaky_rnn(
            drive, self.weight_hh_l0, initial, lengths, relu=relu, leak=self.leak
        )  # fmt: skip

    def step(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """One step: x (B, I) and a state (1, B, H), None at first, to h (B, H) and the next one."""
        output, final = self._run(x[None], None if state is None else state[0], None)
        return self.rates(output[0]), final[None]

    def extra_repr(self) -> str:
        """The options, for `print`."""
        parts = f"{self.input_size}, {self.hidden_size}, leak={self.leak:g}"
        return f"{parts}, nonlinearity={self.nonlinearity}" + (
            f", noise={self.noise:g}" if self.noise else ""
        )
