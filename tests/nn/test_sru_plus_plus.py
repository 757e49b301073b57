"""SRU++ against its equations, one number at a time; memory, masks, weights of the package."""

import math
from itertools import product

import pytest
import torch
from torch.nn.functional import layer_norm
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from swiftrnn.nn import SRUPlusPlus, load_sru_plus_plus


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def attention_by_hand(x, p, heads, reach, causal, inner_norm):
    """o of one sequence x (T, in); a loop over queries, keys and heads."""
    q = x @ p["linear1.weight"].T
    o = q.clone()
    if "linear2.weight" in p and "alpha" in p:
        k, v = (q @ p["linear2.weight"].T).chunk(2, -1)
        size = q.shape[1] // heads
        for t, h in product(range(len(x)), range(heads)):
            part = slice(h * size, (h + 1) * size)
            seen = [s for s in range(len(x)) if not causal or (s <= t and t - s <= reach)]
            scores = torch.stack([q[t, part] @ k[s, part] / math.sqrt(size) for s in seen])
            found = sum(w * v[s, part] for w, s in zip(scores.softmax(0), seen, strict=True))
            o[t, part] += p["alpha"] * found
    if inner_norm:
        o = layer_norm(o, o.shape[-1:], p["layer_norm.weight"], p["layer_norm.bias"])
    return o


def layer_by_hand(x, p, H, directions, heads, norm, rescale, reach, causal, inner_norm):
    """One sequence x (T, in) to (T, directions * H), in the package's layout of weights."""
    T, width = len(x), H * directions
    prefix = "transform_module."
    inside = {n.removeprefix(prefix): w for n, w in p.items() if n.startswith(prefix)}
    source = x
    if norm == "before":
        source = layer_norm(x, x.shape[-1:], p["layer_norm.weight"], p["layer_norm.bias"])
    o = attention_by_hand(source, inside, heads, reach, causal, inner_norm)
    last = inside["linear3.weight"] if "alpha" in inside else inside["linear2.weight"]
    gates = 3 if x.shape[1] == width else 4
    u = (o @ last.T).view(T, directions, H, gates)
    v, b = (p[n].view(2, directions, H) for n in ("weight_c", "bias"))
    h = torch.zeros(T, directions, H, dtype=x.dtype)
    for d in range(directions):
        c = torch.zeros(H, dtype=x.dtype)
        for t in reversed(range(T)) if d else range(T):
            f = (u[t, d, :, 1] + v[0, d] * c + b[0, d]).sigmoid()
            r = (u[t, d, :, 2] + v[1, d] * c + b[1, d]).sigmoid()
            c = f * c + (1 - f) * u[t, d, :, 0]
            own = x[t, d * H : (d + 1) * H] * (p["scale_x"] if rescale else 1)
            skip = u[t, d, :, 3] if gates == 4 else own
            h[t, d] = r * c + (1 - r) * skip
    h = h.flatten(1)
    if norm == "after":
        h = layer_norm(h, h.shape[-1:], p["layer_norm.weight"], p["layer_norm.bias"])
    return h


def published(I, H, layers, directions, P, attends, norm, rescale, inner_norm, first):
    """A state dict as `sru.SRUpp` of 3.0.dev has it."""
    width, state = H * directions, {}
    if first:
        state["input_to_hidden.weight"] = draw(width, I) / math.sqrt(I)
        I = width
    for i in range(layers):
        size = I if i == 0 else width
        own = {"linear1.weight": draw(P, size) / math.sqrt(size)}
        out = draw(width * (3 if size == width else 4), P) / math.sqrt(P)
        if attends[i]:
            own |= {"linear2.weight": draw(2 * P, P) / math.sqrt(P), "linear3.weight": out}
            own["alpha"] = draw(1)
        else:
            own["linear2.weight"] = out
        if inner_norm:
            own |= {"layer_norm.weight": draw(P), "layer_norm.bias": draw(P)}
        cell = {f"transform_module.{n}": w for n, w in own.items()}
        cell |= {"weight_c": draw(2 * width), "bias": draw(2 * width)}
        cell["scale_x"] = torch.full((1,), math.sqrt(3.0) if rescale else 1.0, dtype=torch.float64)
        if norm != "none":
            features = size if norm == "before" else width
            cell |= {"layer_norm.weight": draw(features), "layer_norm.bias": draw(features)}
        state |= {f"rnn_lst.{i}.{n}": w for n, w in cell.items()}
    return state


def pick(*values):
    return values[torch.randint(len(values), ()).item()]


