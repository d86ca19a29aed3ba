"""From contours to slabs: which polygons of a plane are holes, and how thick each plane is.

Rules
-----
- A plane reaches half way to its neighbours; the first and the last plane reach half the adjacent distance beyond their contour (end caps).
- The usual distance is the median of the distances between neighbouring planes. Distances that only jitter makes, or that no planning CT has between its
  planes, do not count; where nothing is left, and for a structure on two planes, the CT or the other structures tell the thickness of a plane.
- Contours whose planes differ by less than a tenth of the usual distance lie in one plane.
- A contour within another is a hole, one within a hole is an island, and so on. Exact copies count once. Contours on a line enclose nothing and are left out.
- Contours that partly overlap are united (CLOSEDPLANAR_XOR: the overlap is left out, as that type says).
- A single missing plane is filled by its neighbours when these overlap; a wider gap stays empty. Both are told. Neighbouring planes of the CT have no gap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reirrad.coverage import cover, edges_of, signed_area_mm2
from reirrad.errors import GeometryError, Notice, printable
from reirrad.grid import Float64
from reirrad.structures import Structure

__all__ = ["Layer", "Slab", "Slabs", "slabs_of", "usual_step_mm"]

Layer = tuple[Float64, ...]

JITTER_MM = 0.2  # planes nearer than this are one plane with rounding noise: no planning CT has thinner ones
WIDEST_STEP_MM = 10.0  # planes further apart are two parts of a structure: no planning CT has wider ones
LINE_MM = 1e-3  # a contour narrower than this is a line
PLANAR_MM = 0.5  # a contour whose points leave its plane by more is not planar
SAME_PLANE = 0.1  # of the usual distance between planes
GAP = 1.5  # a distance above this many usual distances lacks at least one plane ...
FILLED_GAP = 2.5  # ... and up to this many, only one
TOUCHING = 0.01  # contours that share less of the smaller one than this only touch
MOST_COMPARISONS = 3e7  # pairs of edges of one plane that are compared: a second of work
SAME = 0.98  # contours that share more of both than this are one contour drawn twice ...
WALL_MM = 0.2  # ... unless one lies in the other and leaves a wall thicker than this
BLOCK = 8  # edges whose bounding box is looked at before they are
BLOCK_PAIRS = 512  # blocks of edges compared at once


@dataclass(frozen=True, slots=True, eq=False)
class Slab:
    """One contour plane with its thickness.

    Parameters
    ----------
    w_mm, low_mm, high_mm : float
        Plane, lower and upper face along the normal.
    layers : tuple of Layer
        Each a tuple of (N, 2) polygons: counter-clockwise outer borders, clockwise holes. The slab is the union of its layers.
    """

    w_mm: float
    low_mm: float
    high_mm: float
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Slabs:
    """A structure as slabs.

    Parameters
    ----------
    rotation : (3, 3) float64
        Rows u, v, w: takes patient points to the frame in which the slabs are flat.
    """

    rotation: Float64
    slabs: tuple[Slab, ...]
    notices: tuple[Notice, ...]

    @property
    def volume_cc(self) -> float:
        """Volume of the slabs from the polygons' areas; overlapping layers count twice."""
        return sum(signed_area_mm2(p) * (s.high_mm - s.low_mm) for s in self.slabs for layer in s.layers for p in layer) / 1000


