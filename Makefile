# make           builds the tools, manual pages and shell completion in bin
# make install   installs them, to PREFIX (default /usr/local) below DESTDIR
# make demo      shows a service, its clients and zauth at work
# make test      tests everything
#
# make demo and make test install missing Debian packages with apt-get. On a system
# without apt-get, make test tests what needs no libzmq.

GO ?= go
PREFIX ?= /usr/local

# With sudo, make install may find no Go, and needs none.
ifneq ($(MAKECMDGOALS),install)
ifeq ($(shell command -v $(GO) 2>/dev/null),)
$(error needs Go 1.26 or later, see https://go.dev/doc/install)
endif
# With -trimpath, copies of this repository share the build cache. The documented
# commands are tested in such a copy.
export GOFLAGS := $(filter-out -trimpath,$(shell $(GO) env GOFLAGS)) -trimpath
endif

# Debian packages: libzmq and a C compiler for the tests against libzmq; czmq and pyzmq,
# the other peers; Jupyter's client, for the kernel of the examples; the libraries of the
# implementation of certificates in Python; a second YAML parser; GNU SASL and Cyrus SASL,
# the peers of package sasl; curl, for the HTTP server of zauth; libsodium, for the
# benchmarks; and tcpdump, for zcert decode.
PACKAGES = jq libzmq3-dev libczmq-dev python3-zmq python3-jupyter-client python3-nacl python3-argon2 python3-yaml gsasl sasl2-bin libsasl2-modules curl libsodium-dev tcpdump pkg-config gcc libc6-dev

# Packages that do not import libzmq must build without C, on every platform.
PURE = $(or $(shell CGO_ENABLED=1 $(GO) list -f '{{.ImportPath}} {{join .Deps ","}}' ./... | grep -v pebbe/zmq4 | cut -d' ' -f1), \
	$(error go list finds no packages))

PLATFORMS = linux/arm64 linux/386 darwin/arm64 windows/amd64

# Platforms that make dist builds for.
DIST = linux/amd64 linux/arm64 linux/386 darwin/amd64 darwin/arm64 windows/amd64

VERSION = $(or $(shell git describe --tags --always --dirty 2>/dev/null),dev)

# Packages that read sizes and numbers of peers, which could overflow an int of 32 bits.
# WIDE names slow tests that do not depend on it.
NARROW = ./curve ./zap ./zmtp ./cert ./sockets/zmq4 ./internal/tally ./internal/zpl
WIDE = Unraced|Alloc|Tamper|Flipped|Lock|Concurrent|Fuzz|Copies|Once|PublicOf

# Without apt-get, do not look for libzmq and the other peers.
ifeq ($(shell command -v apt-get 2>/dev/null),)
export CGO_ENABLED = 0
export ZCURVE_TEST_PEERS = none
TESTED = $(PURE)
else
export CGO_ENABLED = 1
TESTED = ./...
RACE = -race
# Packages with tests that run without the race detector only. See ztest.Unraced.
UNRACED = $(shell grep -rl --include='*_test.go' 'ztest[.]Unraced' . | xargs -n 1 dirname | sort -u)
endif

TESTFLAGS = -count=1 -parallel 8 -timeout 20m

# make fuzz runs each target for this long.
FUZZTIME ?= 1m

# make stress repeats the tests for this long.
STRESSTIME ?= 30m

# make soak opens connections for this long.
SOAKTIME ?= 5m

# make chaos kills processes for this long.
CHAOSTIME ?= 5m

# make page lets clients connect for this long before it takes pictures.
PAGETIME ?= 20s

START := $(shell date +%s)

.NOTPARALLEL: # each step relies on the one before
.PHONY: all deps libzmq build man completion install dist packages test lint unit cross narrow vulncheck stress soak chaos peers page demo recording bench bench-short plot fuzz clean

all: build man completion

deps:
ifdef RACE
	@missing=$$(dpkg-query -W -f '$${Package} $${db:Status-Status}\n' $(PACKAGES) 2>/dev/null | \
		awk '$$2 == "installed" {have[$$1]} END {split("$(PACKAGES)", want); for (i in want) if (!(want[i] in have)) print want[i]}'); \
	if [ -n "$$missing" ]; then \
		echo "installing Debian packages:" $$missing; \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		{ $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } || \
			{ echo "could not install them: needs root or sudo, and apt-get to work; then run: apt-get install" $$missing; exit 1; }; \
	fi
else
	@echo "no apt-get: leaving out what needs libzmq, czmq, pyzmq or gcc"
endif
	@$(GO) mod download

# For targets that need libzmq.
libzmq: deps
ifndef RACE
	@echo "this needs libzmq, which the Makefile installs with apt-get only"; exit 1
endif

build:
	CGO_ENABLED=0 $(GO) build -o bin/ ./cmd/...

man: build
	@rm -rf bin/man
	bin/zcert man bin/man
	bin/zauth man bin/man

completion: build
	@mkdir -p bin/completion
	@for tool in zcert zauth; do for shell in bash zsh fish; do \
		bin/$$tool completion $$shell >bin/completion/$$tool.$$shell || exit 1; \
	done; done

# Does not build, so that it needs no Go and leaves no files of root in bin.
install:
	@[ -x bin/zauth ] && [ -d bin/man ] && [ -d bin/completion ] || { echo 'nothing to install yet: run "make" first'; exit 1; }
	install -d "$(DESTDIR)$(PREFIX)/bin"
	install -m 755 bin/zcert bin/zauth "$(DESTDIR)$(PREFIX)/bin"
	@set -e; for page in bin/man/*.[1-8]; do \
		install -d "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}"; \
		install -m 644 $$page "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}"; \
	done
	install -d "$(DESTDIR)$(PREFIX)/share/bash-completion/completions" "$(DESTDIR)$(PREFIX)/share/zsh/site-functions" "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d"
	@set -e; for tool in zcert zauth; do \
		install -m 644 bin/completion/$$tool.bash "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$tool"; \
		install -m 644 bin/completion/$$tool.zsh "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_$$tool"; \
		install -m 644 bin/completion/$$tool.fish "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/$$tool.fish"; \
	done

# Archives for all platforms, Debian packages, lists of what they contain, and SHA256SUMS,
# in bin/dist.
dist:
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null)} $(GO) run -C internal/dist . -version $(VERSION) $(DIST)

# Installs, upgrades, removes and purges the Debian packages in a clean Debian, which it
# downloads and boots. Needs root. lintian checks the packages.
packages:
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mmdebstrap systemd-container lintian
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	$(GO) run -C internal/dist . -version 1.2.3 -o "$$dir" $(filter linux/%,$(DIST)); \
	lintian --allow-root --fail-on error,warning "$$dir"/*.deb
	$(GO) test -C internal/dist $(TESTFLAGS) -tags packages -run Lifecycle -v .

test: deps lint cross narrow unit

lint:
	@echo "gofmt"; unformatted=$$(gofmt -l .) || exit 1; [ -z "$$unformatted" ] || { echo "not formatted: $$unformatted"; exit 1; }
	$(GO) vet $(TESTED)
	$(GO) vet -C internal/dist ./...
	@# With -trimpath, the C that cgo has generated in another copy of this repository
	@# may come from the cache, and its sources are looked for there.
	GOFLAGS="$(filter-out -trimpath,$(GOFLAGS))" $(GO) tool staticcheck $(TESTED)

# Does not use cached results: Go cannot see that a Debian package changed, or a program
# that tests start. All packages share the programs that tests build. Module internal/dist
# is tested without the race detector, with which it would compress for minutes. The last
# step fails if a promise of docs/promises.md has no test that passed.
unit:
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && export ZCURVE_TEST_PROGRAMS="$$dir/programs" && \
	$(GO) build -o "$$dir/promises" ./internal/promises && \
	{ { $(GO) test -json $(TESTFLAGS) $(RACE) $(TESTED) || touch "$$dir/failed"; \
	    $(if $(RACE),$(GO) test -json $(TESTFLAGS) -run 'Alloc|Unraced' $(UNRACED) || touch "$$dir/failed";) \
	    $(GO) test -C internal/dist -json $(TESTFLAGS) ./... || touch "$$dir/failed"; } 2>&1 | \
		"$$dir/promises" docs/promises.md || touch "$$dir/failed"; } && \
	echo "$$(($$(date +%s) - $(START))) s in all"; \
	[ ! -e "$$dir/failed" ]

# Vet compiles the tests too. Only the tools are linked.
cross:
	@export CGO_ENABLED=0; for platform in $$($(GO) env GOHOSTOS)/$$($(GO) env GOHOSTARCH) $(PLATFORMS); do \
		echo "checking for $$platform without C"; \
		export GOOS=$${platform%/*} GOARCH=$${platform#*/}; \
		$(GO) vet $(PURE) && $(GO) build -ldflags=-w -o /dev/null ./cmd/... || exit 1; \
	done

