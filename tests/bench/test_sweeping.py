"""What a sweep may vary, and how it takes fewer seeds."""

import itertools

import pytest

from bench.sweeping import check_vary, read_vary, with_seeds
from harness.errors import UserError
from specializers.domain import load_domain
from tests.specializers.tiny import save_domain

PARAMS = {"examples": 24, "rate": 0.1, "novelty": "instruction", "packing": True}


@pytest.fixture
def domain(tmp_path):
    return load_domain(save_domain(tmp_path / "domain", seeds=8))


def test_values_are_put_in_order_as_they_were_written():
    vary = read_vary("examples=100, 25,50")
    assert (vary.name, vary.values) == ("examples", ("25", "50", "100"))
    assert read_vary("rate=3e-4,1e-4").values == ("1e-4", "3e-4")


@pytest.mark.parametrize(
    "text", ["examples", "examples=", "=1,2", "examples=a,b", "examples=1,1.0"]
)
def test_another_form_is_refused(text):
    with pytest.raises(UserError, match="--vary"):
        read_vary(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("exmaples=1,2", "Did you mean 'examples'"),
        ("novelty=1,2", "a parameter whose value is a number"),
        ("packing=0,1", "a parameter whose value is a number"),
        ("seeds=4,9", "from 1 to 8"),
        ("seeds=0,4", "from 1 to 8"),
        ("seeds=1.5", "from 1 to 8"),
    ],
)
def test_what_cannot_be_varied_says_what_can(domain, text, told):
    with pytest.raises(UserError, match=told):
        check_vary(read_vary(text), PARAMS, domain, own_domain=False)


def test_a_specializer_with_its_own_seeds_has_none_to_vary(domain):
    check_vary(read_vary("seeds=2,4"), PARAMS, domain, own_domain=False)
    with pytest.raises(UserError, match="its own seeds"):
        check_vary(read_vary("seeds=2,4"), PARAMS, domain, own_domain=True)


def test_fewer_seeds_are_among_more_and_take_the_kinds_in_turn(domain):
    taken = [with_seeds(domain, count).seeds for count in range(1, 9)]
    for fewer, more in itertools.pairwise(taken):
        assert more[: len(fewer)] == fewer
    kinds = {seed.task_type for seed in domain.seeds}
    assert {seed.task_type for seed in taken[len(kinds) - 1]} == kinds
    assert set(taken[-1]) == set(domain.seeds)
    digests = {with_seeds(domain, count).digest for count in range(1, 9)} | {domain.digest}
    assert len(digests) == 9
