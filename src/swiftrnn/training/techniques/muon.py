"""Muon: AdamW, but the momentum of every matrix is made orthogonal before it is applied."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # Jordan et al.: singular values rise fastest from 0
RMS = 0.2  # of an update whose rate is 1: about that of AdamW, so both can share their rate
EPSILON = 1e-7
THIN = 8  # rows or columns; what has fewer, as SRU's pairs of vectors, is no matrix


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """The nearest matrices with orthonormal rows, roughly: singular values come near 1.

    Newton-Schulz iteration: X <- a X + (b X X' + c (X X')^2) X, starting at X / |X|.

    Args:
        matrices: (n, rows, columns), rows <= columns, in the dtype of the result.
        steps: 5 bring singular values of 1 % of the norm between 0.7 and 1.2; 3 are 40 % cheaper,
            and small ones stay small.

    Returns:
        (n, rows, columns).

    Examples:
        >>> import torch
        >>> torch.linalg.svdvals(orthogonal(torch.diag(torch.tensor([3.0, 1.0]))[None]))[0].round()
        tensor([1., 1.])

    Source: Jordan et al. (2024), "Muon: an optimizer for hidden layers in neural networks".
    """
    a, b, c = COEFFICIENTS
    X = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + EPSILON)
    for _ in range(steps):
        square = X @ X.mT
        X = torch.baddbmm(X, torch.baddbmm(square, square, square, beta=b, alpha=c), X, beta=a)
    return X


class Matrices(list[nn.Parameter]):
    """Parameters, and `gates`: how many matrices lie on top of each other in the rows of some."""

    def __init__(
        self, matrices: Iterable[nn.Parameter] = (), gates: Mapping[Tensor, int] | None = None
    ) -> None:
        super().__init__(matrices)
        self.gates = dict(gates or {})

    def __add__(self, other: Any) -> "Matrices":
        return Matrices([*self, *other], self.gates | getattr(other, "gates", {}))


def matrices_of(module: nn.Module) -> Matrices:
    """The parameters of a module that `Muon` takes as matrices: two dimensions or more, none thin.

    Do not ask a whole model: embeddings and read-outs learn better by AdamW. Recurrent layers, ours
    and torch's, say how many gates their weights stack, and torch's attention that its three
    projections lie in one; any other parameter is one matrix, whatever its shape.

    Examples:
        >>> found = matrices_of(nn.LSTM(16, 8))
        >>> [(tuple(p.shape), found.gates[p]) for p in found]
        [((32, 16), 4), ((32, 8), 4)]
    """
    found = Matrices(
        p for p in module.parameters() if p.dim() > 1 and min(len(p), p[0].numel()) >= THIN
    )
    for part in module.modules():
        for name, p in _own(part):
            if p.dim() > 1 and (gates := _stacked(part, name, len(p))) > 1:
                found.gates[p] = gates
    return found


def _own(part: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """A module's own parameters by name; for one that is computed, what it comes from."""
    yield from part.named_parameters(recurse=False)
    computed: Any = getattr(part, "parametrizations", {})
    for name, chain in computed.items():
        yield from ((name, p) for p in chain.parameters(recurse=False))


def _stacked(part: Any, name: str, rows: int) -> int:
    """How many matrices a module keeps in the rows of a parameter."""
    ours = hasattr(part, "parameter_shapes")  # swiftrnn.nn.Recurrent, which this may not import
    if ours or isinstance(part, nn.RNNBase | nn.RNNCellBase):
        if name.startswith(("weight_ih", "weight_hh")):
            return rows // part.hidden_size
        return 2 if ours and name.startswith("weight_kv") else 1  # SRU++: keys and values
    return 3 if isinstance(part, nn.MultiheadAttention) and name == "in_proj_weight" else 1


