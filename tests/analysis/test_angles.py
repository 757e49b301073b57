"""Angles of random directions against quadrature and samples; and what sets of vectors are."""

import math
import subprocess
import sys

import mpmath as mp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy import stats

from swiftrnn.analysis.samples import _tails
from swiftrnn.analysis.samples.angles import (
    angle,
    angle_between,
    cosine,
    cosine_pvalue,
    cosine_test,
    draw,
    largest_cosine,
    log_density,
)
from swiftrnn.analysis.samples.dimension import dimension_of_log_sine, dimension_of_variance
from swiftrnn.analysis.samples.isotropy import effective_dimension, isotropy_test

MANY = (2, 2.5, 3, 4, 10, 50, 768, 10_000, 1_000_000)
ESTIMATES = ("by_square", "by_variance", "by_angle", "by_likelihood")


def integral(f, n, low=None, high=None):
    """Of f(theta) sin(theta)^(n-2), in 30 digits, over so many pieces that none is steep."""
    with mp.workdps(30):
        edge = min(mp.pi / 2, 24 / mp.sqrt(n))
        low = mp.pi / 2 - edge if low is None else mp.mpf(low)
        high = mp.pi / 2 + edge if high is None else mp.mpf(high)
        return mp.quad(lambda t: f(t) * mp.sin(t) ** (n - 2), mp.linspace(low, high, 9))


def places(n):
    """Angles from deep in a tail to the right angle."""
    return [t for z in (0, 0.3, 1, 3, 8) if (t := math.pi / 2 - z / math.sqrt(n)) > 0]


@pytest.mark.parametrize("n", MANY)
def test_density_and_both_tails_are_the_integrals(n):
    whole = integral(lambda t: 1, n)
    for t in places(n):
        assert angle(n).pdf(t) == pytest.approx(float(mp.sin(t) ** (n - 2) / whole), rel=1e-10)
        start = max(0.0, t - 24 / math.sqrt(n))
        below = float(integral(lambda t: 1, n, start, t) / whole)
        assert angle(n).cdf(t) == pytest.approx(below, rel=1e-10)
        assert angle(n).sf(t) == pytest.approx(1 - below, rel=1e-10)
        assert angle(n).logcdf(t) == pytest.approx(math.log(below), rel=1e-10)
        other = np.pi - t  # rounded, so not quite as far from the pole
        assert angle(n).sf(other) == pytest.approx(below, rel=1e-10, abs=1e-15 * n**0.5)
        assert angle(n).cdf(other) == pytest.approx(1 - below, rel=1e-10)


@pytest.mark.parametrize("z", [0.5, 3.0, 19.9, 20.0, 20.1, 1000.0, 1e9])
def test_the_ratio_of_gamma_functions_keeps_its_digits(z):
    with mp.workdps(40):
        exact = float(mp.loggamma(mp.mpf(z) + 0.5) - mp.loggamma(z))
        slope = float(mp.digamma(mp.mpf(z) + 0.5) - mp.digamma(z))
    tolerance = 1e-14 if z < 20 else 1e-15  # below it is a difference of two logarithms
    assert _tails.log_ratio(z) == pytest.approx(exact, rel=tolerance, abs=tolerance)
    assert _tails.log_ratio_slope(z) == pytest.approx(slope, rel=5 * tolerance)


@pytest.mark.parametrize("n", MANY)
def test_moments_and_entropy_are_the_integrals(n):
    whole, middle, law = integral(lambda t: 1, n), mp.pi / 2, angle(n)
    central = [float(integral(lambda t, k=k: (t - middle) ** k, n) / whole) for k in (2, 4)]
    assert law.mean() == np.pi / 2
    assert law.var() == pytest.approx(central[0], rel=1e-10)
    assert law.std() == pytest.approx(math.sqrt(central[0]), rel=1e-10)
    skew, kurtosis = law.stats("sk")
    assert skew == 0
    assert kurtosis == pytest.approx(central[1] / central[0] ** 2 - 3, rel=1e-9, abs=1e-9)
    for order in (3, 5, 6):
        raw = float(integral(lambda t, k=order: t**k, n) / whole)
        assert law.moment(order) == pytest.approx(raw, rel=1e-10)
    entropy = integral(lambda t: mp.log(whole) - (n - 2) * mp.log(mp.sin(t) + mp.mpf(10) ** -40), n)
    assert law.entropy() == pytest.approx(float(entropy / whole), abs=1e-10)


