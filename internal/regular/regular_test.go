package regular

import (
	"errors"
	"testing"
)

func TestReadAll(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	if _, err := readAll(readerFunc(func([]byte) (int, error) { return 0, broken }), 10); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	endless := readerFunc(func(p []byte) (int, error) { return len(p), nil })
	for _, limit := range []int{0, 1, 4 << 10, 10_000} {
		if text, err := readAll(endless, limit); err != nil || len(text) != limit {
			t.Errorf("got %d bytes, %v, want %d", len(text), err, limit)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
