# Quell. `make demo` shows the main job on real servers, `make test` passes all
# tests. Each installs what is missing and says what it does.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:

OUT ?= target/demo
SABOTAGE ?=
ONLY ?=
export CARGO_TERM_COLOR ?= never

.PHONY: help demo test drill bench audit setup fmt seeds chance fuzz console

help:
	@echo "make demo    the main job on real PostgreSQL, OpenBao and OpenLDAP, under two minutes after the build (OUT=, SABOTAGE=lying-plane|false-proof, YES=1)"
	@echo "make console the web console, which the next cargo build puts into the binary (needs Node 20.19; gets one below target/ where it is missing)"
	@echo "make test    every test; installs what is missing; each stage prints its time"
	@echo "make drill   every action of every plane done, proved and taken back on its real server; writes docs/coverage.md (YES=1)"
	@echo "make seeds   worlds of the simulator alone (QUELL_SEEDS=10000 QUELL_FIRST_SEED=2000)"
	@echo "make chance  every property with new cases (PROPTEST_CASES=20000, FILTER=)"
	@echo "make fuzz    made-up input for every detector, log and mapping (TIME=600 seconds, ONLY=detector, SEED=, REPLAY=file with ONLY)"
	@echo "make bench   what Quell reaches beside what this machine allows (OUT=target/bench, ONLY=cut|proved|across|ingest|ledger|queue|alerts)"
	@echo "make audit   licences, bans and sources of dependencies"

demo:
	@tools/demo.sh "$(OUT)" "$(SABOTAGE)"

test: setup
	@tools/test.sh

drill:
	@tools/drill.sh

console:
	@tools/console.sh build

bench:
	@tools/bench.sh "$(if $(filter file,$(origin OUT)),target/bench,$(OUT))" "$(ONLY)"

audit:
	@tools/audit.sh

setup:
	@tools/setup.sh tests

seeds:
	@QUELL_SEEDS=$${QUELL_SEEDS:-10000} QUELL_FIRST_SEED=$${QUELL_FIRST_SEED:-2000} cargo nextest run --cargo-profile worlds -p quell-sim --no-capture -E "test(seeds)"

# A property that sets no number of its own draws PROPTEST_CASES.
chance:
	@PROPTEST_CASES=$${PROPTEST_CASES:-20000} cargo nextest run --workspace --no-fail-fast -E "$${FILTER:-package(quell-core) + package(quell-ledger) + package(quell-detectors) + package(quell-policy)}"

# Optimised, and overflow is still a fault. What is found is in target/fuzz.
fuzz:
	@cargo run --quiet --profile worlds -p quell-fuzz -- --time $${TIME:-600} $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED)) $(if $(REPLAY),--replay $(REPLAY))

fmt:
	@cargo fmt --all
