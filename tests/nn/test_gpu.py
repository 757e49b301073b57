"""The layers on a GPU give what they give on the CPU."""

import pytest
import torch

from swiftrnn import nn

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
pytest.importorskip("triton", reason="Triton is not installed (pip install triton)")
LAYERS = ("SRU", "QRNN", "MinGRU", "MinLSTM", "RGLRU", "HGRN", "SRUPlusPlus")


def made(name, **options):
    torch.manual_seed(0)
    return getattr(nn, name)(24, 32, num_layers=2, dtype=torch.float64, **options)


def values(layer, x, **ends):
    x = x.clone().requires_grad_()
    y = layer(x, **ends)[0]
    grads = torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])
    return [y, *grads]


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_equals_the_cpu(name, both):
    layer = made(name, bidirectional=both)
    x, lengths = torch.randn(19, 5, 24, dtype=torch.float64), torch.tensor([19, 0, 3, 7, 18])
    expected = values(layer, x, lengths=lengths)
    found = values(layer.cuda(), x.cuda(), lengths=lengths.cuda())
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.cpu(), b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LAYERS)
def test_streams_on_a_gpu(name):
    causal = {"causal": True} if name == "SRUPlusPlus" else {}
    layer, state = made(name, **causal).cuda().eval(), None
    x = torch.randn(6, 3, 24, dtype=torch.float64, device="cuda")
    whole = layer(x)[0]
    for t in range(6):
        y, state = layer.step(x[t], state)
        torch.testing.assert_close(y, whole[t], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LAYERS)
def test_runs_in_a_cuda_graph_and_on_another_stream(name):
    layer = made(name).cuda().eval()
    x = torch.randn(6, 3, 24, dtype=torch.float64, device="cuda")
    with torch.no_grad():
        expected, stream = layer(x)[0], torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            beside = layer(x)[0]
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = layer(x)[0]
        y.zero_()
        graph.replay()
    torch.testing.assert_close(beside, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_trains_in_a_cuda_graph(name):
    """As `torch.cuda.make_graphed_callables` makes one of forward and one of backward."""
    layer = made(name).cuda()
    x = torch.randn(6, 3, 24, dtype=torch.float64, device="cuda")
    expected = values(layer, x)
    sample = torch.randn_like(x).requires_grad_()
    graphed = torch.cuda.make_graphed_callables(layer, (sample,))
    for a, b in zip(values(graphed, x), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_autocast_on_a_gpu_is_that_of_the_cpu(name):
    layer = made(name).float()
    x = torch.randn(6, 3, 24)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = values(layer, x)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        found = values(layer.cuda(), x.cuda())
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        assert (a.cpu().float() - b.float()).norm() < 0.05 * (1 + b.float().norm())


@pytest.mark.filterwarnings("ignore:(?s).*Online softmax:UserWarning")  # what Inductor gave up
@pytest.mark.parametrize("name", LAYERS)
def test_compiles_on_a_gpu(name):
    layer = made(name).cuda()
    x = torch.randn(6, 3, 24, dtype=torch.float64, device="cuda")
    y = torch.compile(layer, fullgraph=True)(x)[0]
    torch.testing.assert_close(y, layer(x)[0], rtol=1e-9, atol=1e-9)
