// Package sockettype says which types of ZeroMQ sockets can be connected.
package sockettype

import (
	"maps"
	"slices"
)

// peers lists which socket types are compatible (RFC 37, The Socket-Type Property). The
// thread-safe types are missing: their messages have one part, and RADIO and DISH have
// groups, which package zmtp does not support.
var peers = map[string][]string{
	"REQ":    {"REP", "ROUTER"},
	"REP":    {"REQ", "DEALER"},
	"DEALER": {"REP", "DEALER", "ROUTER"},
	"ROUTER": {"REQ", "DEALER", "ROUTER"},
	"PUB":    {"SUB", "XSUB"},
	"XPUB":   {"SUB", "XSUB"},
	"SUB":    {"PUB", "XPUB"},
	"XSUB":   {"PUB", "XPUB"},
	"PUSH":   {"PULL"},
	"PULL":   {"PUSH"},
	"PAIR":   {"PAIR"},
}

// All returns the types, sorted.
func All() []string { return slices.Sorted(maps.Keys(peers)) }

// Known reports whether there is such a type.
func Known(name string) bool { return peers[name] != nil }

// Compatible reports whether a socket of type ours can be connected to one of type theirs.
func Compatible(ours, theirs string) bool { return slices.Contains(peers[ours], theirs) }