# Tests with an int of 32 bits, if programs for 386 run here, as on most Linux systems.
narrow:
	@export GOOS=linux GOARCH=386 CGO_ENABLED=0 ZCURVE_TEST_PEERS=none; \
	if [ "$$($(GO) env GOHOSTOS)" = linux ] && $(GO) test -vet=off -run '^$$' ./internal/zpl >/dev/null 2>&1; then \
		echo "testing with 32 bits"; \
		$(GO) test -vet=off -short -count=1 -timeout 20m -skip '$(WIDE)' $(NARROW); \
	else \
		echo "programs for 386 do not run here: not testing with 32 bits"; \
	fi

# Lists known vulnerabilities that the code reaches. New ones appear without a change
# here, so make test does not run it.
vulncheck: deps
	@$(GO) run ./internal/vulncheck $(TESTED)

# Finds tests that fail by chance.
stress: libzmq
	$(GO) run ./internal/stress -for $(STRESSTIME) ./...

# Opens many kinds of connections and checks what they lose, keep and leak.
soak: libzmq
	$(GO) run ./internal/soak -for $(SOAKTIME)

# Kills and restarts processes with sockets, and checks what their peers notice.
chaos: libzmq
	$(GO) run ./internal/chaos -for $(CHAOSTIME)

# Builds public programs that use go-zeromq/zmq4 with sockets/zmq4 in its place, and runs
# their tests of sockets. Downloads them, and takes up to an hour the first time.
peers: deps
	@$(GO) run ./internal/peers

demo: libzmq build
	@$(GO) run ./examples/demo

# The recording of the demo that the README shows.
recording: libzmq build
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && $(GO) run ./examples/demo >"$$dir/demo" && \
	$(GO) run ./internal/recording <"$$dir/demo" >docs/images/demo.svg

# Looks at zauth's status page with Chromium and at its metrics with Prometheus, which it
# installs: hundreds of megabytes. Writes the pictures of the documentation.
page: PACKAGES = chromium prometheus
page: deps
	@$(GO) run ./internal/page -o docs/images -for $(PAGETIME)

# Both compare with libzmq and go-zeromq, and print the results. The long one also writes
# docs/performance.md and its plot; make plot writes the plot alone.
bench: libzmq
	$(GO) run ./bench

bench-short: libzmq
	$(GO) run ./bench -short -o ""

plot:
	$(GO) run ./bench -plot

fuzz:
	@set -e; packages=$$($(GO) list ./...); for package in $$packages; do \
		listed=$$($(GO) test -list '^Fuzz' $$package); \
		for target in $$(echo "$$listed" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5x $$package || exit 1; \
		done; \
	done

clean:
	rm -rf bin
