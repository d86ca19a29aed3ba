from dataclasses import replace

import pytest

from reirrad.constraints import Clause, limits_of_set, load_limits, load_set, other_alpha_beta, select, set_names
from reirrad.errors import LimitFileError
from reirrad.limittext import limits_text
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


CLAUSES = "[{what: this_course, limit_gy: 25}, {what: each_course, limit_gy: 50}, {what: ratio, limit: 0.5, comparator: <}, {what: interval, limit_months: 5}]"


def test_a_rule_of_several_clauses(load):
    (limit,) = load(entry(clauses=CLAUSES))
    assert limit.clauses == (
        Clause("this_course", "<=", 25.0, "Gy"),
        Clause("each_course", "<=", 50.0, "Gy"),
        Clause("ratio", "<", 0.5, ""),
        Clause("interval", ">=", 5.0, "months"),
    )


@pytest.mark.hazard("H17")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clauses": "[]"}, "[0].clauses: is empty"),
        ({"clauses": "[{what: first_course, limit_gy: 5}]"}, "[0].clauses[0].what: found \"first_course\", needed one of 'this_course', 'each_course'"),
        ({"clauses": "[{what: ratio, limt: 0.5}]"}, '[0].clauses[0]: unknown key "limt", did you mean "limit"?'),
        ({"clauses": "[{what: ratio, limit_gy: 5}]"}, "[0].clauses[0]: a clause ratio needs the key limit, and no other limit."),
        ({"clauses": "[{what: this_course}]"}, "[0].clauses[0]: a clause this_course needs the key limit_gy, and no other limit."),
        ({"clauses": "[{what: ratio, limit: 0.5, limit_gy: 5}]"}, "[0].clauses[0]: a clause ratio needs the key limit, and no other limit."),
        ({"clauses": "[{what: ratio, limit: 50}]"}, "[0].clauses[0].limit: found 50, needed at most 1: beyond that the clause could never fail."),
        ({"clauses": "[{what: ratio, limit: -0.5}]"}, '[0].clauses[0].limit: found "-0.5", needed a number above 0.'),
        ({"clauses": "[{what: this_course, limit_gy: 101}]"}, "[0].clauses[0].limit_gy: found 101, needed at most 100 Gy: beyond that"),
        ({"clauses": "[{what: interval, limit_months: 601}]"}, "found 601, needed at most 600 months: beyond that"),
        ({"clauses": "[{what: ratio, limit: 0.5}, {what: ratio, limit: 0.4}]"}, "[0].clauses[1]: the clause ratio is given twice."),
        ({"clauses": "[{what: ratio, limit: 0.5, comparator: '>='}]"}, "[0].clauses[0].comparator: the comparator >= does not fit the clause ratio."),
        ({"clauses": "[{what: interval, limit_months: 5, comparator: <}]"}, "[0].clauses[0].comparator: the comparator < does not fit the clause interval."),
        ({"clauses": "[{what: interval, limit_months: 5}]", "min_interval_months": "6"},
         "[0].clauses[0]: the interval is given twice, here and as min_interval_months; needed once."),
        ({"clauses": CLAUSES, "scope": "course"}, "[0].clauses: clauses belong to a limit with the scope cumulative and a dose as its metric."),
        ({"clauses": CLAUSES, "metric": "V40Gy", "limit_gy": None, "limit": "3", "unit": "cc"}, "[0].clauses: clauses belong to a limit with the scope"),
        ({"combine_sides": "true"}, "[0].combine_sides: the organ rectum has no two sides to be taken together."),
        ({"combine_sides": "maybe"}, '[0].combine_sides: found "maybe", needed true or false.'),
        ({"own_alpha_beta": "true", "quantity": "physical", "scope": "course"}, "[0].own_alpha_beta: a physical dose has no alpha/beta."),
    ],
)  # fmt: skip
def test_a_clause_that_means_nothing_is_refused(load, changes, message):
    assert message in refusal(load, entry(**changes))


def test_what_else_a_limit_may_say(load):
    (limit,) = load(entry(organ="kidney", combine_sides="true", region="abdomen", endpoint="failure", reference="NIEDER06", recovery="discounted"))
    assert (limit.combine_sides, limit.region, limit.endpoint, limit.recovery) == (True, "abdomen", "failure", "discounted")
    assert (limit.doi, limit.citation) == (references()["NIEDER06"].doi, references()["NIEDER06"].citation)
    (plain,) = load(entry())
    assert (plain.clauses, plain.combine_sides, plain.region, plain.endpoint, plain.citation, plain.doi) == ((), False, "", "", "", "")


