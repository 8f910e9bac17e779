"""The gate: what closes it, what lets it pass, what it refuses to compare."""

import subprocess

import pytest

from bench import cli
from harness.errors import UserErrors
from leaderboards.gate import compare_with, failed, summary
from leaderboards.spec import BoardSpec
from tests.leaderboards.records import item, record, record_of, store

SPEC = BoardSpec("made_up", resamples=400)
GOOD = [1] * 36 + [0] * 4
BAD = [1] * 12 + [0] * 28
SLIGHTLY = [1] * 35 + [0] * 5


def compare(before, now, **options):
    return compare_with(before, now, SPEC, **options)


def verdicts(before, now, **options):
    return [found.verdict for found in compare(before, now, **options)]


def test_a_fall_beyond_its_interval_closes_the_gate():
    (found,) = compare([record("tiny", "one", GOOD)], [record("tiny", "one", BAD)])
    assert (found.verdict, found.n) == ("fell", 40)
    assert (found.before, found.now) == (pytest.approx(0.9), pytest.approx(0.3))
    assert found.difference.high < -0.01
    assert failed([found]) == [found]


def test_equal_answers_and_a_fall_within_the_interval_pass():
    assert verdicts([record("tiny", "one", GOOD)], [record("tiny", "one", GOOD)]) == ["same"]
    (found,) = compare([record("tiny", "one", GOOD)], [record("tiny", "one", SLIGHTLY)])
    assert found.verdict == "same"
    assert found.now < found.before
    assert failed([found]) == []


def test_a_rise_passes():
    assert verdicts([record("tiny", "one", BAD)], [record("tiny", "one", GOOD)]) == ["rose"]


def test_epsilon_lets_a_fall_pass():
    sides = [record("tiny", "one", GOOD)], [record("tiny", "one", BAD)]
    assert verdicts(*sides, epsilon=0.3) == ["fell"]
    assert verdicts(*sides, epsilon=0.9) == ["same"]


def test_where_less_is_better_a_rise_is_a_fall():
    sides = [record("tiny", "one", BAD)], [record("tiny", "one", GOOD)]
    for (made,) in sides:
        made.manifest["metrics"]["accuracy"]["higher_is_better"] = False
    assert verdicts(*sides) == ["fell"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"task_version": "2"}, "task version 1 in the baseline, 2 now"),
        ({"decoding": {"max_gen_toks": 9}}, "decoding {'max_gen_toks': 8} in the baseline"),
        ({"limit": 5}, "item limit 0 in the baseline, 5 now"),
        ({"chat": True}, "chat template False in the baseline, True now"),
        ({"suite": "other"}, "suite made_up in the baseline, other now"),
    ],
)
def test_what_was_asked_otherwise_is_said_and_not_compared(change, told):
    (found,) = compare([record("tiny", "one", GOOD)], [record("tiny", "one", GOOD, **change)])
    assert found.verdict == "not comparable"
    assert told in found.reason
    assert found.difference is None
    assert failed([found]) == [found]


def test_other_shots_are_said():
    found = compare([record("tiny", "one", GOOD)], [record("tiny", "one", GOOD, shots=5)])
    assert [f.verdict for f in found] == ["missing", "new"]
    assert found[0].reason == "asked with 5 shots now, 0 in the baseline"


def test_another_metric_is_not_compared():
    now = record("tiny", "one", GOOD, aggregation="mean")
    (found,) = compare([record("tiny", "one", GOOD)], [now])
    assert found.reason == "metric accuracy is computed in another way"


@pytest.mark.parametrize(("failing", "verdict"), [(0, "same"), (2, "same"), (3, "not comparable")])
def test_more_missing_answers_than_a_board_ranks_never_pass(failing, verdict):
    """46 of 100 failed calls were "no score fell": what failed may be what fell."""
    before = [1] * 80 + [0] * 20
    now = [None] * failing + before[failing:]
    (found,) = compare([record("tiny", "one", before)], [record("tiny", "one", now)])
    assert found.verdict == verdict
    assert bool(failed([found])) == (failing == 3)
    if failing == 3:
        assert found.reason.startswith("3 of 100 answers are missing now, more than 2 %")
    (back,) = compare([record("tiny", "one", now)], [record("tiny", "one", before)])
    assert back.verdict == verdict


def test_a_fall_on_what_was_answered_is_a_fall_whatever_failed():
    now = [None] * 10 + [0] * 30
    (found,) = compare([record("tiny", "one", GOOD)], [record("tiny", "one", now)])
    assert found.verdict == "fell"


def test_a_record_that_cannot_be_shown_is_named():
    now = record("tiny", "one", [1, float("nan"), 1, 0])
    with pytest.raises(UserErrors, match=r"items.jsonl:2: item 'i0001' has accuracy nan"):
        compare([record("tiny", "one", [1, 1, 1, 0])], [now])


