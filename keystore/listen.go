package keystore

import "github.com/zcurve/zcurve/curve"

// listener is a function that OnChange has registered.
type listener struct {
	told func(key curve.PublicKey, name string)
}

// OnChange calls told after each change of an identity or of a revocation, with its key and
// the name of the identity, until stop is called. If a change takes a name from an identity
// and gives it another, there is a call for each. told must not block, and must not call the
// store. A change that consists of several steps has a call for each step, perhaps before
// the last step. Package policy finds OnChange by an interface of its own.
func (m *memory) OnChange(told func(key curve.PublicKey, name string)) (stop func()) {
	l := &listener{told}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.listeners == nil {
		m.listeners = map[*listener]bool{}
	}
	m.listeners[l] = true
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.listeners, l)
	}
}

// tellLocked tells all listeners of a change.
func (m *memory) tellLocked(key curve.PublicKey, name string) {
	for l := range m.listeners {
		l.told(key, name)
	}
}
