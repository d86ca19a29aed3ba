"""Automatic rigid registration of drawn pelvis CT against known answers.

    python benchmarks/auto_registration.py            # prints the tables of docs/registration.md
    python benchmarks/auto_registration.py 3          # three pairs of each kind
    python benchmarks/auto_registration.py 3 -v       # and every pair

Every pair is drawn from formulas, at its own resolution: a body with pelvic bones, femoral heads, vertebrae every 34 mm, bladder and rectum. The second CT is
shifted by up to 30 mm along each axis and turned by up to 8 degrees about each, has another field of view, voxel size and slice distance, another couch,
another noise, another filling of the bladder and gas in the rectum. The other kinds of pairs are harder, or have no answer at all.
The error is the largest distance from the truth over points of the body in the fixed CT, 12 mm apart.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from reirrad.autoquality import difference
from reirrad.autoregistration import AutoRegistration, register
from reirrad.ctvolume import CtVolume
from reirrad.grid import Float64, Grid
from reirrad.registration import Rigid

GOAL_MM, GOAL_DEG = 1.0, 1.0
# centre, half axes (mm), HU within, in the order of drawing
Part = tuple[tuple[float, float, float], tuple[float, float, float], float]
PELVIS: tuple[Part, ...] = (
    *(((s * 85.0, 15.0, 0.0), (22.0, 45.0, 62.0), 420.0) for s in (-1, 1)),
    *(((s * 85.0, 12.0, 2.0), (14.0, 37.0, 54.0), 60.0) for s in (-1, 1)),
    *(((s * 90.0, 5.0, -62.0), (25.0, 25.0, 25.0), 520.0) for s in (-1, 1)),
    *(((s * 90.0, 5.0, -62.0), (19.0, 19.0, 19.0), 260.0) for s in (-1, 1)),
    *(((s * 25.0, -48.0, -75.0), (24.0, 10.0, 12.0), 450.0) for s in (-1, 1)),
    ((0.0, 72.0, -10.0), (36.0, 18.0, 45.0), 350.0),
)
SPINE: tuple[Part, ...] = tuple(((0.0, 58.0, 34.0 * k + 11.0), (25.0, 20.0, 14.0), 380.0) for k in range(-8, 9))


@dataclass(frozen=True)
class Scan:
    """What is scanned, and how."""

    bladder: float = 1.0  # scale of its half axes
    gas_mm: float = 0.0  # radius of gas in the rectum
    fat: float = 1.0  # scale of the outline, bones unchanged
    femur_mm: float = 0.0  # shift of the femoral shafts
    anatomy: str = "pelvis"  # or spine (nothing but vertebrae), cylinder (nothing along the axis), other (another person)
    couch_y_mm: float = 128.0
    couch_curved: bool = False
    noise_hu: float = 15.0


def ellipsoid(points: Float64, centre: tuple[float, ...], axes: tuple[float, ...]) -> Float64:
    """1 inside, 0 outside, soft over about 2 mm."""
    radius = np.sqrt((((points - centre) / axes) ** 2).sum(axis=-1))
    return np.asarray(1 / (1 + np.exp(np.clip((radius - 1) * min(axes) / 0.7, -40, 40))))


def parts(scan: Scan) -> Iterable[Part]:
    """Organs and bones of the patient, in the order of drawing."""
    if scan.anatomy == "cylinder":
        return (((0.0, 58.0, 0.0), (25.0, 20.0, 1e5), 300.0),)
    if scan.anatomy == "spine":
        return SPINE
    b = scan.bladder
    organs: tuple[Part, ...] = (((0.0, -25.0, -40.0), (40 * b, 30 * b, 32 * b), 5.0), ((0.0, 42.0, -45.0), (17.0, 16.0, 50.0), 30.0))
    gas: tuple[Part, ...] = (((0.0, 40.0, -35.0), (scan.gas_mm,) * 3, -900.0),) if scan.gas_mm else ()
    femora: tuple[Part, ...] = tuple(((s * 112.0, 8.0 + scan.femur_mm, -95.0), (17.0, 17.0, 40.0), 600.0) for s in (-1, 1))
    if scan.anatomy == "other":
        bones = tuple(((1.1 * x, 0.85 * y, 1.25 * z + 6), (0.85 * a, 1.2 * b, 1.15 * c), hu) for (x, y, z), (a, b, c), hu in PELVIS)
        return (*organs, *gas, *bones)
    return (*organs, *gas, *femora, *PELVIS, *SPINE[9:])


def patient_hu(points: Float64, scan: Scan) -> Float64:
    """HU of the patient at points (..., 3) of its own frame."""
    x, y, z = np.moveaxis(points, -1, 0)
    wide, deep = (1.0, 1.0) if scan.anatomy in ("spine", "cylinder") else (1 + 0.08 * np.sin((z + 40) / 70), 1 + 0.05 * np.cos(z / 55))
    radius = np.sqrt((x / (175 * wide * scan.fat)) ** 2 + (np.where(y < 0, y / 105, y / 95) / (deep * scan.fat)) ** 2)

    def inside(edge: float) -> Float64:
        return np.asarray(1 / (1 + np.exp(np.clip((radius - edge) * 100 / 0.7, -40, 40))))

    muscle = inside(0.86 / scan.fat)
    hu = -1000 + 910 * inside(1.0) + 135 * muscle
    for centre, axes, value in parts(scan):
        part = ellipsoid(points, centre, axes)
        hu = hu * (1 - part) + value * part
    return np.asarray(hu)


def ct(grid: Grid, to_patient: Rigid, scan: Scan, seed: int) -> CtVolume:
    """A CT of the patient, with a couch that stays with the scanner and padding outside a circle."""
    points = np.stack([grid.plane_points_mm(k).reshape(*grid.shape[1:], 3) for k in range(grid.shape[0])])
    hu = patient_hu(to_patient(points), scan)
    x, y = points[..., 0], points[..., 1]
    depth = y - scan.couch_y_mm + (0.0006 * x**2 if scan.couch_curved else 0.0)
    couch = (np.abs(x) < 230) & (depth > 0) & (depth < 40)
    shell = couch & ((depth < 4) | (depth > 36) | (np.abs(x) > 226))
    hu = np.where(couch & (hu < -500), -900.0, hu)
    hu = np.where(shell & (hu < 0), 50.0, hu)
    hu = hu + np.random.default_rng(seed).normal(0, scan.noise_hu, hu.shape)
    middle = [(c[0] + c[-1]) / 2 for c in (grid.u_mm, grid.v_mm)]
    hu[(x - middle[0]) ** 2 + (y - middle[1]) ** 2 > ((grid.u_mm[-1] - grid.u_mm[0]) / 2) ** 2] = np.nan
    return CtVolume(grid, hu.astype(np.float32))


def axial(middle: Float64, n: int, pixel_mm: float, n_planes: int, spacing_mm: float) -> Grid:
    """Axial grid around a point."""
    lines = [m + (np.arange(k) - (k - 1) / 2) * d for m, k, d in zip(middle, (n, n, n_planes), (pixel_mm, pixel_mm, spacing_mm), strict=True)]
    return Grid(np.eye(3), *lines)


@dataclass(frozen=True)
class Kind:
    """A kind of pairs.

    Parameters
    ----------
    shift_mm, angle_deg : float
        Largest, along and about each axis.
    apart_mm : tuple of float
        How far the middle of the second CT lies from that of the first, axially.
    is_answerable : bool
        Whether there is a right answer.
    """

    name: str
    n_pairs: int
    shift_mm: float = 30.0
    angle_deg: float = 8.0
    apart_mm: tuple[float, float] = (0.0, 45.0)
    anatomy: tuple[str, str] = ("pelvis", "pelvis")
    fat: float = 0.0
    femur_mm: float = 0.0
    noise_hu: float = 25.0
    is_answerable: bool = True


KINDS: tuple[Kind, ...] = (
    Kind("as described", 40),
    Kind("far: 80 mm, 20 degrees", 10, shift_mm=80.0, angle_deg=20.0),
    Kind("noise to 150 HU", 10, noise_hu=150.0),
    Kind("outline up to 8 % larger or smaller, femora moved 10 mm", 10, fat=0.08, femur_mm=10.0),
    Kind("a third or less in both", 10, apart_mm=(95.0, 130.0)),
    Kind("nothing but a spine", 10, anatomy=("spine", "spine"), angle_deg=3.0),
    Kind("another person", 10, anatomy=("pelvis", "other"), is_answerable=False),
    Kind("nothing along the axis", 10, anatomy=("cylinder", "cylinder"), angle_deg=3.0, is_answerable=False),
    Kind("no part in common", 10, apart_mm=(190.0, 220.0), is_answerable=False),
)


def pair(kind: Kind, seed: int) -> tuple[CtVolume, CtVolume, Rigid]:
    """Fixed and moving CT, and the true transform of points of the first to points of the second."""
    rng = np.random.default_rng(seed)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", rng.uniform(-kind.angle_deg, kind.angle_deg, 3), degrees=True).as_matrix()
    matrix[:3, 3] = rng.uniform(-kind.shift_mm, kind.shift_mm, 3)
    truth = Rigid(matrix)
    first = Scan(noise_hu=rng.uniform(5, kind.noise_hu), anatomy=kind.anatomy[0])
    fixed = ct(axial(np.array([2.0, 3.0, 5.0]), 128, 3.6, 50, 3.0), Rigid(np.eye(4)), first, 2 * seed)
    second = Scan(rng.uniform(0.75, 1.3), rng.uniform(0, 14), couch_y_mm=rng.uniform(110, 150) + matrix[1, 3], couch_curved=bool(rng.integers(2)))
    changed = 1 + rng.uniform(-kind.fat, kind.fat), rng.uniform(-kind.femur_mm, kind.femur_mm)
    second = replace(second, noise_hu=rng.uniform(5, kind.noise_hu), anatomy=kind.anatomy[1], fat=changed[0], femur_mm=changed[1])
    off = [*rng.uniform(-15, 15, 2), rng.choice([-1, 1]) * rng.uniform(*kind.apart_mm)]
    grid = axial(matrix[:3, 3] + off, 128, rng.uniform(3.2, 4.0), int(rng.integers(38, 62)), float(rng.choice([2.5, 3.0, 4.0, 5.0])))
    return fixed, ct(grid, truth.inverse(), second, 2 * seed + 1), truth


@dataclass(frozen=True)
class Outcome:
    """One pair: the result, its largest error over the body (mm), the error of its angle (degrees), seconds."""

    found: AutoRegistration
    error_mm: float
    error_deg: float
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether it meets the goal."""
        return self.error_mm <= GOAL_MM and self.error_deg <= GOAL_DEG


