"""Solids and doses with known answers: tests, samples, commissioning."""

from reirrad.phantoms.drawing import contours, slab_edges_mm, slabs
from reirrad.phantoms.section import Section
from reirrad.phantoms.solids import Box, Cone, Cylinder, Ellipsoid, Solid, Sphere, Stack, Tube
from reirrad.phantoms.truth import AnalyticDose, AxisDose, RadialDose, Truth, cumulative_eqd2

__all__ = [
    "AnalyticDose",
    "AxisDose",
    "Box",
    "Cone",
    "Cylinder",
    "Ellipsoid",
    "RadialDose",
    "Section",
    "Solid",
    "Sphere",
    "Stack",
    "Truth",
    "Tube",
    "contours",
    "cumulative_eqd2",
    "slab_edges_mm",
    "slabs",
]