def test_variances_are_those_of_the_post():
    table = {2: 0.822467, 3: 0.467401, 10: 0.110661, 20: 0.0525832, 50: 0.0204053, 100: 0.0101007,
             200: 0.00502508, 1000: 0.001001}  # fmt: skip
    assert angle.var(np.array(list(table))) == pytest.approx(list(table.values()), rel=5e-6)


@pytest.mark.parametrize("n", [2, 3, 10, 768, 1_000_000])
@pytest.mark.parametrize("t", [1e-300, 1e-9, 0.02, 1.5, 1.57, 2.0, 3.0, math.pi - 1e-9])
def test_log_density_is_exact_near_the_poles_and_in_a_million_dimensions(n, t):
    with mp.workdps(50):
        factor = mp.loggamma(mp.mpf(n) / 2) - mp.loggamma(mp.mpf(n - 1) / 2) - mp.log(mp.pi) / 2
        exact = float(factor + (n - 2) * mp.log(mp.sin(mp.mpf(t))))
    assert angle(n).logpdf(t) == pytest.approx(exact, rel=1e-14)


@pytest.mark.parametrize(
    ("n", "t"),
    [(3, 1e-150), (10, 1e-60), (768, 0.1), (768, 0.4), (10_000, 1.0), (1_000_000, 1.4),
     (1_000_000, 1.52)],
)  # fmt: skip
def test_logarithms_go_on_where_probabilities_are_zero(n, t):
    law = angle(n)
    with mp.workdps(450 if t < 1e-3 else 60):
        # over the cosine, whose powers fall like exp(-rate * distance)
        c = mp.cos(mp.mpf(t))
        half, rate = mp.mpf(n - 3) / 2, (n - 1) * c / mp.sin(mp.mpf(t)) ** 2
        pieces = mp.linspace(0, min(1 - c, 80 / rate), 9)
        inner = mp.quad(lambda u: ((1 - (c + u) ** 2) / (1 - c * c)) ** half, pieces)
        factor = mp.loggamma(mp.mpf(n) / 2) - mp.loggamma(mp.mpf(n - 1) / 2) - mp.log(mp.pi) / 2
        exact = float(factor + half * mp.log(1 - c * c) + mp.log(inner))
    assert exact < -570
    assert law.logcdf(t) == pytest.approx(exact, rel=1e-12)
    assert law.logcdf(np.pi - t) == 0
    if t > 1e-3:  # closer to pi there is no float
        assert law.logsf(np.pi - t) == pytest.approx(exact, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(n=st.floats(2, 1e6), q=st.floats(1e-300, 0.999))
def test_quantiles_undo_probabilities(n, q):
    law = angle(n)
    theta = law.ppf(q)
    assert law.logcdf(theta) == pytest.approx(math.log(q), rel=1e-9)
    assert law.ppf(law.cdf(theta)) == pytest.approx(theta, rel=1e-11)
    assert law.isf(q) == pytest.approx(np.pi - theta, rel=1e-14)
    assert law.isf(law.sf(law.isf(q))) == pytest.approx(law.isf(q), rel=1e-11)


@pytest.mark.parametrize("n", [2, 2.2, 3, 50])
def test_quantiles_reach_the_poles(n):
    law = angle(n)
    for q in (1e-280, 1e-200, 1e-20):
        assert law.logcdf(law.ppf(q)) == pytest.approx(math.log(q), rel=1e-13)
        assert law.isf(q) == pytest.approx(np.pi - law.ppf(q), rel=1e-15)
    assert law.ppf([0, 0.5, 1]) == pytest.approx([0, np.pi / 2, np.pi], rel=1e-15)
    assert law.cdf([-1, 0, np.pi, 4]) == pytest.approx([0, 0, 1, 1], abs=1e-15)
    assert angle(n).pdf([-0.1, np.pi + 0.1]).tolist() == [0, 0]
    assert angle(3).interval(0.9) == pytest.approx((math.acos(0.9), math.acos(-0.9)))


def test_a_plane_is_uniform_and_space_has_the_sine():
    theta = np.linspace(0, np.pi, 13)
    np.testing.assert_allclose(angle.pdf(theta, 2), 1 / np.pi, rtol=1e-14)
    np.testing.assert_allclose(angle.cdf(theta, 2), theta / np.pi, rtol=1e-14)
    np.testing.assert_allclose(angle.pdf(theta, 3), np.sin(theta) / 2, rtol=1e-14)
    np.testing.assert_allclose(angle.cdf(theta, 3), (1 - np.cos(theta)) / 2, atol=1e-15)
    assert angle(5).expect(np.cos) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("n", [2, 3, 5, 10, 20, 50, 100, 200, 768, 1000])
def test_angles_of_normal_vectors_follow_the_distribution(n):
    generator = np.random.default_rng([7, n])
    theta = angle_between(generator.normal(size=(4000, n)), generator.normal(size=(4000, n)))
    assert stats.kstest(theta, angle(n).cdf).pvalue > 1e-3
    drawn = angle(n).rvs(4000, random_state=np.random.default_rng(n))
    assert stats.kstest(drawn, angle(n).cdf).pvalue > 1e-3
    np.testing.assert_array_equal(drawn, angle(n).rvs(4000, random_state=np.random.default_rng(n)))
    if n < 50:  # the normal approximation is not the distribution
        assert stats.kstest(theta, stats.norm(np.pi / 2, n**-0.5).cdf).pvalue < 0.2


def test_fit_finds_the_most_likely_dimension():
    theta = angle(37).rvs(2000, random_state=np.random.default_rng(0))
    n, loc, scale = angle.fit(theta, floc=0, fscale=1)
    assert (loc, scale) == (0, 1)
    assert n == angle.fit(torch.from_numpy(theta))[0] == pytest.approx(37, rel=0.1)
    near = np.array([n * 0.999, n, n * 1.001])
    assert angle.logpdf(theta[:, None], near).sum(0).argmax() == 1
    assert angle.fit([0.1, 0.2, 3.0, 3.1])[0] == 2  # fewer than a plane has: the nearest there is
    loose = angle.fit(theta[:50], 37.0, floc=0.0)
    assert loose[1] == 0
    assert loose[2] == pytest.approx(1, abs=0.05)


def test_scipy_fits_it_as_it_fits_others():
    theta = angle(20).rvs(400, random_state=np.random.default_rng(0))
    found = stats.fit(angle, theta, bounds={"n": (2, 100)})
    assert found.success
    assert found.params.n == pytest.approx(angle.fit(theta)[0], rel=1e-4)
    assert (found.params.loc, found.params.scale) == (0, 1)


def test_tables_and_low_precision_are_vectors_and_angles():
    pandas = pytest.importorskip("pandas")
    vectors = np.random.default_rng(0).normal(size=(30, 4)).round(2)
    table = pandas.DataFrame(vectors)
    assert (cosine_test(table, vectors[0]) == cosine_test(vectors, vectors[0])).all()
    assert effective_dimension(table) == effective_dimension(vectors)
    for scale in (1e-310, 1e-200, 1e307):
        found = effective_dimension(vectors * scale, centred=True).by_square.value
        wanted = effective_dimension(vectors, centred=True).by_square.value
        assert found == pytest.approx(wanted, rel=1e-6)
        assert isotropy_test(vectors * scale).pvalue == pytest.approx(
            isotropy_test(vectors).pvalue, rel=1e-6
        )
    half = torch.tensor([0.5, 1.5, 3.0]).half()
    wanted = log_density(half.double(), 50)
    found = log_density(half, 50)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), wanted, rtol=1e-6, atol=0)
    assert log_density([-0.1, 1.0, 4.0], 3).tolist()[::2] == [-math.inf, -math.inf]
    for bad, message in [
        (lambda: log_density(math.nan, 3), "finite numbers as theta; got nan"),
        (lambda: dimension_of_variance(math.inf), "a variance of 0 or more; got inf"),
        (lambda: dimension_of_log_sine(-math.inf), "a mean of 0 or less; got -inf"),
        (lambda: largest_cosine(math.nan, 5), "a count of 2 or more directions; got nan"),
    ]:
        with pytest.raises(ValueError, match=message):
            bad()


