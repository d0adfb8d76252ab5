package remote

import "sync/atomic"

// LimitHits count how often the limits of all calls of Serve were hit. See Serve for the
// limits.
type LimitHits struct {
	Connections uint64 // a connection was closed, because there were too many
	Decisions   uint64 // a request got status 300, because too many were in progress
	Malformed   uint64 // a request was malformed
}

// hits are the counters of LimitHits.
var hits struct{ connections, decisions, malformed atomic.Uint64 }

// Hits returns how often limits were hit since the process started. Safe for concurrent
// use.
func Hits() LimitHits {
	return LimitHits{hits.connections.Load(), hits.decisions.Load(), hits.malformed.Load()}
}
