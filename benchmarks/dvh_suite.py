"""DVH accuracy on analytic solids, after Nelms 2015 (doi 10.1118/1.4923175), and on small discs at random offsets.

    python benchmarks/dvh_suite.py            # prints the tables of docs/accuracy.md

Solids 24 mm across in a linear dose of 1 Gy/mm, 4 to 28 Gy over the solid, along the patient axis (SI) or across it (AP). Test 1: contours every 0.2 mm,
dose grids of 0.4, 1, 2 and 3 mm (340 parameters). Test 2: contours and dose grid both 1, 2 and 3 mm (255 parameters). Parameters: volume (once
for both gradients), Dmin, Dmax, Dmean, D99, D95, D5, D1, D0.03cc; a parameter fails when it is off by more than 3 % of its true value.

Two placements of the contours are reported. "tiling": planes half a spacing inside the ends, so that slabs tile the solid and the end-cap rule (half a
spacing beyond the last contour) ends where the solid ends. "through the ends": planes at multiples of the spacing from the centre, so that a flat end carries a
contour and a rounded end lies beyond the last one; the truth of flat ends then includes the half slab, that of rounded ends does not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

from reirrad.dose import DoseGrid
from reirrad.dvh import Dvh
from reirrad.grid import Grid
from reirrad.planes import slabs_of
from reirrad.points import organ_points
from reirrad.sampling import read_dose
from reirrad.structures import Contour, Structure

HALF = 12.0
CENTRE_GY = 16.0
RAISED_GY = 40.0  # added to the dose that is read and taken away again: a dose grid has no negative values, which the ramp would need outside the solid
PARAMETERS = ("Dmin", "Dmax", "Dmean", "D99", "D95", "D5", "D1", "D0.03cc")
SIDES = 720


@dataclass(frozen=True)
class Solid:
    """A solid within a cube of 24 mm: cross-section polygon at z, and the volume below a coordinate along y or z."""

    name: str
    section: Callable[[float], np.ndarray | None]
    flat_ends: tuple[bool, bool]
    below: Callable[[str, float, float, float], float]


def circle(radius: float) -> np.ndarray | None:
    """Polygon of the area of the circle."""
    if radius < 0.02:
        return None
    t = 2 * np.pi * (np.arange(SIDES) + 0.5) / SIDES
    r = radius * np.sqrt(2 * np.pi / SIDES / np.sin(2 * np.pi / SIDES))
    return np.column_stack([r * np.cos(t), r * np.sin(t)])


def segment(radius: float, y: float) -> float:
    """Area of the part of a circle below y."""
    y = float(np.clip(y, -radius, radius))
    return y * np.sqrt(max(radius**2 - y**2, 0.0)) + radius**2 * (np.arcsin(y / radius) if radius > 0 else 0) + np.pi * radius**2 / 2


def sphere_below(_: str, t: float, low: float, high: float) -> float:
    t = float(np.clip(t, -HALF, HALF))
    return np.pi * (HALF**2 * (t + HALF) - (t**3 + HALF**3) / 3)


def cylinder_below(axis: str, t: float, low: float, high: float) -> float:
    """Axial cylinder from z = low to high."""
    if axis == "z":
        return np.pi * HALF**2 * (float(np.clip(t, low, high)) - low)
    return segment(HALF, t) * (high - low)


def cone_radius(z: float) -> float:
    """Axial cone: base at z = -12 of radius 12, tip at z = 12; a base that reaches lower is a cylinder there."""
    return float(np.clip((HALF - z) / 2, 0, HALF))


def cone_below(axis: str, t: float, low: float, high: float) -> float:
    if axis == "z":
        top = float(np.clip(t, low, high))
        straight = np.pi * HALF**2 * max(min(top, -HALF) - low, 0.0)
        return straight + (np.pi / 12 * ((2 * HALF) ** 3 - (HALF - top) ** 3) if top > -HALF else 0.0)
    straight = segment(HALF, t) * (-HALF - low)
    return straight + quad(lambda z: segment(cone_radius(z), t), -HALF, HALF, epsabs=1e-7, limit=200)[0]


def lying_cylinder_below(_: str, t: float, low: float, high: float) -> float:
    """Cylinder along x: the same across y and z."""
    return segment(HALF, t) * 2 * HALF


def lying_cone_below(_: str, t: float, low: float, high: float) -> float:
    """Cone along x: the same across y and z."""
    return quad(lambda x: segment(cone_radius(x), t), -HALF, HALF, epsabs=1e-7, limit=200)[0]


def lying_rectangle(z: float) -> np.ndarray | None:
    y = np.sqrt(max(HALF**2 - z**2, 0))
    return None if y < 0.02 else np.array([[-HALF, -y], [HALF, -y], [HALF, y], [-HALF, y]])


def lying_hyperbola(z: float) -> np.ndarray | None:
    """Cone along x cut at z: y = sqrt(r(x)^2 - z^2)."""
    reach = HALF - 2 * abs(z)
    if reach < -HALF + 0.02:
        return None
    x = np.unique(np.concatenate([np.linspace(-HALF, reach, 300), reach - (reach + HALF) * np.linspace(0, 1, 60) ** 2 * 0.05]))
    y = np.sqrt(np.maximum([cone_radius(v) ** 2 - z**2 for v in x], 0))
    return np.concatenate([np.column_stack([x, -y]), np.column_stack([x, y])[::-1]])


SOLIDS = (
    Solid("sphere", lambda z: circle(np.sqrt(max(HALF**2 - z * z, 0))), (False, False), sphere_below),
    Solid("axial cylinder", lambda z: circle(HALF) if abs(z) <= HALF + 1e-9 else None, (True, True), cylinder_below),
    Solid("rotated cylinder", lying_rectangle, (False, False), lying_cylinder_below),
    Solid("axial cone", lambda z: circle(cone_radius(z)) if abs(z) <= HALF + 1e-9 else None, (True, False), cone_below),
    Solid("rotated cone", lying_hyperbola, (False, False), lying_cone_below),
)


def truth(solid: Solid, axis: str, low: float, high: float) -> dict[str, float]:
    """Closed-form parameters; low and high are the ends of the solid along z."""
    a, b = (low, high) if axis == "z" else (-HALF, HALF)
    total = solid.below(axis, b, low, high)

    def dose_of_coldest(volume: float) -> float:
        return CENTRE_GY + brentq(lambda t: solid.below(axis, t, low, high) - volume, a, b, xtol=1e-9)

    mean = quad(lambda t: solid.below(axis, t, low, high), a, b, epsabs=1e-6, limit=200)[0]
    out = {"V": total / 1000, "Dmin": CENTRE_GY + a, "Dmax": CENTRE_GY + b, "Dmean": CENTRE_GY + b - mean / total}
    for percent in (99, 95, 5, 1):
        out[f"D{percent}"] = dose_of_coldest(total * (1 - percent / 100))
    out["D0.03cc"] = dose_of_coldest(total - 30.0)
    return out


def structure_of(solid: Solid, spacing: float, tiling: bool) -> tuple[Structure, float, float]:
    """Contours, and the ends of the solid that its truth has along z."""
    n = round(HALF / spacing)
    planes = (np.arange(-n, n) + 0.5) * spacing if tiling else np.arange(-n, n + 1) * spacing
    contours = []
    for z in planes:
        section = solid.section(float(z))
        if section is not None:
            contours.append(Contour(np.column_stack([section, np.full(len(section), z)])))
    ends = [HALF + (0 if tiling or not flat else spacing / 2) for flat in solid.flat_ends]
    return Structure(solid.name, 1, tuple(contours)), -ends[0], ends[1]


def dose_grid(axis: str, spacing: float, shift: float = 0.0) -> DoseGrid:
    """1 Gy/mm along y or z, 16 Gy at the centre."""
    line = np.arange(-np.ceil(20 / spacing), np.ceil(20 / spacing) + 1) * spacing + shift
    dose = np.broadcast_to(RAISED_GY + CENTRE_GY + (line[:, None, None] if axis == "z" else line[None, :, None]), (line.size,) * 3)
    return DoseGrid(Grid(np.eye(3), line, line.copy(), line.copy()), dose.astype(np.float32))


def computed(structure: Structure, dose: DoseGrid) -> dict[str, float]:
    """What the calculator says."""
    points = organ_points(structure.name, slabs_of(structure, None, None, None))
    dvh = Dvh(read_dose(points, dose, "cubic"), points.volumes_cc, dose.at_points(points.edge_points_mm, "cubic"))
    doses = {"Dmin": dvh.min_gy(), "Dmax": dvh.max_gy(), "Dmean": dvh.mean_gy(), "D0.03cc": dvh.near_max_gy(0.03)}
    doses |= {f"D{p}": dvh.near_max_percent_gy(p) for p in (99, 95, 5, 1)}
    return {"V": dvh.volume_cc} | {p: value - RAISED_GY for p, value in doses.items()}


def nelms(tiling: bool, shift: bool = False) -> list[tuple[str, str, float, float, str, float, float]]:
    """Every parameter: (test, solid, contour spacing, dose spacing, parameter, truth, computed)."""
    rows = []
    settings = [("1", 0.2, grid) for grid in (0.4, 1.0, 2.0, 3.0)] + [("2", s, s) for s in (1.0, 2.0, 3.0)]
    for test, contour, grid in settings:
        for solid in SOLIDS:
            structure, low, high = structure_of(solid, contour, tiling)
            for axis in ("z", "y"):
                want, got = truth(solid, axis, low, high), computed(structure, dose_grid(axis, grid, grid / 2 if shift else 0.0))
                label, volume_once = f"{solid.name} {'SI' if axis == 'z' else 'AP'}", ("V",) if axis == "z" else ()
                rows += [(test, label, contour, grid, p, want[p], got[p]) for p in PARAMETERS + volume_once]
    return rows


def summary(rows: list[tuple[str, str, float, float, str, float, float]], test: str, limit: float) -> tuple[int, int, int, int]:
    """(failed, all, failed without Dmin and Dmax, all without)."""
    here = [r for r in rows if r[0] == test]
    inner = [r for r in here if r[4] not in ("Dmin", "Dmax")]
    bad = [sum(abs(r[6] / r[5] - 1) > limit for r in some) for some in (here, inner)]
    return bad[0], len(here), bad[1], len(inner)


def discs(n: int = 576, seed: int = 20150711) -> list[dict[str, float]]:
    """Discs of 2.5 to 20 mm radius and one to three planes, at random sub-voxel offsets, 1 Gy/mm along a random transverse direction."""
    rng = np.random.default_rng(seed)
    out = []
    for k in range(n):
        radius = (2.5, 5.0, 7.5, 10.0, 15.0, 20.0)[k % 6]
        thickness, grid = rng.choice([1.0, 2.0, 3.0]), rng.choice([1.0, 2.0, 2.5, 3.0])
        x0, y0, z0 = rng.uniform(-1.5, 1.5, 3)
        planes = z0 + thickness * np.arange(1 + k // 6 % 3)
        ring = circle(radius)
        assert ring is not None
        contours = tuple(Contour(np.column_stack([ring + np.array([x0, y0]), np.full(SIDES, z)])) for z in planes)
        angle = rng.uniform(0, 2 * np.pi)
        line = np.arange(-np.ceil(30 / grid), np.ceil(30 / grid) + 1) * grid
        w = np.arange(-np.ceil(12 / grid), np.ceil(21 / grid) + 1) * grid
        ramp = 40 + np.cos(angle) * line[None, None, :] + np.sin(angle) * line[None, :, None]
        dose = DoseGrid(Grid(np.eye(3), line, line.copy(), w), np.broadcast_to(ramp, (w.size, line.size, line.size)).astype(np.float32))
        points = organ_points("disc", slabs_of(Structure("disc", 1, contours), None, None, float(thickness)))
        dvh = Dvh(read_dose(points, dose, "cubic"), points.volumes_cc, dose.at_points(points.edge_points_mm, "cubic"))
        centre = 40 + np.cos(angle) * x0 + np.sin(angle) * y0
        area, total = np.pi * radius**2, np.pi * radius**2 * thickness * planes.size

        def hottest(volume: float, radius: float = radius, total: float = total, area: float = area, centre: float = centre) -> float:
            return centre + brentq(lambda t: segment(radius, t) - area * (1 - volume / total), -radius, radius, xtol=1e-10)

        wanted = {"Dmin": centre - radius, "Dmax": centre + radius, "Dmean": centre} | {f"D{p}": hottest(total * p / 100) for p in (99, 95, 50, 5, 1)}
        if total > 30:
            wanted["D0.03cc"] = hottest(30.0)
        got = {"Dmin": dvh.min_gy(), "Dmax": dvh.max_gy(), "Dmean": dvh.mean_gy()} | {f"D{p}": dvh.near_max_percent_gy(p) for p in (99, 95, 50, 5, 1)}
        got["D0.03cc"] = dvh.near_max_gy(0.03) if total > 30 else 0.0
        out.append({"radius_mm": radius, "volume_error": dvh.volume_cc * 1000 / total - 1} | {p: got[p] - v for p, v in wanted.items()})
    return out


def main() -> int:
    """Print the tables."""
    for tiling in (True, False):
        rows = nelms(tiling)
        shifted = nelms(tiling, shift=True)
        print(f"\nContours {'tiling the solid' if tiling else 'through the ends of the solid'}\n")
        print("| test | outside 3 % | without Dmin, Dmax | outside 2 % | without Dmin, Dmax |\n|---|---:|---:|---:|---:|")
        for label, data, test in (("1", rows, "1"), ("2", rows, "2"), ("2, dose grid moved by half a voxel", shifted, "2")):
            a, b = summary(data, test, 0.03), summary(data, test, 0.02)
            print(f"| {label} | {a[0]} / {a[1]} | {a[2]} / {a[3]} | {b[0]} / {b[1]} | {b[2]} / {b[3]} |")
        worst = sorted((r for r in rows + shifted if abs(r[6] / r[5] - 1) > 0.03), key=lambda r: -abs(r[6] / r[5] - 1))
        if worst:
            print("\n| solid, gradient | contours mm | dose mm | parameter | true | computed | mm |\n|---|---:|---:|---|---:|---:|---:|")
            for r in dict.fromkeys(worst):
                print(f"| {r[1]} | {r[2]:g} | {r[3]:g} | {r[4]} | {r[5]:.3f} | {r[6]:.3f} | {'' if r[4] == 'V' else f'{r[6] - r[5]:+.2f}'} |")
    found = discs()
    errors = {p: np.array([abs(d[p]) for d in found if p in d]) for p in ("Dmin", "Dmax", "Dmean", "D99", "D95", "D50", "D5", "D1", "D0.03cc")}
    print(f"\n{len(found)} discs: volume within {max(abs(d['volume_error']) for d in found):.1e}\n\n| parameter | median mm | largest mm |\n|---|---:|---:|")
    for p, e in errors.items():
        print(f"| {p} | {np.median(e):.3f} | {e.max():.3f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