def test_dimensions_follow_from_what_angles_do():
    for n in MANY:
        assert dimension_of_variance(float(angle(n).var())) == pytest.approx(n, rel=1e-11)
        slope = float(_tails.log_ratio_slope((n - 1) / 2))
        assert dimension_of_log_sine(-slope / 2) == pytest.approx(n, rel=1e-11)
    assert dimension_of_variance(math.pi**2 / 4) == pytest.approx(1)  # only 0 and pi: a line
    assert dimension_of_variance(0) == dimension_of_log_sine(0) == math.inf
    with pytest.raises(
        ValueError, match="dimension_of_variance needs a variance of 0 or more; got"
    ):
        dimension_of_variance(-0.1)
    with pytest.raises(
        ValueError, match="dimension_of_log_sine needs a mean of 0 or less; got nan"
    ):
        dimension_of_log_sine(math.nan)


@pytest.mark.parametrize("n", [2, 3, 10, 768, 1_000_000])
def test_p_values_are_those_of_students_t(n):
    for c in (0.001, -0.3, 0.5, 3 / math.sqrt(n + 9)):
        t = c * math.sqrt((n - 1) / (1 - c * c))
        student = stats.t(n - 1)
        for side, exact in (("greater", student.sf(t)), ("less", student.cdf(t)),
                            ("two-sided", 2 * student.sf(abs(t)))):  # fmt: skip
            found = cosine_pvalue(c, n, side)
            assert found == pytest.approx(exact, rel=1e-9, abs=1e-300)
            if exact:
                log = cosine_pvalue(c, n, side, log=True)
                assert log == pytest.approx(math.log(exact), rel=1e-9, abs=1e-12)
    assert cosine(n).sf(0.02) == pytest.approx(cosine_pvalue(0.02, n, "greater"), rel=1e-9)
    assert cosine(n).var() == pytest.approx(1 / n)


