# make demo   shows the whole thing at work
# make test   tests everything
#
# Both install what is missing: Debian packages with apt-get, Go modules with go.

GO ?= go

# Debian packages: libzmq and a C compiler for what is tested against libzmq,
# czmq and pyzmq for their side of the tests, what the other implementation of
# certificates stands on, and libsodium to be measured beside.
PACKAGES = libzmq3-dev libczmq-dev python3-zmq python3-nacl python3-argon2 libsodium-dev pkg-config gcc libc6-dev

# What imports libzmq needs C. Everything else must build without, anywhere.
# A folder with nothing but tests is no package to build.
PURE = $(shell $(GO) list -f '{{if .GoFiles}}{{.ImportPath}} {{join .Deps ","}}{{end}}' ./... | grep -v pebbe/zmq4 | cut -d' ' -f1)

PLATFORMS = linux/arm64 darwin/arm64 windows/amd64

# Each fuzz target runs this long under make fuzz.
FUZZTIME ?= 1m

.NOTPARALLEL: # each step relies on the one before
.PHONY: all deps build man test lint unit cross demo bench bench-short fuzz clean

all: build

deps:
	@missing=$$(dpkg-query -W -f '$${Package} $${db:Status-Status}\n' $(PACKAGES) 2>/dev/null | \
		awk '$$2 == "installed" {have[$$1]} END {split("$(PACKAGES)", want); for (i in want) if (!(want[i] in have)) print want[i]}'); \
	if [ -n "$$missing" ]; then \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	fi
	@$(GO) mod download

build:
	CGO_ENABLED=0 $(GO) build -o bin/ ./cmd/...

man: build
	bin/zcert man bin/man
	bin/zauth man bin/man

test: deps lint cross unit

lint:
	@echo "gofmt"; unformatted=$$(gofmt -l .) || exit 1; [ -z "$$unformatted" ] || { echo "not formatted: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# The race detector makes pools forget, so allocations are counted without it.
unit:
	$(GO) test -race ./...
	$(GO) test -run Alloc ./curve ./zmtp

# Vet compiles the tests too.
cross:
	CGO_ENABLED=0 $(GO) vet $(PURE)
	@export CGO_ENABLED=0; for platform in $(PLATFORMS); do \
		echo "building for $$platform"; \
		export GOOS=$${platform%/*} GOARCH=$${platform#*/}; \
		$(GO) build $(PURE) && $(GO) vet $(PURE) || exit 1; \
	done

demo: deps build
	@$(GO) run ./examples/demo

# Both measure beside libzmq and print; the long one writes docs/performance.md.
bench: deps
	$(GO) run ./bench

bench-short: deps
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
