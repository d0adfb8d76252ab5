package ztest

import (
	"fmt"
	"os"
	"time"

	"go.uber.org/goleak"
)

// Main runs the tests of a package, a *testing.M or an [M], and ends the process. It
// fails if goroutines are left behind. On a busy machine, a goroutine may take some time
// to end, so Main waits for [Patience].
func Main(m interface{ Run() int }) {
	code := m.Run()
	if code == 0 {
		left := goleak.Find()
		for deadline := time.Now().Add(Patience); left != nil && time.Now().Before(deadline); left = goleak.Find() {
		}
		if left != nil {
			fmt.Fprintln(os.Stderr, "goroutines are left behind:", left)
			code = 1
		}
	}
	os.Exit(code)
}
