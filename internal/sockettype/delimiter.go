package sockettype

import "slices"

// Delimiter is the place of the empty part in the messages between two sockets (RFC 28).
type Delimiter int

// The places.
const (
	NoDelimiter    Delimiter = iota
	InnerDelimiter           // after the parts that a ROUTER has prepended
	FirstDelimiter           // or after the number of the request
)

// requestID is the size of the number that libzmq puts before a request with
// ZMQ_REQ_CORRELATE, and the reply to it.
const requestID = 4

// DelimiterOf returns the place of the empty part in messages from a socket of type ours
// to one of type theirs.
func DelimiterOf(ours, theirs string) Delimiter {
	switch {
	case ours == "REQ" || theirs == "REQ":
		return FirstDelimiter
	case ours == "REP" || theirs == "REP":
		return InnerDelimiter
	}
	return NoDelimiter
}

// In reports whether a message has the empty part in its place, and others behind it. The
// peer would drop it otherwise.
func (d Delimiter) In(parts [][]byte) bool {
	at := 0
	switch d {
	case NoDelimiter:
		return true
	case FirstDelimiter:
		if len(parts[0]) == requestID {
			at = 1
		}
	case InnerDelimiter:
		at = slices.IndexFunc(parts, func(part []byte) bool { return len(part) == 0 })
	}
	return at >= 0 && at < len(parts)-1 && len(parts[at]) == 0
}
