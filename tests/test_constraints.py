from dataclasses import replace

import pytest

from reirrad.constraints import limits_of_set, load_limits, load_set, select, set_names
from reirrad.errors import LimitFileError
from reirrad.metrics import parse_metric
from reirrad.organs import organs, references

RECTUM = {
    "organ": "rectum", "metric": "D0.1cc", "quantity": "EQD2", "alpha_beta_gy": "3", "scope": "cumulative", "limit_gy": "100",
    "level": "mandatory", "source": "paper",
}  # fmt: skip


def entry(**changes):
    keys = {k: v for k, v in {**RECTUM, **changes}.items() if v is not None}
    return "- {" + ", ".join(f"{k}: {v}" for k, v in keys.items()) + "}\n"


@pytest.fixture
def load(tmp_path):
    def load(text):
        (tmp_path / "limits.yaml").write_text(text)
        return load_limits(tmp_path / "limits.yaml", "limits.yaml")

    return load


def refusal(load, text):
    with pytest.raises(LimitFileError) as error:
        load(text)
    return str(error.value)


def test_a_limit_of_a_user(load):
    (limit,) = load(
        entry(id="mine", caution_gy=90, recovery="raw", min_interval_months=12, max_fractions=5, evidence="expert", structure="wall", note="n", doi="10.1/x")
    )
    assert (limit.id, limit.organ, limit.metric, limit.quantity, limit.alpha_beta_gy) == ("mine", "rectum", parse_metric("D0.1cc"), "EQD2", 3.0)
    assert (limit.limit, limit.caution, limit.unit, limit.comparator, limit.level, limit.scope) == (100.0, 90.0, "Gy", "<=", "mandatory", "cumulative")
    assert (limit.recovery, limit.min_interval_months, limit.max_interval_months, limit.min_fractions, limit.max_fractions) == ("raw", 12.0, None, None, 5)
    assert (limit.status, limit.evidence, limit.source, limit.doi, limit.structure, limit.note) == ("user", "expert", "paper", "10.1/x", "wall", "n")


def test_volume_limits_carry_a_unit(load):
    above, spared = load(
        entry(metric="V40Gy", limit_gy=None, limit=35, unit="'%'", quantity="physical", alpha_beta_gy=None, scope="course")
        + entry(metric="CV16Gy", limit_gy=None, limit=200, unit="cc", caution=250)
    )
    assert (above.limit, above.unit, above.comparator, above.alpha_beta_gy) == (35.0, "%", "<=", None)
    assert (spared.limit, spared.caution, spared.unit, spared.comparator) == (200.0, 250.0, "cc", ">=")


def test_alpha_beta_means_nothing_for_a_physical_limit(load):
    assert load(entry(quantity="physical", scope="course"))[0].alpha_beta_gy is None


def test_ids_are_made_where_none_is_given(load):
    limits = load(entry() + entry(limit_gy=110) + entry(metric="max") + entry(id="rectum-D0.1cc-EQD2-cumulative-mandatory-2", limit_gy=120))
    assert [limit.id for limit in limits] == [
        "rectum-D0.1cc-EQD2-cumulative-mandatory",
        "rectum-D0.1cc-EQD2-cumulative-mandatory-3",
        "rectum-Dmax-EQD2-cumulative-mandatory",
        "rectum-D0.1cc-EQD2-cumulative-mandatory-2",
    ]


