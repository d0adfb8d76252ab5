# make demo   shows the whole thing at work
# make test   tests everything
#
# Both install what is missing: Debian packages with apt-get, Go modules with go.
# On a system without apt-get, make test tests what needs no libzmq.

GO ?= go

ifeq ($(shell command -v $(GO) 2>/dev/null),)
$(error needs Go 1.26 or later, see https://go.dev/doc/install)
endif

# Paths that differ make Go compile anew what another copy of this repository, such
# as the one in which the documented commands are tested, has compiled already.
export GOFLAGS := $(filter-out -trimpath,$(shell $(GO) env GOFLAGS)) -trimpath

# Debian packages: libzmq and a C compiler for what is tested against libzmq,
# czmq and pyzmq for their side of the tests, what the other implementation of
# certificates is built on, another reader of YAML, and libsodium to be measured
# beside.
PACKAGES = libzmq3-dev libczmq-dev python3-zmq python3-nacl python3-argon2 python3-yaml libsodium-dev pkg-config gcc libc6-dev

# What imports libzmq needs C. Everything else must build without, anywhere.
PURE = $(or $(shell CGO_ENABLED=1 $(GO) list -f '{{.ImportPath}} {{join .Deps ","}}' ./... | grep -v pebbe/zmq4 | cut -d' ' -f1), \
	$(error go list finds no packages))

PLATFORMS = linux/arm64 linux/386 darwin/arm64 windows/amd64

# What reads sizes and numbers of others, and so what could go wrong where an int has
# 32 bits. Without what takes long, by name: what it shows doesn't depend on that.
NARROW = ./curve ./zap ./zmtp ./cert ./internal/tally ./internal/zpl
WIDE = Unraced|Alloc|Tamper|Flipped|Lock|Concurrent|Fuzz|Copies|Once|PublicOf

# Without apt-get, libzmq and the other peers can be anywhere, if they are there.
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

# Each fuzz target runs this long under make fuzz.
FUZZTIME ?= 1m

# make stress starts runs for this long.
STRESSTIME ?= 30m

# make soak opens connections for this long.
SOAKTIME ?= 5m

START := $(shell date +%s)

.NOTPARALLEL: # each step relies on the one before
.PHONY: all deps peers build man test lint unit cross narrow vulncheck stress soak demo bench bench-short fuzz clean

all: build

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
	@echo "no apt-get here to install libzmq, czmq, pyzmq and gcc, so what needs them is left out"
endif
	@$(GO) mod download

# What does nothing without libzmq.
peers: deps
ifndef RACE
	@echo "needs libzmq, which is installed with apt-get only"; exit 1
endif

build:
	CGO_ENABLED=0 $(GO) build -o bin/ ./cmd/...

man: build
	bin/zcert man bin/man
	bin/zauth man bin/man

test: deps lint cross narrow unit

lint:
	@echo "gofmt"; unformatted=$$(gofmt -l .) || exit 1; [ -z "$$unformatted" ] || { echo "not formatted: $$unformatted"; exit 1; }
	$(GO) vet $(TESTED)
	@# With -trimpath, the C that cgo has generated in another copy of this repository
	@# may come from the cache, and its sources are looked for there.
	GOFLAGS="$(filter-out -trimpath,$(GOFLAGS))" $(GO) tool staticcheck $(TESTED)

# Always runs the tests: Go can't see that a program changed which they start, or a
# Debian package. The programs that they build are shared by all packages. What the
# tests show has to be what docs/promises.md promises.
unit:
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && export ZCURVE_TEST_PROGRAMS="$$dir/programs" && \
	$(GO) build -o "$$dir/promises" ./internal/promises && \
	{ { $(GO) test -json $(TESTFLAGS) $(RACE) $(TESTED) || touch "$$dir/failed"; \
	    $(if $(RACE),$(GO) test -json $(TESTFLAGS) -run 'Alloc|Unraced' $(UNRACED) || touch "$$dir/failed";) } 2>&1 | \
		"$$dir/promises" docs/promises.md || touch "$$dir/failed"; } && \
	echo "$$(($$(date +%s) - $(START))) s in all"; \
	[ ! -e "$$dir/failed" ]

# Vet compiles the tests too. What is linked is what people install.
cross:
	@export CGO_ENABLED=0; for platform in $$($(GO) env GOHOSTOS)/$$($(GO) env GOHOSTARCH) $(PLATFORMS); do \
		echo "checking for $$platform without C"; \
		export GOOS=$${platform%/*} GOARCH=$${platform#*/}; \
		$(GO) vet $(PURE) && $(GO) build -ldflags=-w -o /dev/null ./cmd/... || exit 1; \
	done

# Tests with ints of 32 bits, where such programs run: on Linux for amd64 they mostly do.
narrow:
	@export GOOS=linux GOARCH=386 CGO_ENABLED=0 ZCURVE_TEST_PEERS=none; \
	if [ "$$($(GO) env GOHOSTOS)" = linux ] && $(GO) test -vet=off -run '^$$' ./internal/zpl >/dev/null 2>&1; then \
		echo "testing with 32 bits"; \
		$(GO) test -vet=off -short -count=1 -timeout 20m -skip '$(WIDE)' $(NARROW); \
	else \
		echo "no programs for 386 run here, so nothing is tested with 32 bits"; \
	fi

# Known vulnerabilities that reach us. What it finds depends on the day, so make test
# doesn't run it.
vulncheck: deps
	@$(GO) run ./internal/vulncheck $(TESTED)

# Looks for tests that fail by chance.
stress: peers
	$(GO) run ./internal/stress -for $(STRESSTIME) ./...

# Lets connections live, and looks whether they do.
soak: peers
	$(GO) run ./internal/soak -for $(SOAKTIME)

demo: peers build
	@$(GO) run ./examples/demo

# Both measure beside libzmq and print; the long one writes docs/performance.md.
bench: peers
	$(GO) run ./bench

bench-short: peers
	$(GO) run ./bench -short -o ""

fuzz:
	@set -e; packages=$$($(GO) list ./...); for package in $$packages; do \
		listed=$$($(GO) test -list '^Fuzz' $$package); \
		for target in $$(echo "$$listed" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

clean:
	rm -rf bin
