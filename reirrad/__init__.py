"""Cumulative dose of several courses of radiotherapy, voxel by voxel in EQD2, held against cited limits."""

__version__ = "0.1.0"
