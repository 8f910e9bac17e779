"""What a sweep may vary, and how it takes fewer seeds."""

import itertools

import pytest

from bench.sweeping import check_vary, read_vary, with_seeds
from harness.errors import UserError
from specializers.domain import load_domain
from tests.specializers.tiny import save_domain

PARAMS = {"examples": 24, "rate": 0.1, "novelty": "instruction", "packing": True, "modules": ["q"]}


@pytest.fixture
def domain(tmp_path):
    return load_domain(save_domain(tmp_path / "domain", seeds=8))


def test_values_are_put_in_order_as_they_were_written():
    vary = read_vary("examples=100, 25,50")
    assert (vary.name, vary.values) == ("examples", ("25", "50", "100"))
    assert read_vary("rate=3e-4,1e-4").values == ("1e-4", "3e-4")
    assert read_vary("rate=3e-4,1e-4").point("3e-4") == 0.0003


def test_choices_stay_in_the_order_given():
    vary = read_vary("novelty=whole, instruction")
    assert vary.values == ("whole", "instruction")
    assert vary.point("whole") == "whole"


@pytest.mark.parametrize(
    "text",
    ["examples", "examples=", "=1,2", "examples=1,1.0", "novelty=a,b,a", "novelty=a/../b,c"],
)
def test_another_form_is_refused(text):
    with pytest.raises(UserError, match="--vary"):
        read_vary(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("exmaples=1,2", "Did you mean 'examples'"),
        ("examples=a,b", "expected numbers, such as 24"),
        ("rate=1e-4,high", "expected numbers, such as 0.1"),
        ("modules=q,v", "a number, a text, or true or false"),
        ("seeds=4,9", "from 1 to 8"),
        ("seeds=0,4", "from 1 to 8"),
        ("seeds=1.5", "from 1 to 8"),
    ],
)
def test_what_cannot_be_varied_says_what_can(domain, text, told):
    with pytest.raises(UserError, match=told):
        check_vary(read_vary(text), PARAMS, domain, own_domain=False)


@pytest.mark.parametrize("text", ["novelty=instruction,whole", "packing=true,false"])
def test_a_choice_can_be_varied(domain, text):
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