@pytest.mark.hazard("H06", "H17")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "D0.1foo"}, '[0].metric: "D0.1foo" is not a metric that can be computed'),
        ({"metric": "'__import__(\"os\")'"}, "is not a metric that can be computed"),
        ({"limit_gy": "-5.0"}, '[0].limit_gy: found "-5.0", needed a number above 0.'),
        ({"limit_gy": "0"}, '[0].limit_gy: found "0", needed a number above 0.'),
        ({"limit_gy": ".nan"}, '[0].limit_gy: found ".nan", needed a finite number.'),
        ({"limit_gy": "eighty"}, '[0].limit_gy: found "eighty", needed a number.'),
        ({"limit_gy": "1001"}, "[0].limit_gy: found a limit of 1001 Gy, needed at most 1000 Gy."),
        ({"limit_gy": None}, "[0].metric: a limit needs either the key limit_gy, or the keys limit and unit."),
        ({"limit": "3"}, "[0].limit: a limit needs either the key limit_gy, or the keys limit and unit."),
        ({"limit_gy": None, "limit": "3"}, "[0].limit: a limit needs either the key limit_gy, or the keys limit and unit."),
        ({"unit": "cc"}, "[0].metric: the metric D0.1cc is a dose: its limit needs the key limit_gy."),
        ({"metric": "V40Gy"}, "[0].metric: the metric V40Gy is a volume: its limit needs the keys limit and unit (cc or %), not limit_gy."),
        ({"metric": "V40Gy", "unit": "cc"}, "[0].limit_gy: a limit needs either the key limit_gy, or the keys limit and unit."),
        ({"metric": "V40Gy", "unit": "'%'", "limit_gy": None, "limit": "101"}, "[0].limit: found a limit of 101 %, needed at most 100 %."),
        ({"quantity": "NTD"}, "[0].quantity: found \"NTD\", needed one of 'EQD2', 'BED' or 'physical'."),
        ({"alpha_beta_gy": None}, "[0].quantity: a limit in EQD2 needs alpha_beta_gy, for which it was published."),
        ({"alpha_beta_gy": "-3"}, '[0].alpha_beta_gy: found "-3", needed at least 0.1.'),
        ({"limt_gy": "10"}, '[0]: unknown key "limt_gy", did you mean "limit_gy"?'),
        ({"organ": "blader"}, '[0].organ: "blader" is not an organ key; did you mean "bladder"?'),
        ({"level": "mandtory"}, "[0].level: found \"mandtory\", needed one of 'mandatory' or 'optimal'."),
        ({"scope": "cumulativ"}, "[0].scope: found \"cumulativ\", needed one of 'cumulative' or 'course'."),
        ({"source": None}, '[0]: the key "source" is missing.'),
        ({"source": "' '"}, "[0].source: the text is empty."),
        ({"comparator": "'>='"}, "[0].comparator: the comparator >= does not fit the metric D0.1cc; only a spared volume (CV) has a lower limit."),
        ({"metric": "CV16Gy", "limit_gy": None, "limit": "200", "unit": "cc", "comparator": "<"},
         "[0].comparator: the comparator < does not fit the metric CV16Gy"),
        ({"caution_gy": "100"}, "[0].caution_gy: the caution value must be on the careful side of the limit."),
        ({"caution": "90"}, "[0].caution: beside this limit the key is caution_gy."),
        ({"metric": "CV16Gy", "limit_gy": None, "limit": "200", "unit": "cc", "caution": "199"}, "[0].caution: the caution value must be on the careful side"),
        ({"metric": "CV16Gy", "limit_gy": None, "limit": "200", "unit": "cc", "caution_gy": "250"}, "[0].caution_gy: beside this limit the key is caution."),
        ({"min_interval_months": "12", "max_interval_months": "6"}, "[0].min_interval_months: min_interval_months is above max_interval_months."),
        ({"min_fractions": "6", "max_fractions": "5"}, "[0].min_fractions: min_fractions is above max_fractions."),
    ],
)  # fmt: skip
def test_a_limit_that_could_never_be_exceeded_is_refused(load, changes, message):
    text = refusal(load, entry(**changes))
    assert text.startswith("limits.yaml:1: ")
    assert message in text


@pytest.mark.hazard("H17")
def test_an_optimal_limit_is_not_looser_than_the_mandatory_one(load):
    text = refusal(load, entry(limit_gy=90) + entry(limit_gy=110) + entry(level="optimal", limit_gy=91))
    assert text == "limits.yaml:3: [2]: the optimal limit 91 Gy is looser than the mandatory 90 Gy of the same organ and metric."
    spared = {"metric": "CV16Gy", "limit_gy": None, "unit": "cc"}
    assert "the optimal limit 100 cc is looser" in refusal(load, entry(**spared, limit=200) + entry(**spared, limit=100, level="optimal"))
    assert [limit.limit for limit in load(entry(limit_gy=90) + entry(level="optimal", limit_gy=90) + entry(**spared, limit=200, level="optimal"))] == [
        90,
        90,
        200,
    ]
    assert len(load(entry(limit_gy=90) + entry(level="optimal", limit_gy=110, min_interval_months=12, recovery="built_in"))) == 2


@pytest.mark.hazard("H17")
def test_two_limits_do_not_share_an_id(load):
    assert refusal(load, entry(id="a") + entry(id="a", limit_gy=90)) == 'limits.yaml:2: [1]: the id "a" is given twice; ids must differ.'


def test_a_file_is_a_list_of_limits(load):
    assert refusal(load, "limits: []") == "limits.yaml:1: found a mapping, needed a list."
    assert refusal(load, "[]") == "limits.yaml:1: is empty; give at least one entry, or remove the key."


# ---- the library


@pytest.mark.hazard("H13", "H17")
def test_every_limit_of_the_library_has_its_evidence():
    limits = select(set_names())
    assert len({limit.id for limit in limits}) == len(limits)
    for limit in limits:
        assert limit.organ in organs()
        assert limit.reference in references()
        assert limit.doi == references()[limit.reference].doi
        assert limit.status in ("VERIFIED", "SECONDARY")
        assert limit.evidence != "not_stated"
        assert limit.scope == "course" or limit.quantity != "physical"
        assert limit.scope == "cumulative" or limit.level == "optimal"
        assert limit.recovery != "built_in" or (limit.level == "optimal" and limit.min_interval_months)


