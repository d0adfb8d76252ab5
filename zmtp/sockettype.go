package zmtp

import (
	"maps"
	"slices"
	"strings"
)

// peers lists which socket types are compatible (RFC 37, The Socket-Type Property). The
// thread-safe types are missing: their messages have one part, and RADIO and DISH have
// groups, which this package does not support.
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

// socketTypes lists the supported types, for errors.
var socketTypes = strings.Join(slices.Sorted(maps.Keys(peers)), ", ")

// compatible reports whether a socket of type ours may talk to one of type theirs.
func compatible(ours, theirs string) bool { return slices.Contains(peers[ours], theirs) }

// announcesRoutingID reports whether sockets of this type send the property Identity.
func announcesRoutingID(socketType string) bool {
	return socketType == "REQ" || socketType == "DEALER" || socketType == "ROUTER"
}

// onlySends reports whether sockets of this type never receive a message.
func onlySends(socketType string) bool { return socketType == "PUSH" }

// publishes reports whether sockets of this type receive subscriptions.
func publishes(socketType string) bool { return socketType == "PUB" || socketType == "XPUB" }