def test_p_values_take_arrays_tensors_and_rounded_cosines():
    c = np.array([[0.0, 1.0], [-1.0, 0.2]])
    found = cosine_pvalue(torch.tensor(c), 20)
    assert found == pytest.approx(np.array([[1.0, 0.0], [0.0, cosine_pvalue(0.2, 20)]]))
    assert cosine_pvalue(torch.tensor(1.0000002), 20) == 0
    assert cosine_pvalue(0.99, 10_000, log=True) < -10_000
    assert cosine_pvalue(0.5, np.array([2, 3])) == pytest.approx([2 / 3, 1 / 2])


def test_vectors_are_tested_by_their_cosines():
    u, v = np.random.default_rng(0).normal(size=(2, 6, 30))
    c = (u * v).sum(1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1)
    np.testing.assert_allclose(np.cos(angle_between(u, v)), c, rtol=1e-12)
    for side in ("two-sided", "greater", "less"):
        found = cosine_test(torch.from_numpy(u), v, side)
        np.testing.assert_allclose(found, cosine_pvalue(c, 30, side), rtol=1e-11)
    np.testing.assert_allclose(cosine_test(u, v[0])[0], cosine_pvalue(c[0], 30), rtol=1e-11)
    close = cosine_test([1.0, 1e-12, 0.0, 0.0], [1e-200, 0.0, 0.0, 0.0], "greater", log=True)
    assert close == pytest.approx(angle(4).logcdf(1e-12), rel=1e-12)