@pytest.mark.hazard("H06", "H17")
def test_a_limit_for_another_alpha_beta_is_refused_when_asked_for(tmp_path):
    file = tmp_path / "limits.yaml"
    file.write_text(entry() + entry(id="mine", metric="max", alpha_beta_gy=5))
    assert len(load_limits(file, "limits.yaml")) == 2
    with pytest.raises(LimitFileError) as error:
        load_limits(file, "limits.yaml", {})
    assert str(error.value) == (
        "limits.yaml:2: [1].alpha_beta_gy: the limit is for alpha/beta 5 Gy, the dose of the organ rectum for 3 Gy; "
        "needed is the same value, or own_alpha_beta: true to say that it is meant to differ."
    )
    with pytest.raises(LimitFileError, match=r"limits.yaml:1: \[0\].alpha_beta_gy: the limit is for alpha/beta 3 Gy, .* for 5 Gy"):
        load_limits(file, "limits.yaml", {"rectum": 5.0})
    file.write_text(entry() + entry(id="mine", metric="max", alpha_beta_gy=5, own_alpha_beta="true"))
    limits = load_limits(file, "limits.yaml", {})
    assert other_alpha_beta(limits, {}) == [(1, "the limit is for alpha/beta 5 Gy, the dose of the organ rectum for 3 Gy")]


@pytest.mark.hazard("H17")
def test_an_optimal_limit_with_a_clause_of_its_own_may_permit_more(load):
    assert len(load(entry() + entry(limit_gy=110, level="optimal", clauses="[{what: ratio, limit: 0.5}]"))) == 2
    both = "[{what: ratio, limit: 0.5}]"
    assert "the optimal limit 110 Gy is looser" in refusal(load, entry(clauses=both) + entry(limit_gy=110, level="optimal", clauses=both))
    kidney = {"organ": "kidney", "limit_gy": 20}
    assert len(load(entry(**kidney) + entry(**kidney | {"limit_gy": 30}, level="optimal", combine_sides="true"))) == 2


@pytest.mark.parametrize("name", set_names())
def test_a_set_written_and_read_is_the_same(tmp_path, name):
    file = tmp_path / "set.yaml"
    file.write_text(limits_text(load_set(name), "heading"), encoding="utf-8")
    assert file.read_text(encoding="utf-8").startswith("# heading\n\n# ")
    assert load_limits(file, "set.yaml", {}) == tuple(replace(limit, status="user") for limit in load_set(name))


def test_everything_of_a_limit_is_written(load, tmp_path):
    limits = load(
        entry(id="'true'", clauses=CLAUSES, min_interval_months=None, note="'null: \"x\" # y'", alpha_beta_gy=2.5, own_alpha_beta="true")
        + entry(organ="lung", combine_sides="true", metric="CV16Gy", limit_gy=None, limit=200, caution=250.5, unit="cc", min_interval_months="0", source="007")
    )
    file = tmp_path / "again.yaml"
    file.write_text(limits_text(limits, "x"), encoding="utf-8")
    assert load_limits(file, "again.yaml") == limits
    assert limits[1].min_interval_months == 0.0
    assert limits[0].id == "true"


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
        ("cord-sahgal2012", "thecal_sac", "Dmax", 70, None, "Gy", "mandatory", 5),
        ("oesophagus-rulach", "oesophagus", "Dmax", 100, 75, "Gy", "mandatory", None),
        ("heart-paradis", "heart", "D0.1cc", 85, None, "Gy", "optimal", 6),
        ("liver-tg101-spared-5fx", "liver", "CV21Gy", 700, None, "cc", "optimal", None),
        ("cord-hytec-cum70", "thecal_sac", "Dmax", 70, None, "Gy", "mandatory", None),
        ("cord-nieder2006", "spinal_cord", "Dmax", 135.5, 120, "Gy", "mandatory", None),
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
    assert set_names() == ("abdomen", "head_neck", "pelvis", "spine", "thorax")
    with pytest.raises(
        LimitFileError, match=r'"pelvs" is not a limit set of the library \(abdomen, head_neck, pelvis, spine, thorax\), did you mean "pelvis"; needed'
    ):
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
