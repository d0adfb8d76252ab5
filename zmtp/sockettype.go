package zmtp

import "slices"

// peers says which socket types may talk to each other (RFC 37, The
// Socket-Type Property).
var peers = map[string][]string{
	"REQ":     {"REP", "ROUTER"},
	"REP":     {"REQ", "DEALER"},
	"DEALER":  {"REP", "DEALER", "ROUTER"},
	"ROUTER":  {"REQ", "DEALER", "ROUTER"},
	"PUB":     {"SUB", "XSUB"},
	"XPUB":    {"SUB", "XSUB"},
	"SUB":     {"PUB", "XPUB"},
	"XSUB":    {"PUB", "XPUB"},
	"PUSH":    {"PULL"},
	"PULL":    {"PUSH"},
	"PAIR":    {"PAIR"},
	"CLIENT":  {"SERVER"},
	"SERVER":  {"CLIENT"},
	"RADIO":   {"DISH"},
	"DISH":    {"RADIO"},
	"SCATTER": {"GATHER"},
	"GATHER":  {"SCATTER"},
	"PEER":    {"PEER"},
	"CHANNEL": {"CHANNEL"},
}

// compatible reports whether a socket of type ours may talk to one of theirs.
func compatible(ours, theirs string) bool { return slices.Contains(peers[ours], theirs) }

// announcesIdentity reports whether sockets of that type send an Identity.
func announcesIdentity(socketType string) bool {
	return socketType == "REQ" || socketType == "DEALER" || socketType == "ROUTER"
}

// onlySends reports whether no message ever arrives at sockets of that type.
func onlySends(socketType string) bool { return socketType == "PUSH" || socketType == "SCATTER" }

// publishes reports whether subscriptions arrive at sockets of that type.
func publishes(socketType string) bool { return socketType == "PUB" || socketType == "XPUB" }
