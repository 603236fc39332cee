"""The sampler on a problem with a closed-form posterior."""

import numpy as np

from stroma.calibration.sampler import explore, fit_emulator, importance_weights, n_terms


def test_emulator_recovers_a_quadratic_exactly():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 3))
    y = (1 + 2 * x[:, 0] - x[:, 1] * x[:, 2] + 0.5 * x[:, 0] ** 2)[:, None]
    emulator = fit_emulator(x, y, ridge=1e-9)
    fresh = rng.normal(size=(50, 3))
    want = 1 + 2 * fresh[:, 0] - fresh[:, 1] * fresh[:, 2] + 0.5 * fresh[:, 0] ** 2
    np.testing.assert_allclose(emulator.predict(fresh)[:, 0], want, atol=1e-6)


def test_emulator_follows_one_parameter_to_the_fourth_order():
    rng = np.random.default_rng(6)
    x, fresh = rng.normal(size=(800, 3)), rng.normal(size=(50, 3))

    def curve(x: np.ndarray) -> np.ndarray:
        return x[:, 1] ** 3 - 2 * x[:, 1] ** 2 * x[:, 0] + 0.3 * x[:, 1] ** 4 + x[:, 2]

    emulator = fit_emulator(x, curve(x)[:, None], ridge=1e-9, cubic=1)
    np.testing.assert_allclose(emulator.predict(fresh)[:, 0], curve(fresh), atol=1e-5)
    assert emulator.coefficients.shape[0] == n_terms(3, cubic=1)


def test_emulator_averages_noise_out():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3000, 4))
    truth = x @ np.array([1.0, -1.0, 0.5, 0.0])
    emulator = fit_emulator(x, (truth + rng.normal(scale=0.5, size=3000))[:, None])
    assert np.std(emulator.predict(x)[:, 0] - truth) < 0.06


def test_chain_and_weights_give_the_gaussian_posterior():
    """Prior N(0, 1), one datum 1.0 with SD 0.5: the posterior is N(0.8, 0.2), by conjugacy."""
    def posterior(x: np.ndarray) -> np.ndarray:
        return -0.5 * x[:, 0] ** 2 - 0.5 * ((1.0 - x[:, 0]) / 0.5) ** 2

    start = np.random.default_rng(3).normal(size=(16, 1))
    chain, _ = explore(posterior, start, 4000, seed=4)
    assert abs(chain.mean() - 0.8) < 0.03
    assert abs(chain.var() - 0.2) < 0.02
    points = np.random.default_rng(5).normal(0.5, 0.7, size=(20_000, 1))
    weight, effective = importance_weights(posterior(points), -0.5 * ((points[:, 0] - 0.5) / 0.7) ** 2)
    assert abs(weight @ points[:, 0] - 0.8) < 0.02
    assert effective > 8000


def test_a_chain_is_worth_as_many_draws_as_its_means_scatter_like():
    """Means of n independent draws scatter with SD 1/sqrt(n); so do those of chains worth n draws, whatever started."""
    rng = np.random.default_rng(7)
    found = [explore(lambda x: -0.5 * (x**2).sum(axis=1), rng.normal(size=(24, 6)), 1500, seed=s) for s in range(24)]
    scatter = np.sqrt(np.mean([chain.mean(axis=0) ** 2 for chain, _ in found]))
    expected = 1 / np.sqrt(np.mean([worth for _, worth in found]))
    assert 0.6 < scatter / expected < 1.3, "the longest of six autocorrelation times, so rather too few"


def test_a_point_of_no_probability_gets_no_weight():
    weight, effective = importance_weights(np.array([0.0, -np.inf, 0.0]), np.zeros(3))
    np.testing.assert_allclose(weight, [0.5, 0.0, 0.5])
    assert effective == 2.0
