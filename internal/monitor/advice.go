package monitor

import "strings"

// Advice says how a client that was refused can be admitted, as far as zauth's configuration
// tells. The zero value gives no commands of zauth.
type Advice struct {
	// AdmitTo is the keystore of --admit-to. If it is "", zauth admits no keys itself.
	AdmitTo string
}

// isRevoked reports whether a refusal says that a key or certificate is revoked.
func isRevoked(reason string) bool {
	return strings.HasPrefix(reason, "key revoked") || strings.HasPrefix(reason, "certificate revoked")
}

// about returns a command that admits the client of an event, and what to do in words. Both may
// be "".
func (a Advice) about(e *Event) (command, words string) {
	return "", ""
}
