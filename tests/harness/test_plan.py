"""Jobs come grouped by base, the base first."""

from harness.plan import plan_jobs


def jobs(models, **options):
    shots = options.pop("shots", (0,))
    options = {"shots_of": lambda _: shots, **options}
    return plan_jobs(models, ["t1", "t2"], suite_of=lambda _: "s", **options)


def test_each_task_is_asked_with_its_own_shots():
    found = jobs([("a", "a", "")], shots_of={"t1": (3,), "t2": (0, 3)}.get)
    assert [(job.task, job.shots) for job in found] == [("t1", 3), ("t2", 3), ("t2", 0)]


def test_each_base_is_loaded_once():
    models = [("x-a", "a", "x"), ("b", "b", ""), ("a", "a", ""), ("y-b", "b", "y")]
    assert list(dict.fromkeys(job.model for job in jobs(models))) == ["a", "x-a", "b", "y-b"]


def test_every_cell_once_and_no_draws_without_shots():
    cells = [
        (job.task, job.shots, job.draw) for job in jobs([("a", "a", "")] * 2, shots=(0, 2), draws=2)
    ]
    assert cells == [
        ("t1", 0, 0), ("t2", 0, 0),
        ("t1", 2, 0), ("t1", 2, 1), ("t2", 2, 0), ("t2", 2, 1),
    ]  # fmt: skip
