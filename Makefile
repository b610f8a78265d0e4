# On a fresh machine with Python 3.11 or newer, a C++ compiler and make: `make demo` or `make test`.
# The first run compiles llama.cpp (about five minutes on two cores; pip keeps the wheel it built), unless a wheel in the
# range of pyproject.toml is in .venv already.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BUILT := $(VENV)/.cmake-args

# A GPU: CMAKE_ARGS="-DGGML_CUDA=on" make setup      NVIDIA, with the CUDA toolkit
#        CMAKE_ARGS="-DGGML_VULKAN=on" make setup    any other, with Vulkan's headers, its loader and glslc
#        CMAKE_ARGS="-DGGML_METAL=on" make setup     Apple; there it is on anyway
# llama.cpp is then compiled anew: the wheel that pip keeps may be one without the GPU.
ifneq ($(CMAKE_ARGS),)
ifneq ($(CMAKE_ARGS),$(shell cat $(BUILT) 2>/dev/null))
.PHONY: $(READY)
ANEW := --no-cache-dir --force-reinstall --no-binary llama-cpp-python
endif
endif

.PHONY: setup demo test test-slow test-offload test-matrix fuzz validate bench bench-busy bench-imatrix bench-quantize bench-choose bench-memory bench-page bench-remote bench-train bench-labels bench-ranking chaos kills faults headers soak reliability scale check fix train pairs clean

setup: $(READY)

LLAMA = $(shell sed -n 's/^ *"\(llama-cpp-python[^"]*\)".*/\1/p' pyproject.toml)
PIP := $(BIN)/python -m pip

$(READY): pyproject.toml
	@python=$$(test -x $(BIN)/python && echo $(BIN)/python || echo $(PYTHON)); \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "error: edge-judge needs Python 3.11 or newer, $$python is $$($$python --version 2>&1 | grep Python || echo "not there")" >&2; \
	    echo "hint: install one, then for example: PYTHON=python3.12 make setup" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade pip
	@if test -z '$(ANEW)' && $(PIP) install --no-index --no-deps --dry-run '$(LLAMA)' >/dev/null 2>&1; then \
	    echo "llama.cpp: the one in $(VENV) is used"; \
	elif test -z '$(ANEW)' && $(PIP) cache list llama_cpp_python 2>/dev/null | grep -q whl; then \
	    echo "llama.cpp: the wheel that pip kept is used, if it is of the right version"; \
	elif ! command -v "$${CXX:-c++}" >/dev/null && ! command -v g++ >/dev/null && ! command -v clang++ >/dev/null; then \
	    echo "error: compiling llama.cpp needs a C++ compiler, and there is none" >&2; \
	    echo "hint: apt install g++, or xcode-select --install; or install a prebuilt wheel first, see README.md" >&2; \
	    exit 1; \
	else echo "compiling llama.cpp: about five minutes on two cores, once"; fi
	$(if $(ANEW),$(PIP) install --quiet $(ANEW) '$(LLAMA)')
	$(PIP) install --quiet --editable '.[test]'
	$(if $(ANEW),printf '%s' '$(CMAKE_ARGS)' > $(BUILT))
	touch $@

demo: setup  ## the main job on the embedded judge, offline
	$(BIN)/edge-judge demo

test: setup check  ## everything but what takes minutes; JOBS=2 runs two tests side by side
	$(BIN)/python -m pytest -m 'not slow' $(if $(JOBS),-n $(JOBS))

test-slow: setup  ## what takes minutes
	$(BIN)/python -m pytest -m slow

test-offload:  ## layers on a device without having one: llama.cpp's RPC server; or BACKEND=VULKAN on any GPU or on Mesa's llvmpipe
	$(MAKE) setup VENV=.venv-offload CMAKE_ARGS="-DGGML_$(or $(BACKEND),RPC)=ON"
	GGML_VK_VISIBLE_DEVICES=$(or $(GGML_VK_VISIBLE_DEVICES),0) .venv-offload/bin/python -m pytest tests/test_placing.py tests/test_offload.py

test-matrix:  ## every Python, the lowest dependencies, odd machines: hours; or ROWS="py312 lowest" TESTS=tests/test_cli.py
	$(PYTHON) tests/matrix.py $(ROWS) -- $(TESTS)

fuzz: setup  ## changed files for every parser, new inputs for the tests that draw them; MINUTES=10 or HOURS=8, TARGETS="grammar pack" JSON=FILE
	$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet --only-binary :all: atheris || echo "no atheris for this Python: inputs are changed blindly"
	$(BIN)/python tests/fuzz.py $(if $(HOURS),--hours $(HOURS),--minutes $(or $(MINUTES),10)) $(if $(SEED),--seed $(SEED)) $(if $(JSON),--add --json $(JSON)) $(TARGETS)

bench-quantize: setup  ## memory, disk and time of quantizing; needs torch and an hour
	$(BIN)/python benchmarks/quantize.py memory
	$(BIN)/python benchmarks/quantize.py speed

