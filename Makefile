# databunker: every target is one script; PG_CONFIG picks the PostgreSQL to build for.
#   make install PG_CONFIG=/usr/lib/postgresql/17/bin/pg_config DESTDIR=/tmp/stage

export PG_CONFIG ?= pg_config
export DESTDIR

.DEFAULT_GOAL := help
.PHONY: help demo demo-stop build test install bench fmt lint package clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: ## set up, build, install and run the quick start on a throwaway server
	@scripts/demo

demo-stop: ## stop the demo server and remove its files
	@scripts/demo stop

build: ## compile the extension and bunker-sync, assemble the install script
	@scripts/build

test: ## run every test; one file: scripts/test tests/test_smoke.py
	@scripts/test

install: build ## install into the directories of PG_CONFIG, under DESTDIR
	@scripts/install

bench: ## measure against plain tables and pgcrypto (BENCH_SECONDS=5)
	@bench/run

fmt: ## format the Rust code
	cargo fmt --all

lint: ## formatting, clippy, licences, shell and SQL checks
	@scripts/lint

package: build ## make target/package/databunker-VERSION-pgNN-OS-ARCH.tar.gz
	@scripts/package

clean: ## remove everything that was built
	cargo clean
	rm -rf tests/node_modules
