# Everything that this project can be asked to do. `make help` lists it.

SHELL := /bin/bash -eu -o pipefail
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

CACHE := $(or $(SPARSELORA_CACHE),.cache/models)
GGUF := $(CACHE)/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf
MODEL := $(CACHE)/smollm2-135m-instruct-bf16
VENV ?= .venv
PYTHON := $(VENV)/bin/python
CHECKS := .cache/checks
SPARSELORA := .build/release/sparselora
BENCHMARKS := .build/release/Benchmarks
# The data of check-loss-trace: any training file will do.
TRACE_DATA ?= $(firstword $(wildcard ../shared/data/arithmetic/train.jsonl) Examples/word-problems/train.jsonl)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the library, the command line tool and the benchmarks, optimised
	swift build -c release

.PHONY: demo
demo: build $(GGUF) ## Fine-tune SmolLM2-135M on the example problems; accuracy before and after
	tools/demo.sh $(SPARSELORA) $(GGUF)

.PHONY: test
test: ## Build and run all tests
	swift test

.PHONY: lint
lint: ## Check the format of all Swift files
	swift format lint --strict --recursive Sources Tests Package.swift

.PHONY: docs
docs: ## Build the documentation of the library
	swift package generate-documentation --target SparseLoRA

.PHONY: goldens
goldens: $(VENV)/.installed ## Remake the goldens of the tests with their pinned generators
	for generator in tools/goldens/make_*.py; do echo $$generator; $(PYTHON) $$generator; done

.PHONY: check-adapter
check-adapter: build $(MODEL)/config.json ## PEFT and transformers agree with us on an adapter of ours
	rm -rf $(CHECKS)/adapter
	$(SPARSELORA) train --model $(MODEL) --data Examples/word-problems --iters 40 --output $(CHECKS)/adapter
	$(PYTHON) tools/checks/check_adapter.py --model $(MODEL) --adapter $(CHECKS)/adapter/adapter --sparselora $(SPARSELORA) \
	    --prompts Examples/word-problems/test.jsonl

.PHONY: check-loss-trace
check-loss-trace: build $(MODEL)/config.json ## 50 training steps follow PEFT's losses
	rm -rf $(CHECKS)/trace
	mkdir -p $(CHECKS)/trace
	$(SPARSELORA) train --model $(MODEL) --data $(TRACE_DATA) --dtype float32 --iters 50 --output $(CHECKS)/trace/run \
	    --trace $(CHECKS)/trace/trace.jsonl --save-initial-adapter $(CHECKS)/trace/initial
	$(PYTHON) tools/checks/check_loss_trace.py --model $(MODEL) --trace $(CHECKS)/trace/trace.jsonl \
	    --initial-adapter $(CHECKS)/trace/initial --steps 50

.PHONY: check-families
check-families: build $(VENV)/.installed ## Every model family agrees with transformers and PEFT
	$(PYTHON) tools/checks/check_families.py --sparselora $(SPARSELORA)

GEMMA := $(CACHE)/gemma3-270m/gemma-3-270m-q4_k_m.gguf

.PHONY: check-gemm
check-gemm: build ## Matrix products as shares of the measured peak, on every instruction set that the processor executes
	$(BENCHMARKS) kernels --products --check --rounds 9

.PHONY: check-step
check-step: build $(MODEL)/config.json ## A bf16 training step beside PEFT in bf16: time and memory
	$(BENCHMARKS) speed --model $(MODEL) --python $(PYTHON) --work $(SPEED) --only bf16-peer

.PHONY: check-gemma
check-gemma: build $(GEMMA) $(VENV)/.installed ## A real Gemma 3: loading time, logits and training beside transformers and PEFT
	$(PYTHON) tools/checks/check_gemma.py --model $(GEMMA) --sparselora $(SPARSELORA) --data $(TRACE_DATA) \
	    --work $(CHECKS)/gemma

# Where the runs of check-speed are kept. COMPARE=FILE shows what changed against an earlier one; ONLY=step,gemma takes some
# cases; EPOCH_BATCHES=8 bounds the real data sets.
SPEED := $(CHECKS)/speed
RUN_SPEED = $(BENCHMARKS) speed --model $(MODEL) --gemma $(GEMMA) --python $(PYTHON) --work $(SPEED) \
    $(if $(wildcard $(QUALITY_DATA)),--data $(QUALITY_DATA)) $(if $(COMPARE),--compare $(COMPARE)) \
    $(if $(ONLY),--only $(ONLY)) $(if $(EPOCH_BATCHES),--epoch-batches $(EPOCH_BATCHES))

.PHONY: check-speed
check-speed: build $(MODEL)/config.json $(GEMMA) ## Every speed and memory bar that fits in ten minutes, PEFT alternating
	$(RUN_SPEED) --save $(SPEED)/$(if $(ONLY),part,quick).jsonl

.PHONY: check-sparse-speed
check-sparse-speed: build $(MODEL)/config.json ## What sparse steps realise of the speed-up that their operations predict
	$(BENCHMARKS) speed --model $(MODEL) --work $(SPEED) --only sparsity --save $(SPEED)/sparse.jsonl

