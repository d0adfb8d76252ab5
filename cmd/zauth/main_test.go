package main

import (
	"os"
	"testing"
)

// asZauth in the environment makes the test's binary be zauth.
const asZauth = "ZAUTH_TEST_AS_ZAUTH"

func TestMain(m *testing.M) {
	if os.Getenv(asZauth) != "" {
		main()
	}
	os.Exit(m.Run())
}