def usual_step_mm(positions_mm: Float64) -> float | None:
    """Usual distance of neighbouring planes: the lower median of the distances from JITTER_MM to WIDEST_STEP_MM. None where there is none.

    Stray contours 0.01 mm beside their plane do not count, nor does the way from one part of a structure to another.

    >>> usual_step_mm(np.array([0, 0.01, 3, 3.02, 6, 200, 203]))
    2.99
    """
    gaps = np.sort(np.diff(np.sort(positions_mm)))
    gaps = gaps[(gaps > JITTER_MM) & (gaps <= WIDEST_STEP_MM)]
    return round(float(gaps[(gaps.size - 1) // 2]), 6) if gaps.size else None


def slabs_of(structure: Structure, image_normal: Float64 | None, image_positions_mm: Float64 | None, fallback_step_mm: float | None) -> Slabs:
    """Turn a structure into slabs.

    Parameters
    ----------
    structure : Structure
        With at least one contour.
    image_normal : (3,) float64 or None
        Normal of the planning image.
    image_positions_mm : (N,) float64 or None
        Rising positions of its planes along the normal.
    fallback_step_mm : float or None
        Thickness of a plane where neither the structure nor an image tells it: the usual distance in the other structures of the set.

    Raises
    ------
    GeometryError
        When contours are not planar, all enclose nothing, or nothing tells the thickness of a single plane.
    """
    name = printable(structure.name)
    notices: list[Notice] = []

    def note(code: str, message: str) -> None:
        notices.append(Notice(code, f'Structure "{name}": {message}', structure=structure.name))

    rotation, flat = _flatten(structure, image_normal)
    n_lines = len(flat)
    flat = [item for item in flat if not _is_line(item)]
    if not flat:
        raise GeometryError(f'The contours of structure "{name}" lie on a line each and enclose nothing. Draw the structure, or leave it out.')
    if n_lines > len(flat):
        note("contour_without_area", f"{n_lines - len(flat)} contour(s) lie on a line and enclose nothing; left out.")
    image_mm = None
    if image_normal is not None and image_positions_mm is not None and abs(float(rotation[2] @ image_normal)) > 1 - 1e-6:
        image_mm = np.sort(image_positions_mm * np.sign(rotation[2] @ image_normal))
    planes = _group(flat)
    w = np.array([p[0] for p in planes])

    arranged = [_arrange(outlines) for _, outlines in planes]
    slabs_layers = [layers for layers, _, _ in arranged]
    if dropped := sum(n_copies for _, n_copies, _ in arranged):
        note("contour_duplicate", f"{dropped} contour(s) are stored twice; each counts once.")
    if joined := sum(n_overlaps for _, _, n_overlaps in arranged):
        note("contour_overlap", f"contours overlap partly on {joined} occasion(s); they are united. Check whether a hole was meant.")

    low, high = _faces(w, slabs_layers, image_mm, fallback_step_mm, name, note)
    if image_mm is not None and image_mm.size > 1:
        margin = float(np.max(np.diff(image_mm)))
        if outside := int(np.sum((w < image_mm[0] - margin / 2) | (w > image_mm[-1] + margin / 2))):
            note("contours_outside_ct", f"{outside} of its {w.size} contour planes lie outside the extent of the CT slices found; they are used as drawn.")
    slabs = tuple(Slab(float(a), float(b), float(c), layers) for a, b, c, layers in zip(w, low, high, slabs_layers, strict=True))
    return Slabs(rotation, slabs, tuple(notices))


class _Outline(NamedTuple):
    """A flat contour: its plane, its points (N, 2), their signed area and their box."""

    w_mm: float
    xor: bool
    points: Float64
    area_mm2: float
    low: Float64
    high: Float64


def _flatten(structure: Structure, image_normal: Float64 | None) -> tuple[Float64, list[_Outline]]:
    """Find the frame in which every contour is flat: axial, along the image, sagittal, coronal."""
    frames = [np.eye(3)]
    if image_normal is not None:
        u = np.cross(image_normal, np.eye(3)[int(np.abs(image_normal).argmin())])
        u /= np.linalg.norm(u)
        frames.append(np.array([u, np.cross(image_normal, u), image_normal]))
    frames += [np.roll(np.eye(3), 2, axis=0), np.roll(np.eye(3), 1, axis=0)]
    points = np.concatenate([contour.points_mm for contour in structure.contours])
    sizes = np.array([len(contour.points_mm) for contour in structure.contours])
    first = np.cumsum(sizes) - sizes
    for frame in frames:
        local = points if frame is frames[0] else points @ frame.T
        lowest, highest = (f.reduceat(local[:, 2], first) for f in (np.minimum, np.maximum))
        if np.all(highest - lowest <= PLANAR_MM):
            w_mm = np.where(lowest == highest, lowest, np.add.reduceat(local[:, 2], first) / sizes)
            return frame, _outlines(structure, w_mm, np.ascontiguousarray(local[:, :2]), first, sizes)
    raise GeometryError(
        f'Structure "{printable(structure.name)}" has contours that do not lie in axial, sagittal or coronal planes nor in the planes of its CT '
        f"(points of one contour leave its plane by more than {PLANAR_MM} mm). Planar contours are needed; redraw or resample the structure."
    )


def _outlines(structure: Structure, w_mm: Float64, uv: Float64, first: NDArray[np.intp], sizes: NDArray[np.intp]) -> list[_Outline]:
    """Contours with what is known of each, computed for all at once; contour k has the points uv[first[k] : first[k] + sizes[k]]."""
    x, y = (uv - np.repeat(uv[first], sizes, axis=0)).T  # the first vertex of each becomes the origin, and its products vanish
    cross = np.append(x[:-1] * y[1:] - x[1:] * y[:-1], 0.0)
    cross[first + sizes - 1] = 0
    area = np.add.reduceat(cross, first) / 2
    low, high = (f.reduceat(uv, first, axis=0) for f in (np.minimum, np.maximum))
    xors, points = [contour.xor for contour in structure.contours], np.split(uv, first[1:])
    return list(map(_Outline, w_mm.tolist(), xors, points, area.tolist(), low, high))


def _group(flat: list[_Outline]) -> list[tuple[float, list[_Outline]]]:
    """Contours by plane, rising."""
    flat = sorted(flat, key=lambda item: item.w_mm)
    step = usual_step_mm(np.array([item.w_mm for item in flat]))
    tolerance = SAME_PLANE * step if step else JITTER_MM
    planes: list[list[_Outline]] = []
    for item in flat:
        if not planes or item.w_mm - planes[-1][0].w_mm > tolerance:
            planes.append([])
        planes[-1].append(item)
    return [(sum(item.w_mm for item in plane) / len(plane), plane) for plane in planes]


def _faces(
    w: Float64, layers: list[tuple[Layer, ...]], image_mm: Float64 | None, fallback_step_mm: float | None, name: str, note: Callable[[str, str], None]
) -> tuple[Float64, Float64]:
    """Lower and upper face of each plane."""
    step = _step_mm(w, image_mm, fallback_step_mm)
    if step is None:
        raise GeometryError(
            f'Structure "{name}" is drawn on single planes only and neither a CT nor another structure tells how thick a plane is. '
            "Add the CT of its course, or draw the structure on at least two planes."
        )
    if w.size == 1:
        note("single_plane_structure", f"drawn on a single plane; taken as one slab of {step:g} mm.")
        return w - step / 2, w + step / 2
    gaps = np.diff(w)
    half = gaps / 2
    wide = (gaps > GAP * step) & ~_next_on_image(w, image_mm)
    empty = np.zeros_like(wide)
    for k in np.flatnonzero(wide):
        empty[k] = gaps[k] > FILLED_GAP * step or not _boxes_overlap(layers[k], layers[k + 1])
    half[empty] = step / 2
    caps = np.where(wide, step / 2, half)
    if n_filled := int(np.sum(wide & ~empty)):
        note("contour_gap_filled", f"{n_filled} single plane(s) without contour between drawn ones; filled from their neighbours.")
    if n_empty := int(np.sum(empty)):
        note("contour_gap", f"{n_empty} gap(s) of more than one plane, or between parts that do not face each other; left empty.")
    return w - np.append(caps[0], half), w + np.append(half, caps[-1])


def _step_mm(w: Float64, image_mm: Float64 | None, fallback_step_mm: float | None) -> float | None:
    """Thickness of a plane: the usual distance, unless there are too few planes to tell it."""
    near = None
    if image_mm is not None and image_mm.size > 1:
        near = float(np.diff(image_mm)[np.abs((image_mm[1:] + image_mm[:-1]) / 2 - w[0]).argmin()])
    known = near or fallback_step_mm
    usual = usual_step_mm(w)
    return known if usual is None else min(usual, known or usual) if w.size == 2 else usual


def _next_on_image(w: Float64, image_mm: Float64 | None) -> NDArray[np.bool_]:
    """For each pair of neighbouring contour planes, whether they are neighbouring planes of the image too."""
    if image_mm is None or image_mm.size < 2:
        return np.zeros(w.size - 1, bool)
    nearest = np.abs(image_mm - w[:, None]).argmin(axis=1)
    on_plane = np.abs(image_mm[nearest] - w) <= SAME_PLANE * np.median(np.diff(image_mm))
    return np.asarray(on_plane[:-1] & on_plane[1:] & (np.diff(nearest) == 1) & (np.diff(w) <= WIDEST_STEP_MM))


def _boxes_overlap(a: tuple[Layer, ...], b: tuple[Layer, ...]) -> bool:
    """Whether the bounding boxes of two planes overlap."""
    low_a, high_a, low_b, high_b = (getattr(np.concatenate([p for layer in plane for p in layer]), f)(axis=0) for plane in (a, b) for f in ("min", "max"))
    return bool(np.all(low_a <= high_b) and np.all(low_b <= high_a))


def _arrange(outlines: list[_Outline]) -> tuple[tuple[Layer, ...], int, int]:
    """Sort the contours of one plane into layers; also the number of copies dropped and of partial overlaps."""
    if len(outlines) == 1:
        return ((_oriented(outlines[0], outer=True),),), 0, 0
    xor = any(o.xor for o in outlines)
    inside: list[set[int]] = [set() for _ in outlines]  # the contours around each contour
    overlaps = 0
    copies: set[int] = set()
    low, high = np.array([o.low for o in outlines]), np.array([o.high for o in outlines])
    meet = np.all((low[:, None] <= high) & (low <= high[:, None]), axis=2)
    pairs = np.argwhere(np.triu(meet, 1))
    sizes = np.array([len(o.points) for o in outlines])
    if float(np.sum(sizes[pairs[:, 0]] * sizes[pairs[:, 1]])) > MOST_COMPARISONS:
        raise GeometryError(
            f"One plane holds {len(outlines)} contours of up to {sizes.max()} points that lie within or across each other; too many to tell what is a hole. "
            "Redraw or clean up the structure, or leave it out."
        )
    for i, j in pairs.tolist():
        if i in copies or j in copies:
            continue
        relation = _relation(outlines[i], outlines[j])
        if relation == "inside":
            inside[i].add(j)
        elif relation == "around":
            inside[j].add(i)
        elif relation == "same":
            copies.add(j)
        elif relation == "overlap":
            overlaps += 1
    kept = [k for k in range(len(outlines)) if k not in copies]
    inside = [around - copies for around in inside]
    signed = {k: _oriented(outlines[k], len(inside[k]) % 2 == 0) for k in kept}
    if xor or not overlaps:
        return (tuple(signed.values()),), len(copies), 0
    root = {k: min(inside[k] & set(kept), key=lambda j: -len(inside[j]), default=k) for k in kept}
    for _ in kept:  # follow containers up to a contour that lies in none
        root = {k: root[r] for k, r in root.items()}
    layers = tuple(tuple(signed[k] for k in kept if root[k] == r) for r in dict.fromkeys(root.values()))
    return layers, len(copies), overlaps


def _oriented(outline: _Outline, outer: bool) -> Float64:
    return outline.points if (outline.area_mm2 > 0) == outer else outline.points[::-1]


def _same_points(p: Float64, q: Float64) -> bool:
    """Whether two polygons have the same vertices, wherever they start and whichever way they run."""
    if p.shape != q.shape:
        return False
    a, b = (np.round(x, 3)[np.lexsort(np.round(x, 3).T)] for x in (p, q))
    return bool(np.abs(a - b).max() <= 0.002)


def _relation(one: _Outline, other: _Outline) -> str:
    """How a contour lies to another, whose bounding box it meets: apart, inside, around, overlap, same."""
    p, q = one.points, other.points
    if _same_points(p, q):
        return "same"
    if _cross(p, q):
        area_p, area_q, shared = _shared_area(one, other)
        smaller, larger = sorted((area_p, area_q))
        if shared < TOUCHING * smaller:
            return "apart"
        if shared > SAME * larger and not _is_wall(larger - shared, smaller - shared, p if area_p > area_q else q):
            return "same"
        if shared < SAME * smaller:
            return "overlap"
        return "inside" if area_p < area_q else "around"
    if _inside(one, other):
        return "inside"
    return "around" if _inside(other, one) else "apart"


def _is_wall(between: float, beyond: float, outer: Float64) -> bool:
    """Whether an area between two contours is a wall along the outer one, and not the noise of a contour drawn twice."""
    length = float(np.hypot(*(np.roll(outer, -1, axis=0) - outer).T).sum())
    return between > WALL_MM * length and beyond < 0.1 * between


def _is_line(outline: _Outline) -> bool:
    """Whether all vertices lie on one line."""
    if abs(outline.area_mm2) > LINE_MM:
        return False
    d = outline.points - outline.points[0]
    u, v = d[np.argmax(np.sum(d**2, axis=1))]
    return bool(np.abs(d[:, 0] * v - d[:, 1] * u).max() <= LINE_MM * np.hypot(u, v))


def _cross(p: Float64, q: Float64) -> bool:
    """Whether any edge of p meets any edge of q. Looked for only where blocks of edges have bounding boxes that meet."""
    (a, b), (c, d) = ((x, np.concatenate([x[1:], x[:1]])) for x in (p, q))
    (low_p, high_p), (low_q, high_q) = _block_boxes(a, b), _block_boxes(c, d)
    of_p, of_q = np.nonzero(np.all((low_p[:, None] <= high_q) & (low_q <= high_p[:, None]), axis=2))
    within = np.arange(BLOCK)
    for k in range(0, of_p.size, BLOCK_PAIRS):
        i = np.minimum(of_p[k : k + BLOCK_PAIRS, None] * BLOCK + within, len(p) - 1)[:, :, None]
        j = np.minimum(of_q[k : k + BLOCK_PAIRS, None] * BLOCK + within, len(q) - 1)[:, None, :]
        sides = _turn(a[i], b[i], c[j]) * _turn(a[i], b[i], d[j]) <= 0
        if np.any(sides & (_turn(c[j], d[j], a[i]) * _turn(c[j], d[j], b[i]) <= 0)):
            return True
    return False


def _block_boxes(start: Float64, end: Float64) -> tuple[Float64, Float64]:
    """Bounding boxes of blocks of edges: (B, 2) lower and upper corners."""
    first = np.arange(0, len(start), BLOCK)
    return np.minimum.reduceat(np.minimum(start, end), first, axis=0), np.maximum.reduceat(np.maximum(start, end), first, axis=0)


def _turn(o: Float64, s: Float64, t: Float64) -> Float64:
    """Twice the area of triangles o, s, t: its sign says on which side of o -> s a point t lies."""
    return np.asarray((s[..., 0] - o[..., 0]) * (t[..., 1] - o[..., 1]) - (s[..., 1] - o[..., 1]) * (t[..., 0] - o[..., 0]))


def _inside(inner: _Outline, outer: _Outline) -> bool:
    """Whether a contour lies in another (even-odd rule), when their borders do not meet: then a few vertices speak for all."""
    if np.any(inner.low < outer.low) or np.any(inner.high > outer.high):
        return False
    x, y = np.hsplit(inner.points[:: len(inner.points) // 5 + 1], 2)
    (x0, y0), (x1, y1) = outer.points.T, np.concatenate([outer.points[1:], outer.points[:1]]).T
    straddles = (y0 <= y) != (y1 <= y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
    n_right = np.sum(straddles & (crossing > x), axis=1)
    return bool(np.mean(n_right % 2 == 1) > 0.5)


def _shared_area(one: _Outline, other: _Outline) -> tuple[float, float, float]:
    """Areas of two contours and of what both cover, in mm2, on a lattice of 1/200 of their extent."""
    low, high = np.minimum(one.low, other.low), np.maximum(one.high, other.high)
    step, n = float((high - low).max()) / 200, 202
    grids = []
    for outline in (one, other):
        c = cover(edges_of([(0, _oriented(outline, True))]), (low - step / 2)[None], step, n, n)
        grid = np.zeros((n, n))
        grid[c.row, c.column] = c.fraction
        grids.append(grid)
    return float(grids[0].sum() * step**2), float(grids[1].sum() * step**2), float(np.minimum(*grids).sum() * step**2)
