"""Error of EQD2 from interpolation between voxels, in a penumbra with a known dose.

    python benchmarks/interpolation.py            # prints the table of docs/accuracy.md

The dose falls along x as the error function of a Gaussian edge with sigma 3 mm, from the dose of the whole course to zero. It is stored on voxels of 2, 2.5 and
3 mm, at 20 positions of the edge between voxels, and read every 0.05 mm. The errors are those of EQD2 at alpha/beta 2 Gy, in Gy: the largest, and the mean over
the 12 mm in which the dose falls from 97.7 % to 2.3 %. "linear", "cubic": physical dose is read and then converted, as the calculation does. "EQD2 grid":
voxels are converted and then read linearly, as programs do that sum grids of EQD2. "spline": a cubic spline through all voxels of the line, for comparison.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import ndtr

from reirrad.dose import DoseGrid
from reirrad.grid import Grid
from reirrad.radiobiology import eqd2

SIGMA_MM = 3.0
ALPHA_BETA_GY = 2.0
COURSES = ((50.0, 25), (40.0, 5), (45.0, 3), (20.0, 1))
VOXELS_MM = (2.0, 2.5, 3.0)
WAYS = ("linear", "cubic", "spline", "EQD2 grid")


def errors(total_gy: float, fractions: int, voxel_mm: float) -> dict[str, tuple[float, float]]:
    """(largest, mean over the penumbra) for each way of reading."""
    found: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
    x = np.arange(-15.0, 15.0, 0.05)
    points = np.column_stack([x, np.full(x.size, 0.3), np.full(x.size, -0.7)])
    for k in range(20):
        line = (np.arange(-20, 21) + (k + 0.5) / 20) * voxel_mm
        grid = Grid(np.eye(3), line, np.array([-3.0, -1.0, 1.0, 3.0]), np.array([-4.0, -1.5, 1.0, 3.5]))

        def stored(values: np.ndarray, grid: Grid = grid) -> DoseGrid:
            return DoseGrid(grid, np.broadcast_to(values, grid.shape).astype(np.float32))

        voxels = total_gy * ndtr(-line / SIGMA_MM)
        true = eqd2(total_gy * ndtr(-x / SIGMA_MM), fractions, ALPHA_BETA_GY)
        for way in ("linear", "cubic"):
            found[way].append(eqd2(stored(voxels).at_points(points, way).astype(np.float64), fractions, ALPHA_BETA_GY) - true)
        found["spline"].append(eqd2(CubicSpline(line, voxels)(x), fractions, ALPHA_BETA_GY) - true)
        found["EQD2 grid"].append(stored(eqd2(voxels, fractions, ALPHA_BETA_GY)).at_points(points, "linear") - true)
    falling = np.abs(x) <= 2 * SIGMA_MM
    return {way: (float(np.abs(e).max()), float(np.mean(np.array(e)[:, falling]))) for way, e in found.items()}


def main() -> int:
    """Print the table."""
    print(f"| course | voxels | {' | '.join(f'{way}: largest | mean' for way in WAYS)} |")
    print(f"|---|---:|{'---:|' * 2 * len(WAYS)}")
    for total_gy, fractions in COURSES:
        for voxel_mm in VOXELS_MM:
            found = errors(total_gy, fractions, voxel_mm)
            shown = " | ".join(f"{found[way][0]:.2f} | {found[way][1]:+.3f}" for way in WAYS)
            print(f"| {total_gy:g} Gy in {fractions} | {voxel_mm:g} mm | {shown} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
