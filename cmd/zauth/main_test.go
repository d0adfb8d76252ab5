package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/script"
)

// asZauth in the environment makes the test binary run as zauth.
const asZauth = "ZAUTH_TEST_AS_ZAUTH"

func TestMain(m *testing.M) {
	if os.Getenv(asZauth) != "" {
		go ztest.EndWithStdin()
		main()
	}
	testscript.Main(ztest.WithPrograms(m), map[string]func(){"zauth": main, "knock": knock, "terminal": script.Terminal})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	script.Run(t, controlVariable+"=none", publishVariable+"=none")
}

// TestHelp: the help of all commands has the same form.
func TestHelp(t *testing.T) {
	t.Parallel()
	script.CheckHelp(t, newRoot())
}
