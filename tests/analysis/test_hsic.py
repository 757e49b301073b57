"""HSIC and its tests, against sums over all quadruples, closed forms and a full enumeration."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from swiftrnn.analysis.samples.hsic import (
    biased_of,
    centred,
    cka,
    dhsic,
    hsic,
    normalised_hsic,
    unbiased_of,
    whitened,
)
from swiftrnn.analysis.samples.independence import (
    gamma_test,
    holm,
    joint_test,
    pairwise_test,
    permutation_test,
)
from swiftrnn.analysis.samples.kernels import Delta, Gaussian, Linear, median_bandwidth, of_samples
from swiftrnn.analysis.samples.large_samples import (
    block_hsic,
    nystroem,
    nystroem_hsic,
    random_feature_hsic,
    random_features,
)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawn(n, seed=0):
    """Kernel matrices of pairs that depend on one another."""
    x = normal(n, 2, seed=seed)
    y = x[:, :1] ** 2 + 0.3 * normal(n, 1, seed=seed + 1)
    return of_samples(x)(x, x), of_samples(y)(y, y)


def noisy_circle(n, seed, noise=0.2):
    angle = 2 * math.pi * torch.rand(n, generator=torch.Generator().manual_seed(seed)).double()
    ring = torch.stack([angle.cos(), angle.sin()]) + noise * normal(2, n, seed=seed + 10**6)
    return ring[0], ring[1]


# -- estimators


def over_tuples(k, l, distinct):
    """E k l + E k E l - 2 E k l over all tuples of samples, or over those that share none."""
    n = len(k)
    terms = [[], [], []]
    for i, j, q, r in itertools.product(range(n), repeat=4):
        if distinct and len({i, j, q, r}) < 4:
            continue
        terms[0].append(k[i, j] * l[i, j])
        terms[1].append(k[i, j] * l[q, r])
        terms[2].append(k[i, j] * l[i, q])
    one, two, three = (torch.stack(t).mean() for t in terms)
    return one + two - 2 * three


def test_the_biased_form_is_the_mean_over_all_tuples():
    k, l = drawn(6)
    torch.testing.assert_close(biased_of(k, l), over_tuples(k, l, False), rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(
        biased_of(k, l), (centred(k) @ centred(l)).trace() / 36, rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize("n", [4, 5, 7])
def test_the_unbiased_form_is_the_mean_over_tuples_that_share_no_sample(n):
    k, l = drawn(n)
    torch.testing.assert_close(unbiased_of(k, l), over_tuples(k, l, True), rtol=1e-10, atol=1e-15)
    moved = k + 7 * torch.eye(n)  # what is on the diagonal does not matter
    torch.testing.assert_close(unbiased_of(moved, l), unbiased_of(k, l), rtol=1e-12, atol=1e-15)


def test_the_unbiased_form_is_right_on_average_and_the_biased_one_is_not():
    """Over all 5! pairings of five samples, where x and y are independent."""
    k, l = drawn(5)
    orders = torch.tensor(list(itertools.permutations(range(5))))
    permuted = torch.stack([l[order][:, order] for order in orders])
    assert abs(unbiased_of(k, permuted).mean()) < 1e-15
    assert biased_of(k, permuted).mean() > 1e-3


def test_with_linear_kernels_it_is_the_squared_covariance():
    x, y = normal(50, 3), normal(50, 2, seed=1)
    covariance = (x - x.mean(0)).T @ (y - y.mean(0)) / 50
    torch.testing.assert_close(hsic(x, y, Linear(), Linear()), covariance.square().sum())


def test_cka_of_linear_kernels_is_as_kornblith_writes_it():
    x, y = normal(40, 3), normal(40, 5, seed=1)
    x, y = x - x.mean(0), y - y.mean(0)
    written = (y.T @ x).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm())
    torch.testing.assert_close(cka(x, y), written)
    turned, _ = torch.linalg.qr(normal(3, 3, seed=2))
    torch.testing.assert_close(cka(3 * x @ turned - 1, y), written)
    torch.testing.assert_close(cka(x, x, unbiased=True), torch.ones(()).double())
    assert cka(normal(10, 100), normal(10, 100, seed=1)) > 0.5  # few samples: near 1 for any
    assert abs(cka(normal(10, 100), normal(10, 100, seed=1), unbiased=True)) < 0.2


def test_of_gaussian_variables_it_is_the_closed_form():
    """Of correlation r, for Gaussian kernels of width 1: all differences are normal."""
    r, n = 0.6, 4000
    x = normal(n)
    y = r * x + math.sqrt(1 - r * r) * normal(n, seed=1)
    found = hsic(x, y, Gaussian(1.0), Gaussian(1.0), unbiased=True)
    # k(x, x') l(y, y'): x - x' and y - y' are normal, of variance 2 and covariance 2 r
    one = 1 / math.sqrt(9 - 4 * r * r)
    two = 1 / 3
    three = 1 / math.sqrt(9 - r * r)  # x - x', y - y'': covariance r
    assert float(found) == pytest.approx(one + two - 2 * three, rel=0.05)


def test_nocco_is_what_inverses_give_and_no_scale_of_kernels_changes_it():
    k, l = drawn(30)
    n, epsilon = 30, 1e-2
    for each in (k, l):
        c = centred(each)
        wanted = c @ torch.linalg.inv(c + epsilon * n * torch.eye(n, dtype=c.dtype))
        torch.testing.assert_close(whitened(each, epsilon), wanted, rtol=1e-10, atol=1e-12)
    x, y = normal(30), normal(30, seed=1)
    found = normalised_hsic(x, y, Gaussian(1.0), Gaussian(1.0), epsilon)
    both = [whitened(Gaussian(1.0)(v[:, None], v[:, None]), epsilon) for v in (x, y)]
    torch.testing.assert_close(found, (both[0] @ both[1]).trace())
    small = normalised_hsic(x, x**3, lambda a, b: 5 * Linear()(a, b), Linear(), 1e-6)
    assert float(small) == pytest.approx(float(cka(x, x**3)), abs=1e-5)  # of one dimension: r²


def test_dhsic_is_hsic_for_two_and_its_own_sum_for_three():
    a, b, c = (normal(7, seed=s) for s in range(3))
    g = Gaussian(1.0)
    torch.testing.assert_close(dhsic(a, b, kernels=(g, g)), hsic(a, b, g, g))
    k = [g(v[:, None], v[:, None]) for v in (a, b, c)]
    together = (k[0] * k[1] * k[2]).mean()
    apart = k[0].mean() * k[1].mean() * k[2].mean()
    across = np.mean([k[0][i].mean() * k[1][i].mean() * k[2][i].mean() for i in range(7)])
    torch.testing.assert_close(dhsic(a, b, c, kernels=(g, g, g)), together + apart - 2 * across)


def test_all_are_differentiable():
    x = normal(6, 2).requires_grad_()
    y, g = normal(6, 1, seed=1), Gaussian(0.8)
    for of in (hsic, partial(hsic, unbiased=True), cka, partial(normalised_hsic, epsilon=0.1)):
        assert torch.autograd.gradcheck(lambda v, of=of: of(v, y, g, g), x)
    assert torch.autograd.gradcheck(lambda v: dhsic(v, y, y**2, kernels=(g, g, g)), x)
    assert torch.autograd.gradcheck(lambda v: nystroem_hsic(v, y, g, g, rank=6), x)


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 30), st.integers(0, 10**6))
def test_orders_and_moves_change_nothing_and_it_is_symmetric(n, seed):
    x, y = normal(n, 2, seed=seed), normal(n, seed=seed + 1)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    g = Gaussian(1.0)
    for unbiased in (False, True):
        found = hsic(x, y, g, g, unbiased)
        torch.testing.assert_close(hsic(x[order], y[order], g, g, unbiased), found)
        torch.testing.assert_close(hsic(y, x, g, g, unbiased), found)
        torch.testing.assert_close(hsic(x + 1e3, y, g, g, unbiased), found, atol=1e-9, rtol=1e-7)
    assert hsic(x, y, g, g) >= 0


# -- kernels


def test_kernels_are_what_they_say():
    x, y = normal(3, 2), normal(4, 2, seed=1)
    for i, j in itertools.product(range(3), range(4)):
        distance = (x[i] - y[j]).square().sum()
        torch.testing.assert_close(Gaussian(0.7)(x, y)[i, j], torch.exp(-distance / (2 * 0.49)))
    torch.testing.assert_close(Gaussian(torch.tensor([0.7, 2.0]))(x, y)[1], Gaussian(2.0)(x, y))
    assert Delta()(x, torch.cat([x[1:2], y])).tolist()[1] == [1, 0, 0, 0, 0]
    assert (Gaussian(1.0)(x + 1e6, x + 1e6) - Gaussian(1.0)(x, x)).abs().max() < 1e-6


def test_the_median_bandwidth_is_of_different_samples():
    x = torch.tensor([0.0, 1.0, 3.0, 7.0])  # distances 1, 2, 3, 4, 6, 7: the lower median is 3
    assert median_bandwidth(x) == pytest.approx(3 / math.sqrt(2))
    many = normal(5000)
    assert median_bandwidth(many) == pytest.approx(median_bandwidth(many[:2000]), rel=0.1)
    mostly = torch.cat([torch.zeros(30), torch.tensor([1.0])])
    assert median_bandwidth(mostly) == pytest.approx(1 / math.sqrt(2))


# -- tests of independence


def all_orders(k, l):
    n = len(k)
    return torch.stack([
        biased_of(k, l[list(order)][:, list(order)]) for order in itertools.permutations(range(n))
    ])  # fmt: skip


def test_the_permutation_test_is_the_enumeration_of_all_orders():
    x = normal(6)
    y = x + 0.5 * normal(6, seed=1)
    g = Gaussian(0.7)
    every = all_orders(g(x[:, None], x[:, None]), g(y[:, None], y[:, None]))
    exact = float((every >= every[0] - 1e-12).double().mean())
    found = permutation_test(x, y, g, g, permutations=20_000)
    assert found.statistic == pytest.approx(float(every[0]), rel=1e-10)
    assert found.p_value == pytest.approx(exact, abs=0.01)


def test_the_permutation_test_keeps_its_level_over_2000_draws():
    """5 % is asked to come out as 4 to 6.5 %."""
    rejected = sum(
        permutation_test(normal(40, seed=2 * s), normal(40, seed=2 * s + 1), permutations=99,
                         seed=s).p_value <= 0.05
        for s in range(2000)
    )  # fmt: skip
    assert 80 <= rejected <= 130


def test_it_sees_a_noisy_circle_that_correlation_does_not_see():
    seen = correlated = 0
    for s in range(100):
        x, y = noisy_circle(60, s)
        seen += permutation_test(x, y, permutations=199, seed=s).p_value <= 0.05
        r = float(torch.corrcoef(torch.stack([x, y]))[0, 1])
        correlated += abs(r) > 1.96 / math.sqrt(60)
    assert seen >= 70
    assert correlated < 10


def test_several_bandwidths_are_one_test_at_the_level_of_one():
    widths = torch.tensor([5.0, 0.5, 0.05]).double()
    g, rejected = Gaussian(widths), 0
    for s in range(400):
        x, y = normal(30, seed=2 * s), normal(30, seed=2 * s + 1)
        rejected += permutation_test(x, y, g, g, permutations=99, seed=s).p_value <= 0.05
    assert 8 <= rejected <= 34  # 20 expected; a p-value for each width would reject about 50
    x = torch.linspace(0, 6.28, 200).double()
    y, wide = torch.cos(4 * x) + 0.2 * normal(200), Gaussian(5.0)
    assert permutation_test(x, y, g, g, permutations=199).p_value <= 0.01
    assert permutation_test(x, y, wide, wide, permutations=199).p_value > 0.05


def test_blocks_of_a_series_keep_the_level_where_single_samples_do_not():
    def walk(seed):
        steps, found = normal(200, seed=seed), []
        for step in steps:
            found.append(0.95 * (found[-1] if found else 0.0) + step)
        return torch.stack(found)

    alone = together = 0
    for s in range(40):
        x, y = walk(2 * s), walk(2 * s + 1)
        alone += permutation_test(x, y, permutations=99).p_value <= 0.05
        together += permutation_test(x, y, permutations=99, block=50).p_value <= 0.05
    assert alone > 20
    assert together < 12


def test_the_gamma_test_has_the_formulas_of_its_paper():
    x = normal(200)
    y = 0.3 * x + normal(200, seed=1)
    g = Gaussian(1.0)
    k, l = g(x[:, None], x[:, None]), g(y[:, None], y[:, None])
    n, centre = 200, torch.eye(200) - 1 / 200
    kc, lc = centre.double() @ k @ centre.double(), centre.double() @ l @ centre.double()
    squares = (kc * lc / 6).square()
    variance = (squares.sum() - squares.trace()) / n / (n - 1)
    variance *= 72 * (n - 4) * (n - 5) / n / (n - 1) / (n - 2) / (n - 3)
    mu = [(m.sum() - m.trace()) / n / (n - 1) for m in (k, l)]
    mean = (1 + mu[0] * mu[1] - mu[0] - mu[1]) / n
    statistic = float((kc * lc).sum() / n)
    a, scale = float(mean**2 / variance), float(n * variance / mean)
    found = gamma_test(x, y, g, g)
    assert found.statistic == pytest.approx(statistic)
    assert found.p_value == pytest.approx(stats.gamma.sf(statistic, a, scale=scale))


def test_joint_independence_sees_what_no_pair_shows():
    bits = torch.randint(2, (2, 80), generator=torch.Generator().manual_seed(0))
    third = bits.sum(0) % 2
    assert permutation_test(bits[0], third, Delta(), Delta()).p_value > 0.05
    assert joint_test(bits[0], bits[1], third).p_value <= 0.01
    x, y = normal(60, seed=4), normal(60, seed=5)
    assert joint_test(x, y, y + 0.5 * normal(60, seed=6), permutations=199).p_value <= 0.01
    apart = [normal(60, seed=s) for s in (1, 2, 3)]
    assert joint_test(*apart, permutations=199).p_value > 0.05


def test_all_pairs_at_once_are_the_pairs_one_by_one():
    a, b = normal(30), normal(30, seed=1)
    c = (a > 0).double()
    kernels = {"c": Delta()}
    told = []
    alignment, p_values = pairwise_test(
        {"a": a, "b": b, "c": c}, kernels, permutations=99, progress=told.append
    )
    assert told == pytest.approx([1 / 3, 1])
    for i, j, x, y, kernel in [(0, 1, a, b, None), (0, 2, a, c, Delta()), (1, 2, b, c, Delta())]:
        one = permutation_test(x, y, None, kernel, permutations=99)
        assert p_values[i, j] == p_values[j, i] == one.p_value
        wanted = cka(x, y, of_samples(x[:, None]), kernel or of_samples(y[:, None]))
        torch.testing.assert_close(alignment[i, j], wanted)
    assert p_values[0, 2] == 0.01 < p_values[0, 1]
    assert torch.equal(alignment.diagonal(), torch.ones(3).double())
    assert bool(p_values.diagonal().isnan().all())
    with pytest.raises(ValueError, match="pairwise_test needs two columns or more; got 1"):
        pairwise_test({"a": a})
    with pytest.raises(ValueError, match="samples that differ as flat; got 30 equal ones"):
        pairwise_test({"a": a, "flat": torch.ones(30)})


def test_holm_is_the_procedure_step_by_step():
    found = holm([[0.01, 0.2], [0.02, 0.9]])
    torch.testing.assert_close(found, torch.tensor([[0.04, 0.4], [0.06, 0.9]]).double())
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    with pytest.raises(ValueError, match=r"holm needs p-values in 0..1; got \[1.5\]"):
        holm([1.5])


# -- large n


def test_features_of_all_samples_are_the_kernel():
    x = normal(30, 2)
    for kernel in (Gaussian(1.0), Linear()):
        z = nystroem(x, kernel, rank=30)(x)
        torch.testing.assert_close(z @ z.T, kernel(x, x), atol=1e-5, rtol=1e-5)
    z = random_features(2, 0.8, 40_000)(x)
    assert (z @ z.T - Gaussian(0.8)(x, x)).abs().max() < 0.03


def test_large_forms_agree_with_the_exact_value(monkeypatch):
    from swiftrnn.analysis.samples import large_samples

    monkeypatch.setattr(large_samples, "ROWS", 700)  # several chunks, the last one shorter
    x = normal(3000)
    y = x.abs() + 0.5 * normal(3000, seed=1)
    g, h = of_samples(x[:, None]), of_samples(y[:, None])
    exact = float(hsic(x, y, g, h))
    assert float(nystroem_hsic(x, y, g, h, rank=50)) == pytest.approx(exact, rel=1e-2)
    found = random_feature_hsic(x, y, g.bandwidth, h.bandwidth, count=2000)
    assert float(found) == pytest.approx(exact, rel=0.1)
    blocks = block_hsic(x, y, g, h, block=300)
    unbiased = float(hsic(x, y, g, h, unbiased=True))
    assert abs(blocks.value - unbiased) < 3 * blocks.standard_error
    assert blocks.p_value < 1e-6
    by_features = permutation_test(x, y, permutations=99, rank=30)
    assert by_features.p_value == 0.01
    same = float(nystroem_hsic(x, y, rank=30))
    assert by_features.statistic == pytest.approx(same, rel=1e-6)
    assert permutation_test(x, normal(3000, seed=9), permutations=99, rank=30).p_value > 0.05


def test_blocks_have_the_standard_error_that_they_say():
    found = [block_hsic(normal(400, seed=2 * s), normal(400, seed=2 * s + 1), block=40)
             for s in range(150)]  # fmt: skip
    values = torch.tensor([each.value for each in found]).double()
    errors = torch.tensor([each.standard_error for each in found]).double()
    assert abs(values.mean()) < 3 * values.std() / math.sqrt(150)
    assert float(values.std() / errors.mean()) == pytest.approx(1, abs=0.2)
    assert sum(each.p_value <= 0.05 for each in found) / 150 < 0.1
    t = values / errors
    by_student = torch.tensor([stats.t(9).sf(each) for each in t.tolist()])
    torch.testing.assert_close(
        torch.tensor([each.p_value for each in found]).double(), by_student, rtol=1e-5, atol=1e-9
    )


# -- bad input

PAIRED = [hsic, cka, normalised_hsic, dhsic, gamma_test, permutation_test, joint_test,
          nystroem_hsic, random_feature_hsic, block_hsic]  # fmt: skip


@pytest.mark.parametrize("of", PAIRED, ids=lambda f: f.__name__)
def test_bad_samples_get_one_line(of):
    x = normal(20)
    broken = x.clone()
    broken[3] = torch.nan
    for given_, message in [
        ((x, broken), r"nan or infinity in 1 of 20 samples, first in sample 3"),
        ((x, torch.ones(20)), r"samples that differ as .*; got 20 equal ones"),
        ((x[:3], x[:3]), r"at least \d samples .*; got \(3,\)"),
        ((x, x[:15]), r"as many samples of each; got 20 of .*, 15 of"),
    ]:
        with pytest.raises(ValueError, match=message) as caught:
            of(*given_)
        assert "\n" not in str(caught.value)
    with pytest.raises(TypeError, match="needs numbers as"):
        of(x, ["a"] * 20)


def test_arrays_and_tensors_are_the_same_and_dtypes_are_kept():
    x, y = normal(30, 2), normal(30, seed=1)
    assert hsic(x.numpy(), y.numpy()) == hsic(x, y)
    assert hsic(x.float(), y.float()).dtype == torch.float32
    count = np.arange(20)
    count.setflags(write=False)
    assert hsic(count, count[::-1]).dtype == torch.float64
    assert hsic(np.arange(20.0)[::-1], count).dtype == torch.float64  # backwards
    of_lists = hsic(x[:, 0].tolist(), y.tolist())  # no digit is lost
    torch.testing.assert_close(of_lists, hsic(x[:, 0], y), rtol=1e-12, atol=0)


def test_other_arguments_are_checked():
    x = normal(20)
    for call, message in [
        (lambda: Gaussian(0.0), "Gaussian needs a bandwidth above 0; got 0.0"),
        (lambda: normalised_hsic(x, x, epsilon=0), "epsilon above 0; got 0"),
        (lambda: dhsic(x), "two variables or more and a kernel for each; got 1 and 1"),
        (lambda: permutation_test(x, x, permutations=0), "at least 1 and block in 1..10; got 0"),
        (lambda: permutation_test(x, x, block=11), "block in 1..10; got 999 and 11"),
        (lambda: gamma_test(x, x, Linear(), Linear()), "1 from a sample to itself; got"),
        (lambda: gamma_test(x, x, Gaussian(torch.ones(2))), "needs one bandwidth; got 2"),
        (lambda: nystroem(x, Gaussian(1.0), 0), "rank of at least 1; got 0"),
        (lambda: random_features(1, 1.0, 3), "even count of at least 2 .*; got 3 and 1.0"),
        (lambda: random_feature_hsic(x, x, 0.0), "a bandwidth above 0; got 0.0"),
        (lambda: block_hsic(x, x, block=11), "two blocks of at least 4 samples; got 20 samples"),
        (lambda: hsic(torch.zeros(9).to(torch.complex64), x), "real numbers as x; got torch.comp"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            call()
