package panics

import "testing"

func TestPanics(t *testing.T) {
	t.Log("logged before")
	panic("oh no")
}

func TestNever(t *testing.T) {}