class Muon(torch.optim.Optimizer):
    """AdamW for vectors, embeddings and read-outs; for matrices, orthogonal momentum.

        m <- mu m + (1 - mu) g                     u = mu m + (1 - mu) g
        W <- (1 - rate decay) W - rate 0.2 sqrt(max(rows, columns)) orthogonal(u)

    G gates that lie on top of each other, (G H, I), count as G matrices of their own, where that is
    said: by `matrices_of` for the layers it knows, by `gates`, or by "gates" of a group that is
    added later. A kernel of a convolution (out, in, k) counts as (out, in k). All matrices of one
    shape are taken together, in their own dtype (`torch.optim.Muon` goes one by one, in bfloat16,
    which many CPUs lack). One optimiser for both kinds, because training loops, schedules and
    checkpoints expect one.

    Args:
        matrices: the weights inside the network, as from `matrices_of`; may be empty.
        parameters: all there are; those among the matrices are passed over.
        lr: the rate, for both.
        momentum: mu, from 0 to below 1.
        steps: of the iteration in `orthogonal`.
        gates: how many matrices lie on top of each other in the rows of a parameter, where it is
            more than one and `matrices_of` does not know.
        **adamw: betas, eps, weight_decay, maximize (for both) and fused, as in `torch.optim.AdamW`.

    Raises:
        ValueError: a matrix has fewer than two dimensions or its rows are no multiple of its gates,
            momentum or steps are out of range, or a step is to be differentiable.

    Examples:
        >>> import torch
        >>> layer = torch.nn.GRU(8, 8)
        >>> optimizer = Muon(matrices_of(layer), layer.parameters(), lr=0.01)
        >>> layer(torch.randn(5, 2, 8))[0].sum().backward()
        >>> optimizer.step()

    Source: as `orthogonal`; the scale from Liu et al. (2025), "Muon is Scalable for LLM Training",
    arXiv:2502.16982, equation 4.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        momentum: float = 0.95,
        steps: int = 5,
        gates: Mapping[Tensor, int] | None = None,
        **adamw: Any,
    ) -> None:
        known = {**getattr(matrices, "gates", {}), **(gates or {})}
        turned = list(matrices)
        others = [p for p in parameters if all(p is not matrix for matrix in turned)]
        if any(all(p is not matrix for matrix in turned) for p in gates or ()):
            raise ValueError("Muon needs gates of its matrices; got those of another parameter")
        if adamw.get("differentiable"):
            raise ValueError(
                "Muon needs steps that are not differentiated; got differentiable=True"
            )
        self._adamw = torch.optim.AdamW([{"params": others}], lr, **adamw)
        groups: dict[int, Any] = {}
        for p in turned:
            one = {"params": [], "momentum": momentum, "steps": steps, "gates": known.get(p, 1)}
            groups.setdefault(known.get(p, 1), one)["params"].append(p)
        some = [g for g in (*groups.values(), *self._adamw.param_groups) if g["params"]]
        super().__init__(some, self._adamw.defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """A group for AdamW, or with "gates" or "momentum" one of matrices, which is checked."""
        if "gates" in param_group or "momentum" in param_group:
            usual = {"momentum": 0.95, "steps": 5, "gates": 1}
            param_group = usual | param_group
            params = param_group["params"]
            _check(param_group | {"params": [params] if isinstance(params, Tensor) else [*params]})
        super().add_param_group(param_group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As in torch; gates are the parameters', not the state's, which may be older."""
        said = [group.get("gates") for group in self.param_groups]
        super().load_state_dict(state_dict)
        for group, gates in zip(self.param_groups, said, strict=True):
            if gates is not None:
                group["gates"] = gates

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_adamw": self._adamw}  # torch keeps its own three only

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # pyright: ignore
        """One update; `closure`, if given, computes the gradients first and gives the loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._adamw.state = self.state  # again each time: loading a state makes new ones
        self._adamw.param_groups = [g for g in self.param_groups if "momentum" not in g]
        self._adamw.step()
        for group in self.param_groups:
            if "momentum" in group:
                self._turn(group)
        return loss

    def _turn(self, group: dict[str, Any]) -> None:
        """Updates the matrices of a group."""
        alike: dict[Any, list[tuple[Tensor, Tensor]]] = {}
        for p in group["params"]:
            if p.grad is not None:
                if p.grad.is_sparse:
                    raise RuntimeError(
                        "Muon needs dense gradients of its matrices; got a sparse one of shape "
                        f"{tuple(p.shape)}; leave it to the parameters"
                    )
                grad = -p.grad if group["maximize"] else p.grad
                blocks = self._direction(p, grad, group["momentum"], group["gates"])
                alike.setdefault((blocks.shape[1:], p.dtype, p.device), []).append((p, blocks))
        for (shape, _, _), members in alike.items():
            turned = orthogonal(torch.cat([blocks for _, blocks in members]), group["steps"])
            scale = -group["lr"] * RMS * math.sqrt(max(shape))
            sizes = [len(blocks) for _, blocks in members]
            for (p, _), update in zip(members, turned.split(sizes), strict=True):
                rows_first = update if p[0].numel() >= len(p) // len(update) else update.mT
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(rows_first.reshape(p.shape), alpha=scale)

    def _direction(self, p: Tensor, grad: Tensor, momentum: float, gates: int) -> Tensor:
        """The direction before it is turned: (gates, rows, columns) with rows <= columns."""
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(p)
        average = state["momentum_buffer"].lerp_(grad, 1 - momentum)
        rows, columns = len(p), p[0].numel()
        blocks = grad.lerp(average, momentum).reshape(gates, rows // gates, columns)
        return blocks if rows // gates <= columns else blocks.mT


def _check(group: dict[str, Any]) -> None:
    """ValueError unless a group of matrices can be turned."""
    momentum, steps, gates = (group[name] for name in ("momentum", "steps", "gates"))
    if not 0 <= momentum < 1 or steps < 1:
        raise ValueError(
            "Muon needs a momentum from 0 to below 1 and steps of at least 1; "
            f"got momentum {momentum} and steps {steps}; 0.95 and 5 are usual"
        )
    for p in group["params"]:
        if p.dim() < 2:
            raise ValueError(
                "Muon needs matrices of two dimensions or more; "
                f"got one of shape {tuple(p.shape)}; leave it to the parameters"
            )
        if not isinstance(gates, int) or gates < 1 or len(p) % gates:
            raise ValueError(
                "Muon needs gates that divide the rows of a matrix; "
                f"got {gates!r} for shape {tuple(p.shape)}; 1 is a matrix without gates"
            )
