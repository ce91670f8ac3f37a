# Quell. `make demo` shows the main job on real servers, `make test` passes all
# tests. Each installs what is missing and says what it does.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:

OUT ?= target/demo
SABOTAGE ?=
ONLY ?=
export CARGO_TERM_COLOR ?= never

.PHONY: help demo test bench audit setup tools fmt seeds clean-lab

help:
	@echo "make demo    the main job on a real PostgreSQL, under a minute after the build (OUT=, SABOTAGE=lying-plane|false-proof, YES=1)"
	@echo "make test    every test; installs what is missing; each stage prints its time"
	@echo "make bench   figures as ratios of one run (OUT=target/bench, ONLY=cut|ledger|ingest)"
	@echo "make audit   licences, bans and sources of dependencies"

demo:
	@tools/demo.sh "$(OUT)" "$(SABOTAGE)"

test: setup
	@tools/test.sh

bench: setup
	@tools/bench.sh "$(or $(filter-out target/demo,$(OUT)),target/bench)" "$(ONLY)"

audit:
	@tools/audit.sh

setup:
	@tools/setup.sh tests

seeds:
	@QUELL_SEEDS=$${QUELL_SEEDS:-2000} cargo nextest run -p quell-sim --no-capture -E "test(seeds)"

fmt:
	@cargo fmt --all
