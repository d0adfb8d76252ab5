package bad

import (
	"fmt"
	"testing"
)

func TestPasses(t *testing.T) {
	t.Log("quiet")
	fmt.Println("stray: first\n  stray: second")
}

func TestFails(t *testing.T) {
	t.Log("logged before")
	t.Run("one", func(t *testing.T) { t.Error("wrong here") })
	t.Run("other", func(t *testing.T) { t.Log("quiet") })
}
