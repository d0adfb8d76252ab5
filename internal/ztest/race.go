//go:build race

package ztest

// Race reports whether the race detector is on.
const Race = true
