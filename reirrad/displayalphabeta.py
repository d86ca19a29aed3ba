"""How the alpha/beta of each voxel of an exported EQD2 is chosen: one for all, or that of the organ the voxel lies in."""

from __future__ import annotations

from dataclasses import dataclass

from reirrad.errors import ParameterError
from reirrad.organs import organ
from reirrad.parameters import positive

__all__ = ["DisplayAlphaBeta"]


@dataclass(frozen=True, slots=True)
class DisplayAlphaBeta:
    """How alpha/beta is chosen for a voxel.

    Parameters
    ----------
    alpha_beta_gy : float or None
        For every voxel, Gy; None: that of its organ.
    priority : tuple of str
        Organ keys: where organs overlap, the first of these, then the one of lower alpha/beta, then the smaller structure.
    other_alpha_beta_gy : float
        Outside all organs, Gy.

    Raises
    ------
    ParameterError
        When an alpha/beta is not above zero, or both ways are asked for.
    OrganError
        When `priority` holds what is no organ key.
    """

    alpha_beta_gy: float | None = None
    priority: tuple[str, ...] = ()
    other_alpha_beta_gy: float = 3.0

    def __post_init__(self) -> None:
        positive("other_alpha_beta_gy", self.other_alpha_beta_gy)
        for key in self.priority:
            organ(key)
        if self.alpha_beta_gy is not None:
            positive("alpha_beta_gy", self.alpha_beta_gy)
            if self.priority:
                raise ParameterError("One alpha/beta for all voxels has no use for a priority of organs. State either alpha_beta_gy or priority.")

    @property
    def title(self) -> str:
        """A few ASCII words.

        >>> DisplayAlphaBeta(3.0).title, DisplayAlphaBeta(None, ("rectum",)).title
        ('a/b 3 Gy', 'a/b organ or 3 Gy')
        """
        return f"a/b organ or {self.other_alpha_beta_gy:g} Gy" if self.alpha_beta_gy is None else f"a/b {self.alpha_beta_gy:g} Gy"