@pytest.mark.hazard("H17")
@pytest.mark.parametrize(
    ("limit_id", "organ_key", "metric", "value", "caution", "unit", "level", "months"),
    [
        ("cauda-slevin-0-sacral_plexus", "sacral_plexus", "D0.1cc", 67, None, "Gy", "mandatory", None),
        ("cauda-slevin-12-cauda_equina", "cauda_equina", "D0.1cc", 85, None, "Gy", "optimal", 12),
        ("bladder-slevin-0", "bladder", "D0.5cc", 80, None, "Gy", "mandatory", None),
        ("bladder-slevin-12", "bladder", "D0.5cc", 110, None, "Gy", "optimal", 12),
        ("smallbowel-slevin-0-bowel", "bowel", "D0.5cc", 70, None, "Gy", "mandatory", None),
        ("colorectum-slevin-0-rectum", "rectum", "D0.5cc", 80, None, "Gy", "mandatory", None),
        ("rectum-astro-cx", "rectum", "D2cc", 75, 65, "Gy", "optimal", None),
        ("bladder-rtog0529-v40", "bladder", "V40Gy", 35, None, "%", "optimal", None),
        ("rectum-tg101-d20cc-5fx", "rectum", "D20cc", 25, None, "Gy", "optimal", None),
        ("cord-hytec-cum70", "thecal_sac", "Dmax", 70, None, "Gy", "mandatory", 5),
        ("cord-nieder2006", "spinal_cord", "Dmax", 135.5, 120, "Gy", "mandatory", 6),
        ("great-vessels-rulach", "great_vessels", "Dmax", 115, 110, "Gy", "mandatory", None),
    ],
)  # fmt: skip
def test_published_numbers(limit_id, organ_key, metric, value, caution, unit, level, months):
    (limit,) = [found for found in select(set_names()) if found.id == limit_id]
    assert (limit.organ, str(limit.metric), limit.limit, limit.caution, limit.unit, limit.level) == (organ_key, metric, value, caution, unit, level)
    assert limit.min_interval_months == months


def test_limits_by_fractions_hold_for_their_schedule_alone():
    found = {limit.min_fractions: (limit.limit, limit.max_fractions) for limit in load_set("spine") if limit.id.startswith("cord-tg101-max")}
    assert found == {1: (14.0, 1), 3: (21.9, 3), 5: (30.0, 5)}


@pytest.mark.hazard("H17")
def test_a_limit_in_bed_is_the_same_dose_as_its_eqd2():
    (nieder,) = [limit for limit in load_set("spine") if limit.id == "cord-nieder2006"]
    assert (nieder.quantity, nieder.alpha_beta_gy) == ("BED", 2.0)
    assert nieder.caution / (1 + 2 / nieder.alpha_beta_gy) == 60.0  # Nieder 2006: 120 Gy2 is 60 Gy in fractions of 2 Gy


@pytest.mark.hazard("H17")
def test_cord_and_thecal_sac_are_kept_apart():
    assert {limit.organ for limit in load_set("spine") if limit.reference == "HYTEC_CORD"} == {"thecal_sac"}
    assert {limit.organ for limit in load_set("spine") if limit.reference == "NIEDER06"} == {"spinal_cord"}


def test_sets_are_named(load):
    assert set_names() == ("pelvis", "spine")
    with pytest.raises(LimitFileError, match=r'"pelvs" is not a limit set of the library \(pelvis, spine\), did you mean "pelvis"; needed'):
        load_set("pelvs")


def test_a_selection_holds_each_limit_once(load):
    mine = load(entry(id="mine"))[0]
    assert select(["spine", mine, "spine", mine]) == (*load_set("spine"), mine)
    with pytest.raises(LimitFileError, match='Two different limits have the id "mine"'):
        select([mine, replace(mine, limit=3.0)])


GOOD = {
    "id": "a", "organs": ["rectum"], "metric": "D2cc", "quantity": "BED", "alpha_beta_gy": 3, "scope": "cumulative", "limit_gy": 120, "level": "mandatory",
    "status": "VERIFIED", "evidence": "series", "reference": "NIEDER06", "source": "x",
}  # fmt: skip


@pytest.mark.hazard("H17")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "D2foo"}, "Limit a: .*is not a metric"),
        ({"unknown": 1}, "Limit a: .*unknown"),
        ({"alpha_beta_gy": None}, "Limit a: a limit in BED needs alpha_beta_gy"),
        ({"status": "RECALLED"}, "needs an id, a status, its evidence, and a reference"),
        ({"reference": "NOBODY"}, "needs an id, a status, its evidence, and a reference"),
        ({"evidence": "not_stated"}, "needs an id, a status, its evidence, and a reference"),
        ({"organs": ["rectum", "rectum"]}, "limit a-rectum: the id .* is given twice"),
    ],
)
def test_a_faulty_library_is_refused(changes, message):
    assert limits_of_set({"limit": [GOOD]})[0].limit == 120.0
    with pytest.raises(LimitFileError, match=message):
        limits_of_set({"limit": [{**GOOD, **changes}]})