def test_a_model_that_vanished_closes_the_gate_and_a_new_one_does_not():
    found = compare([record("tiny", "one", GOOD)], [record("other", "one", GOOD)])
    assert [(f.model, f.verdict) for f in found] == [("other", "new"), ("tiny", "missing")]
    assert [f.model for f in failed(found)] == ["tiny"]


def test_only_items_of_both_sides_are_compared():
    before, now = [item(i, 1) for i in range(10)], [item(i, 1) for i in range(5, 20)]
    (found,) = compare([record_of("tiny", "one", before)], [record_of("tiny", "one", now)])
    assert (found.n, found.prompts) == (5, 0)
    assert (
        found.reason == "5 of 20 answers are missing now, more than 2 %; "
        "5 items before are not scored in both; 10 items now are not scored in both"
    )


def test_items_asked_in_other_words_are_not_compared():
    before = [item(i, 1) for i in range(10)]
    now = [item(i, 1, **({"prompt_sha256": "f" * 64} if i in (4, 7) else {})) for i in range(10)]
    (found,) = compare([record_of("tiny", "one", before)], [record_of("tiny", "one", now)])
    assert found.verdict == "not comparable"
    assert failed([found]) == [found]
    assert found.reason == (
        "2 of 10 items were asked in other words in the baseline, the first i0004: "
        "the task or its few-shot examples changed"
    )


def test_what_a_specializer_makes_of_the_same_words_is_compared_and_told():
    asked = {"asked_sha256": "a" * 64}
    facts = {"specializer": "rag", "artifact_facts": {"passages": 3}, "base": "tiny"}
    before = record_of("rag-tiny", "one", [item(i, 1, **asked) for i in range(9)], **facts)
    again = [item(i, 1, **asked, prompt_sha256="f" * 64) for i in range(9)]
    (found,) = compare([before], [record_of("rag-tiny", "one", again, **facts)])
    assert (found.verdict, found.prompts) == ("same", 9)
    assert "9 prompts differ" in summary([found], 0.01, "main")


def test_other_numerics_are_compared_and_told():
    now = record("tiny", "one", GOOD, numerics={"engine": "hf", "dtype": "bfloat16"})
    (found,) = compare([record("tiny", "one", GOOD)], [now])
    assert (found.verdict, found.reason) == ("same", "numerics differ (engine, dtype or device)")


def test_two_records_of_one_run_are_refused():
    twice = [record("tiny", "one", GOOD), record("tiny", "one", BAD)]
    with pytest.raises(UserErrors, match=r"two records claim to be tiny on one@0\.0"):
        compare(twice, twice[:1])


def test_the_summary_names_tasks_and_escapes_names():
    found = compare([record("a|<b>", "one", GOOD)], [record("a|<b>", "one", BAD)])
    text = summary(found, 0.01, "main")
    assert text.startswith("## 1 of 1 scores fell\n")
    assert "| a\\|\\<b\\> | one (accuracy) | 0 | 90.0 | 30.0 | −60.0 [" in text
    assert "**fell**" in text
    same = compare([record("m", "one", GOOD)], [record("m", "one", GOOD)])
    assert summary(same, 0.01, "main").startswith("## No score fell (1 compared)\n")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_OUT", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    store(tmp_path / "bench-out" / "runs", record("tiny", "one", GOOD))
    return tmp_path


def bench(capsys, *args):
    code = cli.main(["board", "gate", *args])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_codes_summary_and_githubs_own(home, capsys, monkeypatch):
    store(home / "old" / "runs", record("tiny", "one", GOOD))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(home / "step.md"))
    code, out, err = bench(capsys, "--baseline", "old", "--summary", "gate.md")
    assert (code, err) == (0, "")
    assert out.strip() == (home / "gate.md").read_text().strip()
    assert (home / "step.md").read_text() == (home / "gate.md").read_text()
    store(home / "bench-out" / "runs", record("tiny", "one", BAD))
    code, _, err = bench(capsys, "--baseline", "old/runs", "--quiet")
    assert (code, err) == (1, "bench: tiny on one, 0-shot: fell.\n")
    assert (home / "step.md").read_text().count("## ") == 2
    assert bench(capsys, "--baseline", "old", "--epsilon", "90", "--quiet")[0] == 0
    store(home / "bench-out" / "runs", record("tiny", "one", GOOD, task_version="2"))
    code, _, err = bench(capsys, "--baseline", "old", "--quiet")
    assert code == 2
    assert "not comparable: task version 1 in the baseline, 2 now" in err


def git(folder, *args):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *args], cwd=folder, check=True, capture_output=True)


def test_a_git_revision_is_a_baseline(home, capsys):
    git(home, "init", "-q", "-b", "main")
    git(home, "add", "bench-out")
    git(home, "commit", "-qm", "good")
    store(home / "bench-out" / "runs", record("tiny", "one", BAD))
    assert bench(capsys, "--baseline", "main", "--quiet")[0] == 1
    git(home, "add", "bench-out")
    git(home, "commit", "-qm", "bad")
    assert bench(capsys, "--baseline", "HEAD", "--quiet")[0] == 0
    assert bench(capsys, "--baseline", "HEAD~1", "--quiet")[0] == 1
    code, _, err = bench(capsys, "--baseline", "nowhere", "--quiet")
    assert code == 2
    assert "--baseline nowhere: no such folder" in err


