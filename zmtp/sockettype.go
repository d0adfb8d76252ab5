package zmtp

import (
	"maps"
	"slices"
	"strings"
)

// peers says which socket types may talk to each other (RFC 37, The
// Socket-Type Property). The thread-safe types aren't there: their messages have one
// part, and RADIO and DISH have groups, of which nothing here knows.
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

// socketTypes lists those that work, for people.
var socketTypes = strings.Join(slices.Sorted(maps.Keys(peers)), ", ")

// compatible reports whether a socket of type ours may talk to one of theirs.
func compatible(ours, theirs string) bool { return slices.Contains(peers[ours], theirs) }

// announcesRoutingID reports whether sockets of that type send an Identity.
func announcesRoutingID(socketType string) bool {
	return socketType == "REQ" || socketType == "DEALER" || socketType == "ROUTER"
}

// onlySends reports whether no message ever arrives at sockets of that type.
func onlySends(socketType string) bool { return socketType == "PUSH" }

// publishes reports whether subscriptions arrive at sockets of that type.
func publishes(socketType string) bool { return socketType == "PUB" || socketType == "XPUB" }