def test_angles_near_both_poles_are_exact():
    for turned in (0.0, 1e-160, 1e-9, 1e-3, 1.0):
        for sign in (1, -1):
            second = [sign * math.cos(turned), math.sin(turned), 0.0]
            expected = turned if sign > 0 else math.pi - turned
            found = angle_between([0.5, 0.0, 0.0], second)
            assert found == pytest.approx(expected, rel=1e-15)


def test_the_largest_cosine_is_exact_for_two_and_close_for_many():
    for n in (2, 3, 50):
        mean = float(mp.gamma(n / 2) / mp.sqrt(mp.pi) / mp.gamma((n + 1) / 2))
        assert largest_cosine(2, n) == pytest.approx(mean, rel=1e-10)
    generator = np.random.default_rng(0)
    for count, n, repeats, off in ((10, 5, 2000, 0.01), (100, 30, 100, 0.02)):
        unit = generator.normal(size=(repeats, count, n))
        unit /= np.linalg.norm(unit, axis=-1, keepdims=True)
        largest = np.abs(np.triu(unit @ unit.transpose(0, 2, 1), 1)).max((1, 2)).mean()
        assert largest_cosine(count, n) == pytest.approx(largest, rel=off)


def test_log_density_in_torch_is_the_same_and_has_gradients():
    theta = torch.tensor([1e-3, 0.5, 1.5, 1.5707, 2.5], dtype=torch.float64, requires_grad=True)
    for n in (2.0, 3.5, 1000.0):
        size = torch.tensor(n + 0.5, dtype=torch.float64, requires_grad=True)
        exact = angle(n + 0.5).logpdf(theta.detach().numpy())
        np.testing.assert_allclose(log_density(theta, size).detach(), exact, rtol=1e-10)
        assert torch.autograd.gradcheck(log_density, (theta, size))
    (slope,) = torch.autograd.grad(log_density(theta, 1e6).sum(), theta)
    np.testing.assert_allclose(slope, (1e6 - 2) / theta.detach().tan(), rtol=1e-10)
    single = log_density(torch.tensor([1.57, math.pi / 2]), 1_000_000)
    np.testing.assert_allclose(single, angle(1e6).logpdf([1.57, np.pi / 2]), rtol=1e-4)
    assert single.dtype == torch.float32
    assert float(log_density(torch.tensor(0.0), 2)) == pytest.approx(-math.log(math.pi))


def test_a_picture_has_a_curve_for_each_dimension():
    axes = Figure().add_subplot()
    draw(axes, (2, 3, 1000))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "n = 2", "n = 3", "n = 1000",
    ]  # fmt: skip
    assert axes.get_xlabel() == "angle, degrees"
    for line in axes.lines:
        x, y = line.get_data()
        assert np.trapezoid(y, x) == pytest.approx(1, abs=1e-4)


def test_effective_dimensions_are_those_of_all_pairs_by_hand():
    vectors = np.random.default_rng(1).normal(size=(30, 6)) * [4, 2, 1, 1, 1, 1] + 0.5
    for given_, centred in ((vectors, False), (vectors - vectors.mean(0), True)):
        unit = given_ / np.linalg.norm(given_, axis=1, keepdims=True)
        cosines = (unit @ unit.T)[np.triu_indices(30, 1)]
        theta = np.arccos(cosines)
        found = effective_dimension(torch.from_numpy(vectors), centred)
        assert found.pairs == 435
        assert found.by_square.value == pytest.approx(1 / (cosines**2).mean())
        assert found.by_variance.value == pytest.approx(1 / cosines.var())
        assert angle.var(found.by_angle.value) == pytest.approx(theta.var())
        n = found.by_likelihood.value
        assert n == pytest.approx(angle.fit(theta)[0], rel=1e-9)


