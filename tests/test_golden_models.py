"""Models beside plain EQD2, against values computed apart from the program."""

from __future__ import annotations

import math
import tomllib
from functools import reduce
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from reirrad.dvh import Dvh
from reirrad.implants import PermanentImplant
from reirrad.organs import references
from reirrad.repair import Repair, bed_of_pulses, train
from reirrad.repopulation import bed_loss_per_day

GOLDEN = tomllib.loads((Path(__file__).parent / "golden" / "models.toml").read_text(encoding="utf-8"))
ROWS = [(v["call"], v.get("of"), row["args"], row["value"], v.get("tolerance", 1e-3)) for v in GOLDEN["value"] for row in v["table"]]


@pytest.mark.parametrize(("call", "of", "args", "value", "tolerance"), ROWS)
def test_value(call, of, args, value, tolerance):
    module, *names = call.split(".")
    home = import_module(f"reirrad.{module}")
    function = getattr(home, names[0]) if of is None else reduce(getattr, names[1:], getattr(home, names[0])(**of))
    assert float(function(**args)) == pytest.approx(value, abs=tolerance)


@pytest.mark.parametrize("row", GOLDEN["pulses"], ids=lambda r: r["name"])
def test_pulses(row):
    assert bed_of_pulses(train(**row["train"]), row["alpha_beta_gy"], Repair((row["half_time_h"],))) == pytest.approx(row["bed_gy"], abs=1e-3)


@pytest.mark.parametrize("row", GOLDEN["implant"], ids=lambda r: r["source"])
def test_implant(row):
    seeds = PermanentImplant(**row["of"])
    days = seeds.effective_days(**row["growth"])
    net = seeds.bed(row["alpha_beta_gy"], days) - bed_loss_per_day(**row["growth"]) * days
    found = (seeds.initial_rate_gy_per_day, seeds.bed(row["alpha_beta_gy"]), days, net)
    assert found == pytest.approx((row["initial_rate_gy_per_day"], row["bed_gy"], row["effective_days"], row["net_bed_gy"]), abs=1e-3)


def test_geud():
    (row,) = GOLDEN["geud"]
    organ = Dvh(np.array(row["dose_gy"], np.float32), np.array(row["volumes_cc"]), np.empty(0, np.float32))
    for a, value in row["by_exponent"].items():
        assert organ.geud_gy(int(a)) == pytest.approx(value, abs=1e-3)


def test_sources_exist():
    for row in (row for rows in GOLDEN.values() for row in rows):
        keys = [w.strip(",:;") for w in row["source"].split()]
        assert any(k in references() for k in keys) or "arithmetic" in keys


def test_the_worked_example_that_leaves_out_the_last_bracket():
    rate, mu, alpha_beta = 0.55, 0.46, 10
    assert 40 * (1 + 2 * rate / (mu * alpha_beta)) == pytest.approx(49.565, abs=1e-3)
    assert math.log(2) / mu == pytest.approx(1.5068416969564246)
