"""Every organ has a half time of repair with a source; conventions say that they are."""

from __future__ import annotations

import pytest

from reirrad.errors import ParameterError
from reirrad.halftimes import HalfTime, half_time, half_times
from reirrad.organs import OrganError, organs, references

NERVES = ("thecal_sac", "cauda_equina", "sacral_plexus", "lumbosacral_nerve", "brachial_plexus", "brain", "brainstem", "optic_nerve", "optic_chiasm")


def test_every_organ_has_one():
    assert set(half_times()) == set(organs())
    for found in half_times().values():
        assert 0 < found.hours <= 24
        assert found.status in ("SECONDARY", "convention")
        assert references()[found.source].status == "SECONDARY"
        assert found.note
        if found.interval_h is not None:
            assert found.interval_h[0] < found.hours < found.interval_h[1]


def test_published():
    assert half_time("larynx") == HalfTime(4.9, "BENTZEN99", "SECONDARY", "Oedema.", (3.2, 6.4))
    assert half_time("skin") == HalfTime(3.8, "BENTZEN99", "SECONDARY", "Telangiectasia.", (2.5, 4.6))
    assert {key for key, found in half_times().items() if found.status == "SECONDARY"} == {"larynx", "skin", "spinal_cord"}


def test_spinal_cord_has_the_lower_bound_and_says_so():
    cord = half_time("spinal_cord")
    assert (cord.hours, cord.interval_h) == (5.0, None)
    assert "more than 5 h" in cord.note
    assert "may be longer, which would give a higher dose" in cord.note


def test_conventions():
    assert {half_time(key).hours for key in NERVES} == {5.0}  # never less than the cord
    assert {half_time(key).status for key in NERVES} == {"convention"}
    others = set(organs()) - {*NERVES, "larynx", "skin", "spinal_cord"}
    assert {(half_time(key).hours, half_time(key).status) for key in others} == {(4.4, "convention")}


def test_stated():
    assert half_time("rectum", 2) == HalfTime(2.0, "case file", "stated")


@pytest.mark.parametrize("stated", [0, -1.5, float("nan"), 90])
def test_what_no_tissue_has_is_refused(stated):
    with pytest.raises(ParameterError, match="half_time_h of rectum is"):
        half_time("rectum", stated)


def test_unknown_organ():
    with pytest.raises(OrganError, match='did you mean "rectum"'):
        half_time("rectom")