def test_effective_dimension_is_the_participation_ratio():
    widths = np.array([3.0, 2.0, 1.0, 0.5, 0.5])
    vectors = np.random.default_rng(2).normal(size=(20_000, 5)) * widths
    found = effective_dimension(vectors, pairs=100_000)
    assert found.pairs == 100_000
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    ratio = 1 / ((unit.T @ unit / len(unit)) ** 2).sum()
    assert abs(found.by_square.value - ratio) < 3 * found.by_square.error
    assert found == effective_dimension(vectors, pairs=100_000)
    assert found != effective_dimension(vectors, pairs=100_000, seed=1)
    moved = effective_dimension(vectors + 50, centred=True, pairs=100_000)
    assert moved.by_square.value == pytest.approx(found.by_square.value, rel=0.02)
    assert effective_dimension(vectors + 50, pairs=1000).by_square.value < 1.01


@pytest.mark.parametrize(
    ("widths", "pairs"), [([1] * 8, 10_000), ([5] + [1] * 7, 10_000), ([3] + [1] * 7, 300)]
)
def test_standard_errors_are_those_of_new_sets(widths, pairs):
    runs = [
        effective_dimension(np.random.default_rng(seed).normal(size=(60, 8)) * widths, pairs=pairs)
        for seed in range(150)
    ]
    for name in ESTIMATES:
        values = [getattr(run, name).value for run in runs]
        errors = [getattr(run, name).error for run in runs]
        assert np.std(values, ddof=1) == pytest.approx(
            np.sqrt(np.mean(np.square(errors))), rel=0.15
        )


def test_perpendicular_vectors_have_more_dimensions_than_any_number_that_matters():
    found = effective_dimension(np.eye(6))
    assert min(getattr(found, name).value for name in ESTIMATES) > 1e15
    twice = effective_dimension(np.eye(6)[[0, 0, 1, 2, 3, 4]])  # duplicates are no error
    assert twice.by_likelihood.value < 2 < twice.by_square.value


@pytest.mark.parametrize(
    ("count", "d", "centred"), [(60, 3, False), (30, 100, False), (100, 10, True), (40, 200, True)]
)
def test_isotropic_vectors_pass_as_often_as_they_should(count, d, centred):
    found = [
        isotropy_test(np.random.default_rng([s, d]).normal(size=(count, d)) + 3 * centred, centred)
        for s in range(200)
    ]
    for name in ("mean", "axes", "angles"):
        values = [getattr(test, name) for test in found]
        if name == "mean" and centred:
            assert values == [None] * 200
        else:
            assert 0.005 <= np.mean(np.array(values) < 0.05) <= 0.11
    assert np.mean([test.pvalue < 0.05 for test in found]) <= 0.09


