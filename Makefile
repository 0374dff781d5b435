# The commands of this project; `make` lists them.
#
# Needed beforehand: git, make, and Rust (https://rustup.rs). `make setup` gets the rest; every
# command that needs it runs it, and it costs a second when nothing is to do.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
CARGO_DENY_VERSION := 0.20.2
CARGO_DEB_VERSION := 3.8.0

# What `make deb` packages for: amd64 or arm64.
ARCH ?= amd64

# What `make demo` plays and how; for example `make demo VIDEO=holiday.mp4`.
VIDEO ?= samples/bikes.mp4
DEMO_FLAGS ?= --realtime --top-k 3

# How long `make soak` lasts; its 72 hours of faults take 30 minutes or more. And its other flags, for
# example `SOAK_FLAGS="--seed 2 --keep soak"`.
MINUTES ?= 30
SOAK_FLAGS ?=

# Directories of labelled pictures that `make evaluate` profiles, each a set of its own; and what else
# `classifyd evaluate` is told, for example `EVALUATE_FLAGS="--budget 16ms,33ms"`.
IMAGES ?= $(patsubst %/,%,$(wildcard ../shared/data/images/*/))
EVALUATE_FLAGS ?=

# A setting of the environment wins: a GPU build of ONNX Runtime, say.
export ORT_DYLIB_PATH ?= $(CURDIR)/lib/libonnxruntime.so

.PHONY: help
help: ## List these commands
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: setup
setup: ## Install system packages, ONNX Runtime, models, labels, sample videos
	@scripts/setup.sh

.PHONY: setup-test
setup-test: ## The same, with what only tests need: an older ONNX Runtime, promtool
	@scripts/setup.sh --set tests

.PHONY: models-all
models-all: ## The same, with EfficientNet-Lite 1 and ResNet v1 50
	@scripts/setup.sh --all

.PHONY: build
build: setup ## Build the release binary
	$(CARGO) build --release --locked

.PHONY: demo
demo: build ## Classify a sample video; the records go to demo.jsonl
	./target/release/classifyd replay $(DEMO_FLAGS) $(VIDEO) > demo.jsonl
	@echo
	@echo "A record (all of them are in demo.jsonl):"
	@head -n 1 demo.jsonl
	@echo
	@echo "One frame in 25, in short:"
	@sed -nE '1~25s/$(SHORT_RECORD)/  frame \1  \3 (\4), by \2/p' demo.jsonl

# Frame, model, best label and its confidence of a record.
SHORT_RECORD := .*"frame":([0-9]+),.*"model":"([^"]*)".*"labels":\[\{"class":[0-9]+,"label":"([^"]*)","confidence":([0-9]\.[0-9]{0,2}).*

# For promtool.
test: export PATH := $(CURDIR)/.setup/bin:$(PATH)
# As root a real systemd can be booted for the tests of the service.
test: export SERVICE_TESTS := $(if $(filter 0,$(shell id -u)),1)

.PHONY: test
test: setup-test test-convert ## Run all tests, those of the model converter too
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    $(CARGO) test --doc --locked && $(CARGO) nextest run --locked; \
	else \
	    $(CARGO) test --locked; \
	fi
	$(CARGO) test --locked --features loom --lib interleavings

.PHONY: test-service
test-service: export SERVICE_TESTS := 1
test-service: setup-test ## The tests of the service alone, in a container that a systemd boots (as root)
	$(CARGO) test --locked --test it -- service::

.PHONY: test-v4l2
test-v4l2: export V4L2_TESTS := 1
test-v4l2: build ## Pull out and plug in a test camera in a virtual machine (QEMU, on an amd64 Debian)
	scripts/test-v4l2.sh

.PHONY: arm64
arm64: setup ## Build for aarch64 with the glibc of JetPack 4, such as a Jetson TX2 has
	scripts/arm64.sh

.PHONY: test-arm64
test-arm64: build arm64 ## Run that build under qemu-user, and compare its labels with this machine's
	@scripts/setup.sh --set arm64
	scripts/test-arm64.sh

.PHONY: soak-rtsp
soak-rtsp: setup ## Have a network camera disconnect 1,000 times, and look for leaks
	$(CARGO) build --release --locked --examples
	CLASSIFYD_TEST_DISCONNECTS=1000 $(CARGO) test --release --locked --test it -- \
	    --nocapture disconnects_leave_nothing_behind

.PHONY: soak
soak: build ## Do to the daemon in MINUTES=30 what goes wrong in 72 hours, and see that it copes
	$(CARGO) build --release --locked --examples
	scripts/soak.py --minutes $(MINUTES) $(SOAK_FLAGS)

.PHONY: test-convert
test-convert: setup ## Run the tests of the model converter
	PYTHONPATH=models .setup/venv/bin/python -m unittest discover \
	    --start-directory models/convert/tests --top-level-directory models

.PHONY: check
check: setup ## Formatting, lints, documentation, licences of dependencies
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps
	@PATH="$(CURDIR)/.setup/bin:$$PATH"; \
	if ! command -v cargo-deny >/dev/null; then \
	    echo "==> Building cargo-deny $(CARGO_DENY_VERSION) into .setup/bin (once, some minutes)"; \
	    $(CARGO) install --locked --quiet --debug --root .setup cargo-deny@$(CARGO_DENY_VERSION); \
	fi; \
	$(CARGO) fetch --locked; \
	cargo-deny --offline --all-features check licenses bans sources

.PHONY: deb
deb: build ## Make a Debian package; ARCH=arm64 packages what `make arm64` built
	@PATH="$(CURDIR)/.setup/bin:$$PATH"; \
	if ! command -v cargo-deb >/dev/null; then \
	    echo "==> Building cargo-deb $(CARGO_DEB_VERSION) into .setup/bin (once, some minutes)"; \
	    $(CARGO) install --locked --quiet --debug --root .setup cargo-deb@$(CARGO_DEB_VERSION); \
	fi
	scripts/deb.sh $(ARCH)

.PHONY: test-deb
test-deb: deb ## Install, upgrade, remove and purge the package in a container (as root; ARCH too)
	scripts/test-deb.sh $(ARCH)

.PHONY: bench
bench: setup ## Run the micro-benchmarks
	$(CARGO) bench --locked

.PHONY: bench-replay
bench-replay: build ## Compare a replay with ONNX Runtime alone
	scripts/bench-replay.sh

.PHONY: evaluate
evaluate: build ## Profile the directories in IMAGES and say what choosing is worth
	@if [ -z "$(strip $(IMAGES))" ]; then \
	    echo "There are no pictures: name directories of labelled images, as in"; \
	    echo "  make evaluate IMAGES=\"photos holiday\""; \
	    echo "(labelled as the README says under \"Your own premodel\")"; \
	    exit 1; \
	fi
	@mkdir -p evaluation; \
	profiles=(); \
	for directory in $(IMAGES); do \
	    profile="evaluation/$$(basename "$$directory").parquet"; \
	    if [ ! -e "$$profile" ]; then \
	        resume=(); if [ -e "$$profile.partial" ]; then resume=(--resume); fi; \
	        echo "==> Profiling $$directory"; \
	        ./target/release/classifyd profile --images "$$directory" --out "$$profile" \
	            "$${resume[@]}"; \
	    fi; \
	    profiles+=(--profile "$$profile"); \
	done; \
	./target/release/classifyd evaluate "$${profiles[@]}" --report evaluation/report \
	    $(EVALUATE_FLAGS)

.PHONY: clean
clean: ## Remove what was built
	$(CARGO) clean

.PHONY: distclean
distclean: clean ## Remove what was fetched too
	rm -rf .setup lib samples models/*.onnx models/imagenet_labels.txt
