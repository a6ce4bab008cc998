# The commands of this project. `make help` lists them.

CARGO ?= cargo

.PHONY: help build demo test lint bench bench-guard bench-live bench-outputs bench-web clean

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST)

build: ## Build the product
	@deploy/prepare.sh build
	$(CARGO) build --release

demo: build ## Watch a simulated plant on this machine, for a minute
	target/release/wayside demo

test: ## Format, lints and every test
	@deploy/prepare.sh test
	@$(MAKE) --no-print-directory lint
	$(CARGO) test

lint: ## Format and lints only
	@if $(CARGO) fmt --version >/dev/null 2>&1; then $(CARGO) fmt --check; \
	else echo "lint: no rustfmt here (rustup component add rustfmt); format not checked"; fi
	@if $(CARGO) clippy --version >/dev/null 2>&1; then $(CARGO) clippy --all-targets -- -D warnings; \
	else echo "lint: no clippy here (rustup component add clippy); lints not checked"; fi

bench: ## What watching costs beside reading (ONLY=replay|dense|rules|flows|workers|start, ROUNDS=11, CAPTURE=FILE)
	@deploy/prepare.sh bench
	@$(CARGO) bench --quiet --bench replay

bench-guard: ## Compare instruction counts with those kept in benches/instructions.toml
	@deploy/prepare.sh bench
	@$(CARGO) bench --quiet --bench instructions

bench-live: ## A live sensor under load, as root (RATE=100000, DURATION=10, WORKERS=1, BROWSERS=10)
	@deploy/prepare.sh bench
	@$(CARGO) bench --quiet --bench live

bench-outputs: ## How long alerts are on their way to a file, syslog and a web server
	@deploy/prepare.sh bench
	@$(CARGO) bench --quiet --bench outputs

bench-web: ## How long pages take with 100,000 alerts and 5,000 devices
	@deploy/prepare.sh bench
	@$(CARGO) bench --quiet --bench web

clean: ## Remove what was built
	$(CARGO) clean
