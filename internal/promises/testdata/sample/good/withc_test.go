//go:build cgo

package good

import "testing"

func TestWithC(t *testing.T) {}
