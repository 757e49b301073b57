"""Curvature of a loss: the ends of the spectrum of its Hessian, by Lanczos, for any model.

Only products of the Hessian with vectors are taken, each about two gradients' work. The model comes
back as it was, see `landscape`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from swiftrnn.analysis.networks._probe import Loss, Probe, positive, size

Product = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Ends:
    """The ends of a spectrum; made by `hessian_ends`.

    Attributes:
        largest: (k) float64, the largest first.
        smallest: (k) float64, the smallest first; negative where the loss curves down.
        largest_errors: (k) float64, how far each is from an eigenvalue at most, up to rounding.
        smallest_errors: (k) float64, likewise.
        iterations: products of the Hessian with a vector that were taken.
        converged: whether all errors at the ends that were asked for are within the tolerance.
        weight_norm: |theta|, of all weights.
        direction: along which it curves most, of length 1: a tensor for each parameter that trains,
            as `landscape.scan` takes it.
    """

    largest: Tensor
    smallest: Tensor
    largest_errors: Tensor
    smallest_errors: Tensor
    iterations: int
    converged: bool
    weight_norm: float
    direction: list[Tensor]

    @property
    def sharpness_by_weights(self) -> float:
        """The largest times |theta|^2, in units of the loss; of an eigenvalue in raw units."""
        return float(self.largest[0]) * self.weight_norm**2


def hessian_ends(
    model: nn.Module,
    loss: Loss,
    count: int = 1,
    *,
    own_units: bool = False,
    ends: Literal["both", "largest"] = "both",
    tolerance: float = 1e-3,
    iterations: int = 100,
    seed: int = 0,
) -> Ends:
    """The largest and the smallest eigenvalues of the Hessian of a loss.

    Lanczos with every vector made orthogonal to all before it: without that, eigenvalues come back
    as copies. It keeps a vector of the model's size for each iteration. An eigenvalue that occurs
    several times is found once.

    Args:
        model: any module whose loss can be differentiated twice; counts as it is.
        loss: gives its loss, see `landscape.batch_loss`; always of the same batch.
        count: k, how many at each end, 1 to half of the parameters, rounded up.
        own_units: measure the weights of each layer in units of their norm. Eigenvalues are then of
            D H D, D the norm of the layer of each weight, in units of the loss; they stay the same
            where a layer is scaled and the net is not changed by that. Layers that are zero are
            left out.
        ends: which must converge.
        tolerance: of the error, over the largest absolute eigenvalue.
        iterations: at most.
        seed: of the vector to start with.

    Raises:
        TypeError: the model is no module.
        ValueError: it has nothing to train, a parameter or the loss is not finite, or a number is
            out of its range.
        RuntimeError: a layer has first gradients only, as kernels have.

    Examples:
        >>> net = nn.Linear(2, 1, bias=False).double()
        >>> scale = torch.tensor([3.0, -1.0]).double()
        >>> found = hessian_ends(net, lambda: (scale * net.weight.square()).sum() / 2)
        >>> round(found.largest.item(), 9), round(found.smallest.item(), 9), found.iterations
        (3.0, -1.0, 2)

    Source: Lanczos (1950), "An iteration method for the solution of the eigenvalue problem of
    linear differential and integral operators"; products: Pearlmutter (1994), "Fast Exact
    Multiplication by the Hessian".
    """
    positive("hessian_ends", count=count, tolerance=tolerance, iterations=iterations)
    with Probe("hessian_ends", model, loss) as probe:
        whole = sum(p.numel() for p in probe.parameters)
        if count > (whole + 1) // 2:
            raise ValueError(
                f"hessian_ends needs {2 * count - 1} parameters or more for {count} at each end; "
                f"got {whole}; ask for fewer"
            )
        weight_norm, scale = size(probe.places), _scale(probe, own_units)
        product = _hessian(probe, scale)
        draw = torch.Generator().manual_seed(seed)
        basis, values, vectors, errors = _lanczos(
            product, probe.parameters[0], whole, draw, count, ends == "both", tolerance, iterations
        )
        top = basis.t() @ vectors[:, -1].to(basis)
        parts = _scaled(_parts(top, probe.parameters), scale)
    length = size(parts) or 1.0
    return Ends(
        values[-count:].flip(0), values[:count], errors[-count:].flip(0), errors[:count],
        len(basis), _within(values, errors, count, ends == "both", tolerance), weight_norm,
        [p / length for p in parts],
    )  # fmt: skip


def _scale(probe: Probe, own_units: bool) -> list[float]:
    """The norm of the layer of each parameter; 1 in raw units."""
    found = [1.0] * len(probe.parameters)
    for rows in probe.layers().values() if own_units else ():
        for i in rows:
            found[i] = size([probe.places[j] for j in rows])
    return found


def _hessian(probe: Probe, scale: Sequence[float]) -> Product:
    """The product of D H D with a vector (P)."""
    _, gradient = probe.at(graph=True)
    curved = [i for i, g in enumerate(gradient) if g.requires_grad]  # others: linear in the loss
    _refuse_first_only(probe, gradient, curved)

    def product(vector: Tensor) -> Tensor:
        if not curved:
            return torch.zeros_like(vector)
        parts = _scaled(_parts(vector, probe.parameters), scale)
        found = torch.autograd.grad(
            [gradient[i] for i in curved], probe.parameters, [parts[i] for i in curved],
            retain_graph=True, materialize_grads=True,
        )  # fmt: skip
        return torch.cat([each.reshape(-1) for each in _scaled(found, scale)])

    return product


def _refuse_first_only(probe: Probe, gradient: Sequence[Tensor], curved: Sequence[int]) -> None:
    """Refuse layers with first gradients only: torch would leave them out without a word.

    Raises:
        RuntimeError: the gradient cannot be differentiated, or changes where it should not.
    """
    nodes, seen = [gradient[i].grad_fn for i in curved], set()
    found = False
    while nodes and not found:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            found = node.name().endswith("Error")  # of autograd.function.once_differentiable
            nodes += [each for each, _ in node.next_functions]
    flat = [i for i in range(len(gradient)) if i not in curved]
    if flat and not found:
        ways = [torch.ones_like(p) for p in probe.parameters]
        _, there = probe.at(ways, 0.01 * (size(probe.places) or 1.0) / size(ways))
        probe.kept.reset()
        found = any(size([there[i] - gradient[i]]) > 1e-4 * size([there[i]]) for i in flat)
    if found:
        raise RuntimeError(
            f"{probe.who} needs a gradient that can be differentiated again; got a layer with "
            "first gradients only; for SRUPlusPlus use `with swiftrnn.ops.references()`"
        )


def _parts(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """A vector (P) in the shapes of the parameters."""
    cut = vector.split([p.numel() for p in like])
    return [part.view(p.shape).to(p) for part, p in zip(cut, like, strict=True)]


def _scaled(parts: Sequence[Tensor], scale: Sequence[float]) -> list[Tensor]:
    return [part * by for part, by in zip(parts, scale, strict=True)]


def _lanczos(
    product: Product, like: Tensor, whole: int, draw: torch.Generator, count: int, both: bool,
    tolerance: float, iterations: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Basis (m, P); in it eigenvalues (m), rising, their vectors (m, m), bounds of errors (m)."""
    most = min(iterations, whole)
    basis = torch.empty(most, whole, dtype=like.dtype, device=like.device)
    inner = torch.zeros(most, most, dtype=torch.float64)
    values = errors = torch.zeros(0, dtype=torch.float64)
    vectors, left, m = inner[:0, :0], 0.0, 0
    follow = torch.zeros_like(basis[0])
    while m < most:
        if m == 0 or left <= torch.finfo(like.dtype).eps * float(values.abs().max()):
            left = 0.0  # nothing new follows: go on anywhere else
            follow = torch.randn(whole, generator=draw, dtype=like.dtype).to(like.device)
            follow = _orthogonal(follow, basis[:m])
        if m:
            inner[m, m - 1] = inner[m - 1, m] = left
        basis[m] = follow / follow.norm()
        found = product(basis[m])
        inner[m, m] = float(basis[m].double() @ found.double())
        m += 1
        follow = _orthogonal(found, basis[:m])
        left = float(follow.double().norm()) if m < whole else 0.0  # else all of it is seen
        values, vectors = torch.linalg.eigh(inner[:m, :m])
        errors = left * vectors[-1].abs()
        if m >= count and _within(values, errors, count, both, tolerance):
            break
    return basis[:m], values, vectors, errors


def _orthogonal(vector: Tensor, basis: Tensor) -> Tensor:
    """What is orthogonal to a basis; twice, since once leaves what rounding made."""
    for _ in range(2):
        vector = vector - basis.t() @ (basis @ vector)
    return vector


def _within(values: Tensor, errors: Tensor, count: int, both: bool, tolerance: float) -> bool:
    worst = torch.cat([errors[-count:], errors[:count]]) if both else errors[-count:]
    return bool(worst.max() <= tolerance * values.abs().max())
