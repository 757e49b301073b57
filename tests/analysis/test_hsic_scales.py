"""HSIC, its tests and kernels where numbers are large, small, far from 0, few or the same."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from swiftrnn.analysis.samples.hsic import cka, dhsic, hsic, normalised_hsic
from swiftrnn.analysis.samples.independence import (
    gamma_test,
    holm,
    joint_test,
    pairwise_test,
    permutation_test,
)
from swiftrnn.analysis.samples.kernels import (
    Delta,
    Gaussian,
    Linear,
    median_bandwidth,
    squared_distances,
)
from swiftrnn.analysis.samples.large_samples import (
    block_hsic,
    nystroem,
    nystroem_hsic,
    random_feature_hsic,
)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def related(n=60, seed=0):
    x = normal(n, 3, seed=seed)
    return x, x[:, :2] + 0.5 * normal(n, 2, seed=seed + 1)


SCALES = (1e-310, 1e-300, 1e-100, 1e-6, 1e8, 1e19, 1e150, 1e300)
SCALE_FREE = {
    "cka": cka,
    "cka, unbiased": partial(cka, unbiased=True),
    "hsic": hsic,
    "normalised": normalised_hsic,
    "dhsic": dhsic,
    "nystroem": partial(nystroem_hsic, rank=20),
    "random features": partial(random_feature_hsic, count=40),
    "permutations": lambda x, y: permutation_test(x, y, permutations=19).statistic,
    "permuted features": lambda x, y: permutation_test(x, y, permutations=19, rank=9).statistic,
    "several bandwidths": lambda x, y: (
        permutation_test(
            x, y, Gaussian(median_bandwidth(x) * torch.tensor([0.5, 1.0]).double()), permutations=19
        ).statistic
    ),
    "gamma": lambda x, y: gamma_test(x[:20], y[:20]).p_value,
    "joint": lambda x, y: joint_test(x, y, x[:, 0], permutations=19).statistic,
    "blocks": lambda x, y: block_hsic(x, y, block=20).value,
}


@pytest.mark.parametrize("of", SCALE_FREE.values(), ids=SCALE_FREE)
def test_no_scale_changes_what_has_none(of):
    x, y = related()
    wanted = float(of(x, y))
    assert wanted > 1e-12
    for scale in SCALES:
        near = 1e-7 if scale < 1e-307 else 1e-9  # numbers there have fewer digits
        assert float(of(x * scale, y)) == pytest.approx(wanted, rel=near)
        assert float(of(x * scale, y / max(scale, 1e-300))) == pytest.approx(wanted, rel=near)


@pytest.mark.parametrize("of", SCALE_FREE.values(), ids=SCALE_FREE)
def test_no_mean_changes_what_sees_differences(of):
    x, y = related()
    grid = 2.0**-20
    x, y = ((each / grid).round() * grid for each in (x, y))  # moved without rounding
    wanted = float(of(x, y))
    for far in (10.0, 1e3, 1e9):
        assert float(of(x + far, y - far)) == pytest.approx(wanted, rel=1e-8)


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_alignment_of_low_precision_is_that_of_its_numbers_in_float64(kind):
    x, y = related(200)
    for far in (0.0, 10.0, 100.0):
        a, b = (x + far).to(kind), (y + far).to(kind)
        for unbiased in (False, True):
            found = cka(a, b, unbiased=unbiased)
            assert found.dtype == torch.float32
            wanted = float(cka(a.double(), b.double(), unbiased=unbiased))
            assert float(found) == pytest.approx(wanted, rel=1e-6)
        p_value = permutation_test(a, b, permutations=19).p_value
        assert p_value == permutation_test(a.double(), b.double(), permutations=19).p_value


def test_linear_alignment_far_from_zero_is_that_of_centred_features():
    """In rational numbers: float32 samples a thousand standard deviations from 0."""
    from fractions import Fraction

    x, y = related(12)
    x, y = (x + 1000).float(), (y - 1000).float()
    columns = [[[Fraction(v) for v in c] for c in each.T.tolist()] for each in (x, y)]
    less = [[[v - sum(c) / 12 for v in c] for c in each] for each in columns]

    def product(a, b):
        return sum(sum(p * q for p, q in zip(c, d, strict=True)) ** 2 for c in a for d in b)

    a, b = less
    wanted = float(product(a, b)) / math.sqrt(float(product(a, a)) * float(product(b, b)))
    assert float(cka(x, y)) == pytest.approx(wanted, rel=1e-6)
    assert float(cka(x.double(), y.double())) == pytest.approx(wanted, rel=1e-13)


def test_linear_hsic_has_the_fourth_power_of_the_scale_or_says_that_it_cannot():
    x, y = related()
    wanted = float(hsic(x, y, Linear(), Linear()))
    for scale in (1e-40, 1e30):
        found = float(hsic(x * scale, y * scale, Linear(), Linear()))
        assert found == pytest.approx(wanted * scale**4, rel=1e-12)
    for of in (hsic, nystroem_hsic, partial(block_hsic, block=20)):
        for scale in (1e-100, 1e100):
            with pytest.raises(ValueError, match=r"result float64 can hold; got one of about 2\^"):
                of(x * scale, y * scale, Linear(), Linear())
    with pytest.raises(ValueError, match=r"hsic needs samples whose result float32 can hold; got"):
        hsic((x * 1e12).float(), (y * 1e12).float(), Linear(), Linear())
    assert permutation_test(x * 1e-100, y * 1e-100, Linear(), Linear()).p_value == 0.001


def test_constant_columns_and_huge_offsets_in_some_columns_are_not_seen():
    x, y = related()
    wanted = cka(x, y)
    flat = torch.full((60, 4), 0.1).double() * torch.tensor([1.0, 1e9, -1e-9, 1e3]).double()
    torch.testing.assert_close(cka(torch.cat([x, flat], 1), y), wanted, rtol=1e-12, atol=0)
    small = torch.cat([x * 1e-12, flat], 1)
    torch.testing.assert_close(cka(small, y), wanted, rtol=1e-12, atol=0)


def test_wide_bandwidths_end_at_the_linear_kernel_and_narrow_ones_are_refused():
    x, y = related()
    for width in (1e4, 1e8, 1e30):
        wide = Gaussian(width)
        torch.testing.assert_close(cka(x, y, wide, wide), cka(x, y), rtol=1e-7, atol=0)
        p_value = permutation_test(x, y, wide, wide, permutations=19).p_value
        assert p_value == permutation_test(x, y, Linear(), Linear(), permutations=19).p_value
    for of in (hsic, cka, partial(permutation_test, permutations=9)):
        with pytest.raises(ValueError, match=r"a kernel that tells samples of x apart; got one"):
            of(x, y, Gaussian(1e200))
    with pytest.raises(ValueError, match="kernels that relate samples to one another; got one"):
        cka(x, y, Gaussian(1e-9), unbiased=True)
    with pytest.raises(ValueError, match="features that tell samples apart; got ones"):
        nystroem_hsic(x, y, Gaussian(1e9), rank=20)
    with pytest.raises(ValueError, match=r"tells samples of variable_1 apart; got .* mean 0"):
        dhsic(x + 1e6, y, y[:, 0], kernels=[Linear(), None, None])


def test_close_samples_keep_their_distance_beside_far_ones():
    x = torch.tensor([[0.0], [1e-3], [2e-3], [1e9], [1e9 + 0.5]]).double()
    wanted = (x - x.T).square()
    torch.testing.assert_close(squared_distances(x, x), wanted, rtol=1e-12, atol=0)
    y = x.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: squared_distances(v, v)[:3, :3], y[:3].detach()
                                    .requires_grad_())  # fmt: skip
    heavy = torch.distributions.Cauchy(0.0, 1.0).sample((300,)).double() ** 3
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    wanted = (heavy[:, None] - heavy).abs()[torch.triu_indices(300, 300, 1).unbind()].median()
    assert median_bandwidth(heavy) == pytest.approx(float(wanted) / math.sqrt(2), rel=1e-9)
    assert median_bandwidth(heavy[order] * 1e280) == pytest.approx(
        1e280 * median_bandwidth(heavy), rel=1e-9
    )


def test_one_sample_far_away_does_not_blur_the_others():
    x, y = related()
    x[0] = 1e12
    wanted = hsic(x, y)
    x[0] = 1e300
    assert float(hsic(x, y)) == pytest.approx(float(wanted), rel=1e-9)
    found = random_feature_hsic(x, y, count=4000)
    assert float(found) == pytest.approx(float(wanted), rel=0.2)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_the_median_of_many_ties_is_that_of_the_others(scale):
    mostly = torch.cat([torch.zeros(300), torch.tensor([1.0, 1.0, 3.0])]).double() * scale
    assert median_bandwidth(mostly) == pytest.approx(scale / math.sqrt(2), rel=1e-9)
    bits = torch.arange(40).double() % 2 * scale
    assert median_bandwidth(bits) == pytest.approx(scale / math.sqrt(2), rel=1e-9)


def test_a_median_that_no_float_can_hold_is_said():
    ends = torch.tensor([-1.7e308, 1.7e308] * 3, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"median_bandwidth needs samples whose result float64"):
        median_bandwidth(ends)
    assert hsic(ends, ends > 0) == pytest.approx(float(hsic(ends / 1e308, ends > 0)), rel=1e-12)


def level(p_values, least):
    assert min(p_values) >= least
    return sum(p <= 0.05 for p in p_values) / len(p_values)


@pytest.mark.parametrize("scale", [1e-100, 1e19, 1e300])
def test_independent_samples_of_any_scale_are_rejected_as_often_as_they_should(scale):
    kinds = (None, Linear())
    p_values = [
        permutation_test(normal(20, seed=s) * scale, normal(20, seed=s + 500) * scale,
                         kinds[s % 2], kinds[s % 2], permutations=19, seed=s).p_value
        for s in range(200)
    ]  # fmt: skip
    assert 0.01 < level(p_values, 1 / 20) < 0.1


def test_p_values_of_one_permutation_are_a_half_or_one():
    x, y = related(20)
    every = [permutation_test(x, y, permutations=1), joint_test(x, y, permutations=1),
             permutation_test(x, y, permutations=1, rank=5)]  # fmt: skip
    assert {each.p_value for each in every} <= {0.5, 1.0}
    for call, message in [
        (lambda: permutation_test(x, y, permutations=0), "at least 1 and block in 1..10; got 0"),
        (lambda: joint_test(x, y, permutations=-5), "permutations of at least 1 .*; got -5"),
        (lambda: pairwise_test({"a": x, "b": y}, permutations=0), "at least 1 .*; got 0"),
        (lambda: permutation_test(x, y, permutations=2.5), "permutations of at least 1; got 2.5"),
        (lambda: permutation_test(x, y, permutations=9, rank=-1), "rank of at least 1; got -1"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


def test_a_kernel_of_ones_own_that_is_not_finite_is_an_error_and_no_p_value():
    x, y = related(20)
    broken = lambda a, b: Gaussian(1.0)(a, b) * math.nan  # noqa: E731
    for of in (hsic, cka, permutation_test, gamma_test, nystroem_hsic, joint_test):
        how = {"kernels": [broken, None]} if of is joint_test else {"kernel_x": broken}
        with pytest.raises(ValueError, match="a kernel that gives finite numbers; got"):
            of(x, y, **how)
    with pytest.raises(ValueError, match=r"a tensor \(20, 20\); got \(20,\); compare"):
        hsic(x, y, lambda a, b: (a * b).sum(1))


def test_two_blocks_reject_independent_samples_as_often_as_they_should():
    """A normal law had p-values of 0.001 in 3 % of these draws."""
    found = [block_hsic(normal(40, seed=2 * s), normal(40, seed=2 * s + 1), block=20)
             for s in range(300)]  # fmt: skip
    assert {each.blocks for each in found} == {2}
    assert sum(each.p_value <= 0.05 for each in found) <= 22  # 15 at most are expected
    assert sum(each.p_value <= 0.001 for each in found) <= 2
    one = found[0]  # one degree of freedom is Cauchy's law
    wanted = 0.5 - math.atan(one.value / one.standard_error) / math.pi
    assert one.p_value == pytest.approx(wanted, rel=1e-9)
    with pytest.raises(ValueError, match=r"blocks that differ; got 3 that all give .* copies"):
        block_hsic(torch.arange(12), torch.arange(12), Delta(), Delta(), block=4)


def test_words_are_compared_wherever_a_kernel_compares():
    words = np.array(["red", "green", "blue", "grün"] * 10)
    numbers = np.arange(40) % 4
    y = normal(40, seed=3)
    wanted = hsic(numbers, y, Delta())
    for given in (words, words.tolist(), words.astype(object), words[:, None],
                  np.char.encode(words, "utf8"), torch.from_numpy(numbers)):  # fmt: skip
        assert hsic(given, y, Delta()) == wanted
    assert (
        permutation_test(words, y, Delta(), permutations=9).p_value
        == permutation_test(numbers, y, Delta(), permutations=9).p_value
    )
    assert joint_test(words, y, y, kernels=[Delta(), None, None], permutations=9).p_value <= 0.1
    assert nystroem_hsic(words, y, Delta(), rank=40) == pytest.approx(float(wanted), rel=1e-6)
    assert gamma_test(words, y, Delta()).p_value == gamma_test(numbers, y, Delta()).p_value
    assert Delta()(words[:3], words[:5]).tolist() == [[1, 0, 0, 0, 1], [0, 1, 0, 0, 0],
                                                      [0, 0, 1, 0, 0]]  # fmt: skip
    many = np.arange(40) + 2**60  # as float64 these are one
    assert hsic(many, y, Delta(), unbiased=True) == hsic(np.arange(40), y, Delta(), unbiased=True)
    for given, message in [
        (["a", None] * 20, "words or numbers as x; got missing ones"),
        ([1.0, math.nan] * 20, "missing ones"),
        (["a"] * 40, "samples that differ as x; got 40 equal ones"),
        (["a"] * 3, r"at least 4 samples \(n, d\) as x; got \(3,\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            hsic(given, y[: len(given)], Delta())
    with pytest.raises(TypeError, match="hsic needs numbers as x; got <U5; give an array"):
        hsic(words, y)


def test_a_table_of_pandas_is_its_columns():
    pandas = pytest.importorskip("pandas")
    a, b = normal(30).numpy(), normal(30, seed=1).numpy()
    table = pandas.DataFrame({"a": a, "b": b, "flag": a > 0, "word": np.where(b > 0, "x", "y")})
    kernels = {"word": Delta()}
    aligned, p_values = pairwise_test(table, kernels, permutations=19)
    columns = {"a": a, "b": b, "flag": a > 0, "word": b > 0}
    wanted = pairwise_test(columns, kernels, permutations=19)
    torch.testing.assert_close((aligned, p_values), wanted, equal_nan=True)
    numbers = table[["a", "flag", "b"]]  # of several kinds: an array of objects
    assert hsic(numbers, table["b"]) == hsic(np.stack([a, a > 0, b], 1), b)
    own = table["flag"].astype("boolean"), table["a"].astype("Float64"), table["word"].astype(
        "category")  # fmt: skip
    assert hsic(own[0], own[1]) == hsic(a > 0, a)
    assert hsic(own[2], a, Delta()) == hsic(b > 0, a, Delta())
    missing = table["a"].astype("Float64").where(table["flag"])
    with pytest.raises((TypeError, ValueError), match="hsic needs"):
        hsic(missing, b)
    with pytest.raises(TypeError, match="pairwise_test needs numbers as word"):
        pairwise_test(table)
    with pytest.raises(ValueError, match="kernels of its columns; got one of words; there are a,"):
        pairwise_test(table, {"words": Delta()})
    holm(pandas.DataFrame(p_values.numpy()))


def test_holm_takes_what_pairwise_gives():
    nan = math.nan
    found = holm([[nan, 0.01, 0.2], [0.01, nan, 0.02], [0.2, 0.02, nan]])
    wanted = holm([0.01, 0.2, 0.02])
    assert found[0, 1:].tolist() == wanted[:2].tolist()
    assert found[1, 2] == wanted[2] == found[2, 1]
    assert bool(found.diagonal().isnan().all())
    for bad, message in [
        ([0.1, nan], r"p-values in 0..1; got \[nan\]"),
        ([[nan, nan], [nan, nan]], r"p-values in 0..1; got \[nan\]"),
        ([[nan, 0.1], [0.2, nan]], "holm needs a symmetric matrix where the diagonal is nan"),
        ([-0.1, 2.0, 0.5], r"got \[-0.1, 2.0\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            holm(bad)
    with pytest.raises(TypeError, match="holm needs numbers as p_values; got"):
        holm(["a"])


def odd_inputs():
    x = normal(20, 2)
    table = x.numpy()
    whole = (x * 100).round()
    yield x, x.T.contiguous().T
    yield x, x.clone().requires_grad_()
    yield x, np.asfortranarray(table)
    yield x, table[::-1][::-1]
    yield x, table.astype(">f8")
    yield x, table.astype(object)
    yield x, table.tolist()
    yield x, np.ma.masked_array(table)
    yield whole, whole.int()
    yield whole, whole.short().numpy()
    yield whole, whole.abs().to(torch.uint8).double() * 0 + whole
    yield (x > 0).double(), x > 0
    yield (x > 0).double(), (x > 0).numpy()


@pytest.mark.parametrize(("plain", "odd"), list(odd_inputs()))
def test_any_layout_and_kind_of_numbers_is_the_same(plain, odd):
    y = normal(20, seed=9)
    near = dict(rtol=1e-13, atol=0)  # strides change the order of sums
    for of in (hsic, cka, nystroem_hsic, random_feature_hsic):
        torch.testing.assert_close(of(odd, y).detach(), of(plain, y), **near)
    for test in (partial(permutation_test, permutations=9), gamma_test):
        assert test(odd, y).p_value == pytest.approx(test(plain, y).p_value, rel=1e-12)
    assert block_hsic(odd, y, block=5).value == pytest.approx(block_hsic(plain, y, block=5).value)
    assert median_bandwidth(odd) == pytest.approx(median_bandwidth(plain), rel=1e-13)


def test_what_is_no_dense_array_of_numbers_is_refused_in_one_line():
    y, masked = normal(20), np.ma.masked_array(np.arange(20.0), np.arange(20) == 3)
    for given, kind, message in [
        (masked, ValueError, "hsic needs numbers as x; got 1 masked ones; leave them out"),
        (torch.eye(20).to_sparse(), TypeError, "a dense tensor as x; got a tensor of torch.sparse"),
        (torch.ones(20, device="meta"), TypeError, "a dense tensor as x; got a tensor on meta"),
        (np.ones((20, 0)), ValueError, r"at least 4 samples \(n, d\) as x; got \(20, 0\)"),
        (np.ones(0), ValueError, r"got \(0,\)"),
        (np.float64(3), ValueError, r"got \(\)"),
        (["1.5"] * 20, TypeError, "needs numbers as x; got list"),
        (np.array(["1.5"] * 20, object), TypeError, "needs numbers as x; got object"),
        (np.array(["2020-01-01"] * 20, "datetime64[D]"), TypeError, "numbers as x; got datetime64"),
    ]:
        for of in (hsic, cka, permutation_test, gamma_test, block_hsic):
            with pytest.raises(kind, match=message.replace("hsic needs", "needs")) as caught:
                of(given, y)
            assert "\n" not in str(caught.value)


def test_global_random_state_is_not_touched_and_seeds_are_kept():
    x, y = related(40)
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for of in (permutation_test, partial(permutation_test, rank=5), joint_test, nystroem_hsic,
               random_feature_hsic, partial(block_hsic, block=10)):  # fmt: skip
        assert of(x, y, seed=3) == of(x, y, seed=3)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    one, other = (permutation_test(x, y, permutations=99, seed=s) for s in (0, 1))
    assert one.statistic == other.statistic


def test_features_are_of_the_dtype_of_their_rows():
    x = normal(10, 2)
    features = nystroem(x.half(), Gaussian(1.0), 5)
    assert features(x.half()).dtype == torch.float32
    assert features(x).dtype == torch.float64