def test_a_revision_is_never_an_option_of_git(home, capsys):
    code, _, err = bench(capsys, "--baseline=--output=x", "--quiet")
    assert code == 2
    assert "no such folder or revision" in err
    assert not (home / "x").exists()


def test_a_baseline_without_records(home, capsys):
    (home / "empty").mkdir()
    code, _, err = bench(capsys, "--baseline", "empty")
    assert code == 2
    assert "no records in empty" in err


def test_a_tampered_baseline_is_refused_by_name(home, capsys):
    store(home / "old" / "runs", record("tiny", "one", GOOD))
    path = home / "old" / "runs" / "tiny" / "one@0.0" / "items.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"accuracy": 0', b'"accuracy": 1', 1))
    code, _, err = bench(capsys, "--baseline", "old")
    assert code == 2
    assert "one@0.0/items.jsonl: changed since the record was written" in err


def under(dtype, values, model="tiny", **changes):
    return record(model, "one", values, numerics={"engine": "hf", "dtype": dtype}, **changes)


def test_a_model_under_two_dtypes_is_compared_with_itself_under_each():
    before = [under("float32", GOOD), under("bfloat16", BAD)]
    now = [under("bfloat16", BAD), under("float32", BAD)]
    found = {f.model: f for f in compare(before, now)}
    assert {name: f.verdict for name, f in found.items()} == {
        "tiny (bfloat16)": "same", "tiny (float32)": "fell",
    }  # fmt: skip
    assert "numerics differ" not in found["tiny (float32)"].reason


def test_what_one_side_has_beside_is_new_or_missing():
    both = [under("float32", GOOD), under("bfloat16", GOOD)]
    assert {f.model: f.verdict for f in compare(both[:1], both)} == {
        "tiny (float32)": "same", "tiny (bfloat16)": "new",
    }  # fmt: skip
    assert {f.model: f.verdict for f in compare(both, both[1:])} == {
        "tiny (float32)": "missing", "tiny": "same",
    }  # fmt: skip


def test_one_row_each_is_compared_whatever_made_it():
    (found,) = compare([under("float32", GOOD)], [under("bfloat16", GOOD)])
    assert (found.model, found.verdict) == ("tiny", "same")
    assert "numerics differ" in found.reason


def test_a_limited_run_beside_a_whole_one_is_no_other_comparison():
    whole, cut = under("float32", GOOD), under("float32", GOOD[:5], limit=5)
    found = {f.model: f.verdict for f in compare([whole], [cut, whole])}
    assert found == {"tiny (limit 0)": "same", "tiny (limit 5)": "new"}


def of_rows(rows, **more):
    content = {"digest": rows, "yaml": "y", "code": "", "rows": rows, "examples": ""}
    return record("tiny", "one", GOOD, task_identity=content, **more)


def test_a_task_changed_with_its_version_kept_does_not_pass_beside_its_old_records():
    """The old records stay where they are; that those did not fall says nothing of the task."""
    found = compare([of_rows("old")], [of_rows("old"), of_rows("new")])
    assert sorted(f.verdict for f in found) == ["not comparable", "same"]
    (closing,) = failed(found)
    assert closing.reason == "the task's version is 1 in both, but its test rows differ"


@pytest.mark.parametrize("new", [
    of_rows("new", task_version="2"), of_rows("new", suite="another"), of_rows("old", limit=5),
])  # fmt: skip
def test_what_says_itself_that_it_is_another_task_or_is_the_same_is_new(new):
    found = compare([of_rows("old")], [of_rows("old"), new])
    assert sorted(f.verdict for f in found) == ["new", "same"]


def test_leaked_items_are_on_both_columns_and_the_difference():
    def leaking(values, places):
        rows = [item(i, v, flags=["leaked"] * (i in places)) for i, v in enumerate(values)]
        return record_of("tiny", "one", rows)

    sides = [leaking(GOOD, {0, 1})], [leaking(SLIGHTLY, {1, 2, 3})]
    (found,) = compare(*sides)
    assert (found.verdict, found.leaked) == ("same", (2, 3, 4))
    text = summary([found], 0.01, "b")
    assert "| 90.0‡2 | 87.5‡3 | −2.5‡4 [" in text
    assert "‡ so many of the items are in what the model was made from." in text
    plain = summary(
        compare([record("tiny", "one", GOOD)], [record("tiny", "one", GOOD)]), 0.01, "b"
    )
    assert "‡" not in plain


def test_a_task_of_which_all_items_leaked_is_not_compared():
    rows = [item(i, v, flags=["leaked"]) for i, v in enumerate(GOOD)]
    (found,) = compare([record("tiny", "one", GOOD)], [record_of("tiny", "one", rows)])
    assert found.verdict == "not comparable"
    assert "all 40 scored items are in what the model was made from now" in found.reason
    assert failed([found]) == [found]
