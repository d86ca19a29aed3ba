from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from reirrad.ctvolume import BodyImage
from reirrad.itkregistration import LEVELS, Followed, Level, RegistrationError, follow, metrics
from reirrad.registration import Rigid

BONES = ((60.0, 10.0, 5.0), (-50.0, -20.0, -30.0), (10.0, 45.0, 40.0), (-20.0, 30.0, -55.0))
LANDMARKS = np.array([[0.0, 0, 0], [130, 0, 20], [-130, 10, -30], [0, 80, 50], [0, -80, -50], *BONES])
OBLIQUE = Rotation.from_euler("zx", [4.0, -3.0], degrees=True).as_matrix()


def hu(points: np.ndarray) -> np.ndarray:
    """A soft oval body with four bones of different sizes."""

    def inside(centre: tuple[float, ...], axes: tuple[float, ...]) -> np.ndarray:
        radius = np.sqrt((((points - centre) / axes) ** 2).sum(axis=-1))
        return np.asarray(1 / (1 + np.exp(np.clip((radius - 1) * min(axes) / 1.5, -40, 40))))

    values = -300 + 340 * inside((0, 0, 0), (150, 95, 400))
    for k, bone in enumerate(BONES):
        values = np.maximum(values, -300 + (700 + 60 * k) * inside(bone, (14.0 + 5 * k, 22.0, 18.0 + 3 * k)))
    return np.asarray(values)


def image(
    to_patient: Rigid, rotation: np.ndarray, middle: np.ndarray, shape: tuple[int, int, int], step_mm: tuple[float, float, float], seed: int
) -> BodyImage:
    """A scan of the body with 15 HU of noise; the scanner has no value at the first column."""
    step = np.array(step_mm)
    first = rotation @ middle - (np.array(shape[::-1]) - 1) / 2 * step
    empty = BodyImage(rotation, first, step, np.zeros(shape, np.float32), np.zeros(shape, bool), np.ones(shape, bool))
    values = hu(to_patient(empty.points_mm(np.ones(shape, bool)))).reshape(shape)
    body, known = values > -150, np.ones(shape, bool)
    known[:, :, 0] = False
    noisy = np.where(body, values + np.random.default_rng(seed).normal(0, 15, shape), -300).astype(np.float32)
    return BodyImage(rotation, first, step, noisy, body, known)


def moved(shift_mm: tuple[float, float, float], angles_deg: tuple[float, float, float]) -> Rigid:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles_deg, degrees=True).as_matrix()
    matrix[:3, 3] = shift_mm
    return Rigid(matrix)


def pair(truth: Rigid) -> tuple[BodyImage, BodyImage]:
    """A straight fixed scan and an oblique moving one with other voxels."""
    fixed = image(Rigid(np.eye(4)), np.eye(3), np.array([2.0, 3, 5]), (50, 70, 112), (3.1, 3.3, 3.0), 1)
    moving = image(truth.inverse(), OBLIQUE, truth.matrix[:3, 3] + [4.0, -6, 9], (44, 82, 100), (3.4, 2.9, 4.0), 2)
    return fixed, moving


def worst_mm(found: Rigid, truth: Rigid) -> float:
    return float(np.linalg.norm(found(LANDMARKS) - truth(LANDMARKS), axis=1).max())


@pytest.fixture(scope="module")
def near() -> tuple[BodyImage, BodyImage, Rigid]:
    truth = moved((12, -7, 9), (2, -3, 4))
    return *pair(truth), truth


@pytest.mark.parametrize(
    ("shift_mm", "angles_deg"),
    [((30.0, -22.0, 17.0), (3.0, -5.0, 8.0)), ((-18.0, 30.0, -25.0), (-8.0, 4.0, -2.0)), ((5.0, 12.0, 30.0), (6.0, 8.0, -7.0))],
)
def test_a_start_far_off_ends_within_a_third_of_a_millimetre(shift_mm: tuple[float, float, float], angles_deg: tuple[float, float, float]) -> None:
    truth = moved(shift_mm, angles_deg)
    fixed, moving = pair(truth)
    found = follow(fixed, moving, Rigid(np.eye(4)))
    assert worst_mm(Rigid(np.eye(4)), truth) > 30
    assert worst_mm(found.transform, truth) < 0.3
    assert found.converged
    assert found.metric_end < 25 < found.metric_start


def test_two_runs_agree_to_the_last_digit_and_the_matrix_is_rounded(near: tuple[BodyImage, BodyImage, Rigid]) -> None:
    fixed, moving, truth = near
    one, two = (follow(fixed, moving, truth, levels=LEVELS[1:2]) for _ in range(2))
    assert one.transform.matrix.tolist() == two.transform.matrix.tolist()
    np.testing.assert_array_equal(np.round(one.transform.matrix[:3, 3], 6), one.transform.matrix[:3, 3])


def test_a_part_of_the_body_is_enough(near: tuple[BodyImage, BodyImage, Rigid]) -> None:
    fixed, moving, truth = near
    upper = fixed.body.copy()
    upper[:25] = False
    start = Rigid(moved((3, -2, 2), (0, 0, 0)).matrix @ truth.matrix)
    assert worst_mm(follow(fixed, moving, start, upper, LEVELS[1:]).transform, truth) < 1.0


def test_the_metric_is_least_at_the_answer_and_infinite_without_overlap(near: tuple[BodyImage, BodyImage, Rigid]) -> None:
    fixed, moving, truth = near
    beside = [Rigid(moved((x, 0, 0), (0, 0, 0)).matrix @ truth.matrix) for x in (0.0, 4.0, -12.0, 900.0)]
    at, near_by, off, outside = metrics(fixed, moving, beside)
    assert at < near_by < off < outside == math.inf
    assert metrics(fixed, moving, [truth], fixed.body, Level(2.0, 1, 0.05))[0] < 25


def test_a_start_without_overlap_is_no_answer(near: tuple[BodyImage, BodyImage, Rigid]) -> None:
    fixed, moving, _ = near
    start = moved((0, 0, 600), (0, 0, 0))
    found = follow(fixed, moving, start)
    assert isinstance(found, Followed)
    assert (found.metric_start, found.metric_end, found.converged) == (math.inf, math.inf, False)
    assert found.transform is start


def test_a_search_that_still_moves_has_not_converged(near: tuple[BodyImage, BodyImage, Rigid], monkeypatch: pytest.MonkeyPatch) -> None:
    fixed, moving, truth = near
    monkeypatch.setattr("reirrad.itkregistration.N_ROUNDS", 1)
    start = Rigid(moved((9, 0, 0), (0, 0, 0)).matrix @ truth.matrix)
    found = follow(fixed, moving, start, levels=LEVELS[1:2])
    assert not found.converged
    assert found.metric_end < found.metric_start


def test_without_simpleitk_it_says_what_to_install(near: tuple[BodyImage, BodyImage, Rigid], monkeypatch: pytest.MonkeyPatch) -> None:
    fixed, moving, truth = near
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(RegistrationError, match=r"^Automatic registration needs SimpleITK; install reirrad\[reg\]"):
        follow(fixed, moving, truth)