def test_vectors_that_favour_something_do_not_pass():
    normal = np.random.default_rng(0).normal(size=(400, 20))
    assert isotropy_test(normal).pvalue > 0.05
    shifted = isotropy_test(normal + 0.3)
    assert shifted.mean < 1e-6
    assert isotropy_test(normal + 0.3, centred=True).pvalue > 0.05
    wide = isotropy_test(torch.from_numpy(normal * np.r_[3, np.ones(19)]).float())
    assert wide.mean > 1e-3 > 1e-6 > wide.axes
    assert wide.pvalue == pytest.approx(3 * min(wide.mean, wide.axes, wide.angles))
    uneven = np.random.default_rng(0).random((400, 20))
    assert isotropy_test(uneven).angles < 1e-9
    few = isotropy_test(normal[:15] * np.r_[9, np.ones(19)])  # fewer than dimensions: by their Gram
    assert few.axes < 1e-3


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: angle(1.5), ValueError, "angle needs n of 2 or more dimensions, finite; got 1.5"),
        (lambda: angle(n=math.nan), ValueError, "angle needs n of 2 or more .* got nan"),
        (lambda: angle([3, 0]), ValueError, "angle needs n of 2 or more .* got 0.0"),
        (lambda: angle("three"), TypeError, "angle needs numbers as n; got str"),
        (lambda: cosine(1), ValueError, "cosine needs n of 2 or more dimensions, finite; got 1.0"),
        (lambda: cosine_pvalue(0.1, 1), ValueError, "cosine_pvalue needs n of 2 or more"),
        (lambda: cosine_pvalue([0.1, -1.5], 9), ValueError, "cosines in -1..1; got -1.5; divide"),
        (lambda: cosine_pvalue(math.nan, 9), ValueError, "finite numbers as cosine; got nan or"),
        (lambda: cosine_pvalue(0.1, 9, "both"), ValueError, "two-sided, greater, less .* 'both'"),
        (lambda: cosine_test([1.0], [2.0]), ValueError, "cosine_test needs n of 2 or more"),
        (lambda: angle_between([1.0, 2], [1.0, 2, 3]), ValueError, r"got \(2,\) and \(3,\); pair"),
        (lambda: angle_between(np.ones((4, 3)), np.ones((5, 3))), ValueError,
         r"angle_between needs as many vectors of one length; got \(4, 3\) and \(5, 3\)"),
        (lambda: angle_between([[1.0, 2], [0, 0]], [1.0, 2]), ValueError,
         "needs vectors with a direction as first; got 1 of 2 that are zero; leave them out"),
        (lambda: angle_between([1.0], []), ValueError, "with a direction as second; got 1 of 1"),
        (lambda: angle_between([1.0, math.nan], [1.0, 2]), ValueError, "finite numbers as first"),
        (lambda: angle_between([1j, 2], [1.0, 2]), TypeError, "real numbers as first; got torch.c"),
        (lambda: largest_cosine(1, 5), ValueError, "a count of 2 or more directions; got 1"),
        (lambda: largest_cosine(5, 1), ValueError, "largest_cosine needs n of 2 or more"),
        (lambda: log_density(torch.ones(2), 1), ValueError, "log_density needs n of 2 or more"),
        (lambda: draw(None, [2, 1]), ValueError, "draw needs n of 2 or more .* got 1.0"),
        (lambda: angle.fit([0.1, 90.0, 1, 1]), ValueError, "angle.fit needs angles in 0..pi, in"),
        (lambda: angle.fit([0.1, 0.2]), ValueError, r"at least 4 samples .* as data; got \(2"),
        (lambda: effective_dimension(np.ones((3, 5))), ValueError, r"at least 4 .* \(3, 5\)"),
        (lambda: effective_dimension(np.ones((9, 5))), ValueError, "that differ as vectors; got 9"),
        (lambda: effective_dimension(np.arange(9.0)), ValueError, r"d of 2 or more; got \(9, 1\)"),
        (lambda: effective_dimension(np.eye(5), pairs=3), ValueError, "at least 4 pairs; got 3"),
        (lambda: effective_dimension(np.diag([1, 1, 1, 0.0])), ValueError,
         "effective_dimension needs a direction; got 1 zeros among 4 vectors; leave them out"),
        (lambda: effective_dimension([[math.nan, 1]] * 5), ValueError, "got nan or infinity in 5"),
        (lambda: effective_dimension([["a"]]), TypeError, "needs numbers as vectors; got list"),
        (lambda: isotropy_test(np.eye(7), centred=True), ValueError, "at least 8 vectors .* got 7"),
        (lambda: isotropy_test(np.eye(5)[[0, 0, 1, 1, 2, 2, 0, 0, 0, 0]], centred=True), ValueError,
         "zeros among 5 differences of paired vectors; leave duplicates out"),
    ],
)  # fmt: skip
def test_wrong_input_gets_one_sentence(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_distributions_that_are_not_frozen_have_no_probabilities_below_two_as_in_scipy():
    assert math.isnan(angle.pdf(1.0, 1))


def test_nothing_heavy_is_loaded():
    code = ("import sys, swiftrnn.analysis.samples.angles, swiftrnn.analysis.samples.isotropy; "
            "print([m for m in ('matplotlib', 'lightning') if m in sys.modules])")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n"