def run(kind: Kind, seed: int) -> Outcome:
    """Register one pair."""
    fixed, moving, truth = pair(kind, seed)
    started = time.perf_counter()
    found = register(fixed, moving)
    seconds = time.perf_counter() - started
    z, y, x = np.meshgrid(np.arange(-60, 70, 12.0), np.arange(-100, 100, 12.0), np.arange(-170, 170, 12.0), indexing="ij")
    points = np.column_stack([x.ravel(), y.ravel(), z.ravel()])
    points = points[patient_hu(points, Scan()) > -200]
    return Outcome(found, *difference(found.transform, truth, points), seconds)


def main() -> int:
    """Print the tables."""
    numbers = [int(a) for a in sys.argv[1:] if a.isdigit()]
    print("| pairs | n | right | right, with a warning | wrong, with a warning | wrong, without | error: median | 95 % | largest | seconds |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for kind in KINDS:
        done = [run(kind, 1000 * KINDS.index(kind) + 500 + seed) for seed in range(min([kind.n_pairs, *numbers]))]
        right = [o for o in done if o.is_right and kind.is_answerable]
        wrong = [o for o in done if o not in right]
        silent = sum(not o.found.is_doubtful for o in wrong)
        errors = np.array([o.error_mm for o in done])
        shown = [f"{v:.2f} mm" for v in (np.median(errors), np.quantile(errors, 0.95), errors.max())] if kind.is_answerable else ["no answer", "", ""]
        counts = len(done), len(right), sum(o.found.is_doubtful for o in right), len(wrong) - silent, silent
        print(f"| {kind.name} | {' | '.join(map(str, counts))} | {' | '.join(shown)} | {np.median([o.seconds for o in done]):.1f} |", flush=True)
        if "-v" in sys.argv:
            for o in done:
                q = o.found.quality
                figures = f"overlap {q.overlap:.3f} coverage {q.coverage:.2f} agree {q.agreement_mm:.2f} {q.agreement_deg:.2f} {q.n_agreeing}/{q.n_starts}"
                figures += f" inverse {q.inverse_mm:.2f} correlation {q.correlation:.3f} rise {q.rise:.2f} converged {q.converged}"
                codes = " ".join(w.code.removeprefix("registration_auto_") for w in o.found.warnings[1:])
                print(f"  {o.error_mm:7.2f} mm {o.error_deg:6.2f} deg {o.found.metric_end:5.1f} HU {figures} {codes}", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