bench: setup  ## judging, beside llama-cpp-python and llama-server: hours; takes pip's cmake where the system has none
	command -v cmake >/dev/null || $(BIN)/python -m pip install --quiet cmake
	$(BIN)/python benchmarks/judge.py

bench-imatrix: setup  ## what importances do for small schemes, and the time beside llama-imatrix: minutes
	$(BIN)/python benchmarks/importance.py
	command -v cmake >/dev/null || $(BIN)/python -m pip install --quiet cmake
	$(BIN)/python benchmarks/importance.py --speed

bench-busy: setup  ## judging beside busy processes, by number of threads: ten minutes
	$(BIN)/python benchmarks/busy.py

bench-choose: setup  ## errors and savings of the sequential test, simulated: minutes
	$(BIN)/python -m pip install --quiet altair
	$(BIN)/python benchmarks/sequential.py
	$(BIN)/python benchmarks/exact_design.py

bench-labels: setup  ## stopping a ranking, and a few labels beside a judge: errors and savings, simulated: half an hour
	$(BIN)/python benchmarks/ranking_stopping.py
	$(BIN)/python benchmarks/ranking_labels.py

validate: setup  ## do the statements hold: promised and found errors of every one, simulated: minutes
	$(BIN)/python benchmarks/validate.py

bench-memory: setup  ## the memory told before a run beside what it takes: minutes
	$(BIN)/python benchmarks/memory.py

bench-page: setup  ## how long a page of 14,000 verdicts takes to open; needs chromium
	$(BIN)/python benchmarks/page.py

bench-ranking: setup  ## how often the intervals of a ranking hold, simulated: minutes
	$(BIN)/python benchmarks/ranking_coverage.py
	$(BIN)/python benchmarks/ranking_two_judges.py
	$(BIN)/python benchmarks/ranking_length.py

bench-remote: setup  ## verdicts from an endpoint, beside plain clients; builds llama-server, minutes
	command -v cmake >/dev/null || $(BIN)/python -m pip install --quiet cmake
	$(BIN)/python benchmarks/remote.py

bench-train: setup  ## what training brings: a new family of tasks learned, measured before and after; needs torch and peft
	$(BIN)/python -m pip install --quiet --editable '.[train]'
	$(BIN)/python benchmarks/training.py

chaos: setup  ## workers and coordinators of a cluster killed and suspended at random: the same score; minutes
	$(BIN)/python tests/chaos.py

kills: setup  ## every command killed at random moments and started again: an hour or more; or TIMES=20 ONLY="eval pairwise" JSON=FILE
	$(BIN)/python tests/kills.py --times $(or $(TIMES),200) $(if $(ONLY),--only "$(ONLY)") $(if $(JSON),--add --json $(JSON))

faults: setup  ## every call on a file fails in turn, in a run of each command; Linux, a C compiler; SAMPLE=8 JSON=FILE
	$(BIN)/python tests/faults.py --sample $(or $(SAMPLE),0) $(if $(JSON),--json $(JSON))

headers: setup  ## GGUFs with a mutated header, judged as any other: each must end with verdicts or one clear error; COUNT=300 SEED=0 JSON=FILE
	$(BIN)/python tests/headers.py --count $(or $(COUNT),300) --seed $(or $(SEED),0) $(if $(JSON),--json $(JSON))

soak: setup  ## the pocket judge over every benchmark that is here, in one process: nothing piles up; hours; LIMIT=20 SCHEMES= PROTOCOLS= JSON=FILE
	$(BIN)/python tests/soak.py $(if $(LIMIT),--limit $(LIMIT)) $(if $(SCHEMES),--schemes $(SCHEMES)) $(if $(PROTOCOLS),--protocols $(PROTOCOLS)) $(if $(JSON),--json $(JSON))

RECORDS := results/reliability
reliability: setup  ## kills, faults, fuzz, headers and soak, then docs/reliability.md: hours; or TIMES=3 SAMPLE=2 MINUTES=5 COUNT=50 LIMIT=20
	rm -f $(addprefix $(RECORDS)/,kills.json faults.json fuzz.json headers.json soak.json)
	-$(MAKE) kills JSON=$(RECORDS)/kills.json
	-$(MAKE) faults JSON=$(RECORDS)/faults.json
	-$(MAKE) fuzz JSON=$(RECORDS)/fuzz.json $(if $(MINUTES)$(HOURS),,HOURS=2)
	-$(MAKE) headers JSON=$(RECORDS)/headers.json
	-$(MAKE) soak JSON=$(RECORDS)/soak.json
	$(BIN)/python tests/reliability.py

scale: setup  ## hours, network and cost of 432 runs on 1, 8 and 1,000 machines, simulated by measured rates
	$(BIN)/python benchmarks/scale.py

check: setup  ## style and types, on other systems too; changes nothing
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin

fix: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format edge_judge quantize tests benchmarks

train: setup  ## the pocket judge anew (hours; needs torch: pip install -e '.[train]')
	$(BIN)/python -m edge_judge.pocket.train

pairs: setup  ## the pocket benchmark anew
	$(BIN)/python -m edge_judge.pocket.make_pairs

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
