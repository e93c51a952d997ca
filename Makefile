# What a person types. Each target does its own set-up.

SHELL := bash
export CARGO_TARGET_DIR ?= $(HOME)/.cache/annals/target
export CARGO_TERM_COLOR ?= auto
# Files of the catalog that `make run` serves, and where its data is kept.
CATALOG ?= examples/catalog
DATA ?= data
LISTEN ?= 127.0.0.1:7007
# Where its log is: embedded, or kafka, which is started with it.
LOG ?= embedded

.PHONY: help
help: ## this text
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: setup
setup: ## what is needed to build
	@scripts/setup

.PHONY: build
build: setup ## the program
	@echo "building annals …" >&2
	cargo build --release --locked --quiet -p annals

.PHONY: run
run: build ## serve CATALOG (a file, folder or glob) on LISTEN, with its data in DATA; LOG=kafka
	@scripts/hint $(LISTEN) &
	@exec scripts/serve "$(LOG)" "$(DATA)" "$(CARGO_TARGET_DIR)/release/annals" --listen "$(LISTEN)" --catalog "$(CATALOG)"

.PHONY: test
test: ## everything that every change has to pass
	@scripts/setup test
	@scripts/test

.PHONY: lint
lint: ## formatting, lints, licences, the direction of dependencies
	@scripts/setup test
	@scripts/lint

.PHONY: fmt
fmt: ## format the code
	cargo fmt --all

.PHONY: bench
bench: setup ## the whole path at 100,000 entities, beside its ceiling
	cargo run --release --locked --quiet -p annals-benches -- $(BENCH)

.PHONY: bench-kafka
bench-kafka: setup ## fold a log on Kafka, beside a bare consumer and Kafka Streams
	cargo run --release --locked --quiet -p annals-benches -- --kafka 200000

.PHONY: soak
soak: ## the long suites: kills, faults, fuzzing, large benchmarks
	@scripts/setup soak
	@scripts/soak

.PHONY: clean
clean: ## forget the data of `make run`; what is compiled stays
	rm -rf "$(DATA)"