.PHONY: check-sparse-speed-full
check-sparse-speed-full: build $(MODEL)/config.json ## The same with more rounds and all layers of the larger shape
	$(BENCHMARKS) speed --model $(MODEL) --work $(SPEED) --only sparsity --form full --save $(SPEED)/sparse.jsonl

.PHONY: check-speed-full
check-speed-full: build $(MODEL)/config.json $(GEMMA) ## The same in full size with whole epochs, two hours; may be stopped
	$(RUN_SPEED) --form full --save $(SPEED)/$(if $(ONLY),part,full).jsonl --continue

.PHONY: benchmarks-page
benchmarks-page: ## Write docs/BENCHMARKS.md from the newest run of check-speed or -full, and that of check-sparse-speed
	$(BENCHMARKS) report --page docs/BENCHMARKS.md \
	    $$(ls -t $(SPEED)/*.jsonl | grep -E '/(quick|full).jsonl' | head -1) $(wildcard $(SPEED)/sparse.jsonl)

.PHONY: check-tokenizers
check-tokenizers: build $(MODEL)/config.json $(GEMMA) ## Every tokenizer at hand gives the ids of Hugging Face tokenizers, 100 MB each
	$(PYTHON) tools/checks/check_tokenizer.py $(MODEL) $(GGUF) $(GEMMA) --zoo --cache .cache/tokenizers \
	    --benchmarks $(BENCHMARKS)

.PHONY: check-tokenizer-export
check-tokenizer-export: $(GGUF) $(GEMMA) $(VENV)/.installed ## transformers reads the tokenizers that we export from GGUF files
	$(PYTHON) tools/checks/check_tokenizer_export.py $(GGUF) $(GEMMA) --zoo .cache/tokenizers

.PHONY: check-sparsity
check-sparsity: ## Contextual sparsity: its acceptance tests, and PyTorch's channels, losses and gradients
	rm -rf $(CHECKS)/sparsity
	mkdir -p $(CHECKS)/sparsity/deviations
	SPARSELORA_REPORT_FOLDER=$(abspath $(CHECKS)/sparsity/deviations) swift test --filter \
	    'Contextual sparsity|Criteria for channels|Layers with selected channels|HeadLayout|SingularValueEstimator|Predictor' \
	    2>&1 | tee $(CHECKS)/sparsity/log
	awk -v tests="$$(sed -n 's/.*Test run with \([0-9]*\) tests.* passed.*/\1/p' $(CHECKS)/sparsity/log)" \
	    '{ models++; if ($$1 > worst) worst = $$1 } \
	    END { missed = tests < 30 || models != 27 || !(worst < 1e-4); \
	    printf "check-sparsity: %d tests, %d models within %.1e of PyTorch (allowed: 1e-4)%s\n", \
	    tests, models, worst, missed ? ": MISSED" : ""; exit missed }' $(CHECKS)/sparsity/deviations/*

.PHONY: check-templates
check-templates: build $(VENV)/.installed ## Every chat template in TEMPLATES=folder renders as in Jinja
	$(PYTHON) tools/checks/check_templates.py --folder $(or $(TEMPLATES),$(error TEMPLATES names a folder of .jinja files)) \
	    --sparselora $(SPARSELORA)

# What check-quality trains and tests on: folders arithmetic and commonsense with train.jsonl and test-*.jsonl. Another
# model: QUALITY_MODEL=path. QUALITY_SEEDS=1 makes do with the first seed.
QUALITY_DATA ?= ../shared/data
QUALITY_MODEL ?= $(MODEL)
QUALITY := python3 tools/checks/check_quality.py --model $(QUALITY_MODEL) --sparselora $(SPARSELORA) --data $(QUALITY_DATA) \
    --cache .cache/quality --paper $(if $(QUALITY_SEEDS),--seeds $(QUALITY_SEEDS))

.PHONY: check-quality
check-quality: build $(MODEL)/config.json ## Loss and accuracy of sparse training against dense, one seed, an hour
	$(QUALITY) --form quick

.PHONY: check-quality-full
check-quality-full: build $(MODEL)/config.json ## The same with whole data and three seeds, many hours; may be stopped
	$(QUALITY) --form full

.PHONY: check-startup
check-startup: build $(GGUF) ## Time from command to first step, and allocations in a steady step
	$(BENCHMARKS) startup --check --model $(GGUF)

$(GGUF): tools/fetch_model.py
	tools/fetch_model.py
	touch $@

$(GEMMA): tools/fetch_model.py
	tools/fetch_model.py gemma3-270m
	touch $@

$(MODEL)/config.json: $(GGUF) tools/gguf_to_folder.py $(VENV)/.installed
	rm -rf $(MODEL)
	$(PYTHON) tools/gguf_to_folder.py $(GGUF) $(MODEL)

# The Python side: only goldens and checks need it.
.PHONY: .venv
.venv: $(VENV)/.installed
$(VENV)/.installed: tools/requirements.txt
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --requirement tools/requirements.txt
	touch $@
