//go:build !linux

package main

// takePassedSockets returns no sockets: only systemd passes any.
func takePassedSockets() (passedSockets, error) { return nil, nil }
