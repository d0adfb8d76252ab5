// Package examples holds programs in several languages. The tests run all of them, and
// "zcert snippet" prints some.
package examples

import "embed"

// Bundles are clients that get all they need from a bundle, "alice.bundle", by language.
//
//go:embed python/bundle.py node/bundle.mjs c/bundle.c java/Bundle.java go/bundle/main.go
var Bundles embed.FS