@pytest.mark.parametrize("seed", range(200))
def test_published_weights_give_the_outputs_of_the_equations(seed):
    torch.manual_seed(seed)
    directions, layers, heads, P = pick(1, 2), pick(1, 2, 3), pick(1, 2), 4
    H, T, I = pick(2, 3), pick(1, 5), pick(3, 4, 6)
    norm, rescale, inner_norm = pick("none", "before", "after"), pick(0, 1), pick(0, 1)
    last = pick(0, 1, layers)
    attends = pick([k >= layers - last for k in range(layers)], [k % 2 for k in range(layers)])
    first = pick(0, 1) and H * directions != I
    state = published(I, H, layers, directions, P, attends, norm, rescale, inner_norm, first)
    said = dict(bidirectional=directions == 2, num_heads=heads, norm_after=norm == "after")
    layer, x, expected = load_sru_plus_plus(state, **said), draw(T, 2, I), []
    for b in range(2):
        h = x[:, b] @ state["input_to_hidden.weight"].T if first else x[:, b]
        for i in range(layers):
            prefix = f"rnn_lst.{i}."
            p = {n.removeprefix(prefix): w for n, w in state.items() if n.startswith(prefix)}
            h = layer_by_hand(h, p, H, directions, heads, norm, rescale, T, False, inner_norm)
        expected.append(h)
    torch.testing.assert_close(layer(x)[0], torch.stack(expected, 1))
    single = load_sru_plus_plus({n: w.float() for n, w in state.items()}, **said)
    found = single(x.float())[0].double()
    torch.testing.assert_close(found, torch.stack(expected, 1), rtol=1e-3, atol=1e-4)


def make(layers=2, attention=True, **options):
    layer = SRUPlusPlus(
        6, 6, layers, dtype=torch.float64, projection_size=4, num_heads=2, **options
    )
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.startswith("alpha"):
                parameter.fill_(1.5 if attention else 0.0)
    return layer


@pytest.mark.parametrize("reach", [0, 1, 3, None])
def test_a_step_looks_at_itself_and_so_much_of_the_past(reach):
    layer, x = make(1, causal=True, memory_size=reach), draw(6, 2, 6)
    inside = {
        "linear1.weight": layer.weight_proj_l0,
        "linear2.weight": layer.weight_kv_l0,
        "linear3.weight": layer.weight_ih_l0.view(3, 6, 4).transpose(0, 1).flatten(0, 1),
        "alpha": layer.alpha_l0,
        "layer_norm.weight": layer.weight_inner_norm_l0,
        "layer_norm.bias": layer.bias_inner_norm_l0,
    }
    p = {f"transform_module.{name}": value for name, value in inside.items()}
    p |= {"weight_c": layer.weight_c_l0, "bias": layer.bias_ih_l0}
    far = 100 if reach is None else reach
    expected = [layer_by_hand(x[:, b], p, 6, 1, 2, "none", False, far, True, True) for b in (0, 1)]
    torch.testing.assert_close(layer(x)[0], torch.stack(expected, 1))


@pytest.mark.parametrize("reach", [0, 2, 3, None])
@pytest.mark.parametrize("norm", ["none", "before"])
def test_halves_and_steps_make_the_whole(reach, norm):
    layer, x = make(3, causal=True, memory_size=reach, norm=norm, attention_every=2), draw(9, 3, 6)
    expected, (c, memory) = layer(x)
    first, state = layer(x[:4])
    second, (last, kept) = layer(x[4:], state)
    torch.testing.assert_close(torch.cat([first, second]), expected)
    torch.testing.assert_close(last, c)
    for a, b in zip(kept, memory, strict=True):
        torch.testing.assert_close(a, b)
    state, outputs = None, []
    for now in x:
        y, state = layer.step(now, state)
        outputs.append(y)
    torch.testing.assert_close(torch.stack(outputs), expected)
    torch.testing.assert_close(state[0], c)


@pytest.mark.parametrize("options", [dict(causal=True, memory_size=3), dict(causal=True), {},
                                     dict(bidirectional=True)])  # fmt: skip
def test_neither_padding_nor_other_sequences_are_looked_at(options):
    layer, x = make(**options), draw(7, 4, 6)
    lengths, reset = torch.tensor([7, 3, 0, 5]), torch.zeros(7, 4, dtype=torch.bool)
    reset[2, 0] = reset[4, 3] = True
    noisy = x.clone()
    for b, n in enumerate(lengths):
        noisy[n:, b] = torch.nan
    noisy.requires_grad_()
    output, _ = layer(noisy, lengths=lengths, reset=reset)
    torch.testing.assert_close(output[:2, 0], layer(x[:2, :1])[0][:, 0])
    torch.testing.assert_close(output[2:, 0], layer(x[2:, :1])[0][:, 0])
    torch.testing.assert_close(output[:3, 1], layer(x[:3, 1:2])[0][:, 0])
    torch.testing.assert_close(output[4:5, 3], layer(x[4:5, 3:])[0][:, 0])
    assert not output[3:, 1].any()
    (grad,) = torch.autograd.grad(output.square().sum(), noisy)
    assert torch.isfinite(grad).all()
    assert not grad[3:, 1].any()


@pytest.mark.parametrize("reach", [2, None])
def test_memory_of_sequences_of_different_lengths(reach):
    layer, x, more = make(causal=True, memory_size=reach), draw(6, 3, 6), draw(4, 3, 6)
    lengths, reset = torch.tensor([6, 2, 4]), torch.zeros(6, 3, dtype=torch.bool)
    reset[3, 0] = True
    _, state = layer(x, lengths=lengths, reset=reset)
    output, _ = layer(more, state)
    for b, start in ((0, 3), (1, 0), (2, 0)):
        whole = torch.cat([x[start : lengths[b], b], more[:, b]])[:, None]
        torch.testing.assert_close(output[:, b], layer(whole)[0][-4:, 0])


def test_packed_sequences_equal_lengths():
    layer, x, lengths = make(causal=True), draw(7, 4, 6), torch.tensor([3, 7, 1, 5])
    _, start = layer(draw(5, 4, 6), lengths=torch.tensor([5, 1, 2, 4]))
    packed, (c, memory) = layer(pack_padded_sequence(x, lengths, enforce_sorted=False), start)
    output, (last, kept) = layer(x, start, lengths)
    torch.testing.assert_close(pad_packed_sequence(packed)[0], output)
    torch.testing.assert_close(c, last)
    for a, b in zip(memory, kept, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("options", [dict(causal=True, memory_size=2), dict(bidirectional=True)])
def test_gradients_equal_finite_differences(options):
    layer, x = make(1, **options), draw(3, 2, 6).requires_grad_()
    names, values = zip(*layer.named_parameters(), strict=True)

    def run(x, *values):
        given = dict(zip(names, values, strict=True))
        output, state = torch.func.functional_call(layer, given, (x,))
        return output, state[0] if layer.causal else state

    assert torch.autograd.gradcheck(run, (x, *values))


def test_alpha_starts_at_nothing():
    fresh, x = SRUPlusPlus(6, 6, 2, projection_size=4), torch.randn(5, 2, 6)
    before, _ = fresh(x)
    for layer in range(2):
        getattr(fresh, f"weight_kv_l{layer}").data.normal_()
    assert torch.equal(fresh(x)[0], before)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (dict(num_heads=3, projection_size=4), r"needs num_heads that divide .*; got 3 and 4"),
        (dict(causal=True, bidirectional=True), "needs either causal or bidirectional; got both"),
        (dict(memory_size=3), "needs causal=True for a memory; got memory_size=3"),
        (dict(causal=True, memory_size=-1), "needs memory_size of at least 0; got -1"),
        (dict(attention_every=0), "needs attention_every of at least 1; got 0"),
        (dict(attention_dropout=2.0), r"needs attention_dropout in 0..1; got 2.0"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, said):
    with pytest.raises(ValueError, match=f"SRUPlusPlus {said}"):
        SRUPlusPlus(6, 6, **options)


def test_a_layer_that_looks_ahead_does_not_stream():
    with pytest.raises(RuntimeError, match=r"SRUPlusPlus.step needs causal=True; got"):
        make().step(draw(1, 6))


def test_states_that_do_not_fit_are_refused():
    layer, x = make(causal=True), draw(3, 2, 6)
    c, memory = layer(x)[1]
    layer(x, c)  # no memory
    with pytest.raises(ValueError, match="needs a memory of 2 layers and how much of it counts"):
        layer(x, (c, memory[:-1]))
    with pytest.raises(ValueError, match=r"needs a memory \(M, B, P\) of"):
        layer(x, (c, (memory[0][:, :1], *memory[1:])))


def test_weights_that_are_no_sru_plus_plus_are_refused():
    with pytest.raises(ValueError, match=r"needs weights named rnn_lst.0.transform_module"):
        load_sru_plus_plus({"weight": draw(2, 2)})
    with pytest.raises(ValueError, match=r"needs transform_module.linear1 to linear3 of layer 0"):
        load_sru_plus_plus({"rnn_lst.0.weight": draw(2, 6), "rnn_lst.0.bias": draw(4)})
